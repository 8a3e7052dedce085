"""Wire shapes of deployments."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from mission_control.api.agents.schemas import VersionNumber
from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.agent_context import MemoryRecord
from mission_control.core.request_values import RequestBody
from mission_control.core.words import DeploymentStatus, DeploymentTarget


class DeployRequest(RequestBody):
    """`{}` deploys the candidate of the latest optimization."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    version: VersionNumber | None = None
    force: bool = Field(default=False, description="Deploy although it was not shown to be better.")
    include_memory: bool = Field(
        default=False,
        description="Put what the agent's context chooses of the memory into the prompt, as it is "
        "now. An agent that runs here loads it at every execution anyway.",
    )


class RollbackRequest(RequestBody):
    """`{}` undoes the deployment in force."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    force: bool = Field(
        default=False, description="Also overwrite what somebody changed in Vapi since."
    )


class DeploymentRead(BaseModel):
    """A version on a target. `changed` names the fields that were changed there."""

    id: UUID
    agent_id: str
    version: int
    previous_version: int | None
    job_id: UUID
    target: DeploymentTarget
    target_id: str | None
    status: DeploymentStatus
    memories: MemoryRecord | None = Field(description="null: deployed without its memory")
    changed: list[str]
    error: ErrorRead | None
    created_at: datetime
    finished_at: datetime | None


class DeploymentPage(BaseModel):
    items: list[DeploymentRead]
    next_cursor: str | None
