"""Wire shapes of executions."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from mission_control.api.agents.schemas import VersionNumber
from mission_control.api.evaluate.schemas import ModelName
from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.agent_context import MemoryRecord
from mission_control.core.money import Money
from mission_control.core.request_values import RequestBody, closed
from mission_control.core.words import ExecutionStatus

# PostgreSQL stores no text that holds NUL.
FieldName = Annotated[str, Field(max_length=64, pattern=r"^[^\x00]*$")]
FieldText = Annotated[str, Field(max_length=100_000, pattern=r"^[^\x00]*$")]


class ExecutionCreate(RequestBody):
    """What the agent is given: a value for each of its input fields."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"input": {"caller_says": "How much is it?"}}]},
    )

    input: Annotated[
        dict[FieldName, FieldText],
        Field(min_length=1, max_length=32, json_schema_extra=closed),
    ]
    version: VersionNumber | None = None
    model: ModelName | None = None


class ExecutionRead(BaseModel):
    """One run of an agent on one input. A run that failed has an error and no output."""

    id: UUID
    agent_id: str
    version: int
    status: ExecutionStatus
    model: str
    input: dict[str, Any]
    output: dict[str, Any] | None
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Money | None = Field(description="null: unpriced")
    memories: MemoryRecord | None = Field(
        description="Exactly what of the memory it saw; null: the agent has no context"
    )
    truncated: bool = Field(description="The token limit cut the output")
    thinking: str | None = Field(description="What the model said to itself; no part of the output")
    error: ErrorRead | None
    created_at: datetime


class ExecutionPage(BaseModel):
    items: list[ExecutionRead]
    next_cursor: str | None
