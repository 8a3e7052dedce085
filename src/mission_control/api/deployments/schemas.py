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
    force: bool = Field(
        default=False,
        description="Deploy although it was not shown to be better, or although a squad has texts of its own in the place of the assistant's.",
    )
    overwrite: bool = Field(
        default=False,
        description="Also replace what somebody changed at Vapi since it was last written or read "
        "here. What is replaced is recorded with who asked, and a rollback brings it back.",
    )
    include_memory: bool = Field(
        default=False,
        description="Put what the agent's context chooses of the memory into the prompt, as it is "
        "now. An agent that runs here loads it at every execution anyway.",
    )


class RollbackRequest(RequestBody):
    """`{}` undoes the deployment in force."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    overwrite: bool = Field(
        default=False,
        description="Also replace what somebody changed at Vapi since the deployment. What is "
        "replaced is recorded with who asked.",
    )
    force: bool = Field(
        default=False,
        description="Also when Vapi no longer has the assistant: the deployment is given up.",
    )


class TakeOverRequest(BaseModel):
    """`{}` makes a version of what answers at Vapi."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    note: str = Field(default="", max_length=2_000, pattern=r"^[^\x00]*$")


class Overwritten(BaseModel):
    """A text of somebody else's that was replaced on request."""

    field: str = Field(examples=["system", "first_message"])
    known: str | None = Field(description="What was known to be there.")
    live: str | None = Field(description="What was there, and was replaced.")


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
    warnings: list[str] = Field(description="What else is worth knowing, in sentences.")
    requested_by: str | None = Field(description="null: from before this was recorded")
    taken_over: bool = Field(description="It was at Vapi already, and became a version here.")
    overwritten: list[Overwritten] | None = Field(description="null: nothing of anybody else's")
    rolled_back_at: datetime | None
    rolled_back_by: str | None
    rollback_overwritten: list[Overwritten] | None
    error: ErrorRead | None
    created_at: datetime
    finished_at: datetime | None


class DeploymentPage(BaseModel):
    items: list[DeploymentRead]
    next_cursor: str | None
