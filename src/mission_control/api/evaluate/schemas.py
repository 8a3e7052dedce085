"""Wire shapes of evaluations."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from mission_control.api.agents.schemas import VersionNumber
from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core import setting_values
from mission_control.core.money import Money
from mission_control.core.request_values import RequestBody
from mission_control.core.words import EvaluationPurpose, JobStatus, ScenarioStatus

ModelName = Annotated[
    setting_values.ModelName, Field(description="As LiteLLM names it: `openai/gpt-4o`.")
]
ScenarioId = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,120}$")]
Concurrency = Annotated[int, Field(ge=1, le=128, description="Scenarios at once.")]
DEFAULT_CONCURRENCY = 16
SplitName = Literal["train", "validation", "test"]


class EvaluationCreate(RequestBody):
    """`{}` evaluates the current version on all its scenarios, once each."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    version: VersionNumber | None = None
    splits: list[SplitName] | None = Field(default=None, min_length=1)
    scenario_ids: list[ScenarioId] | None = Field(default=None, min_length=1, max_length=5_000)
    rerun: Literal["failed", "error"] | None = Field(
        default=None,
        description="Only what failed (`failed`: and errored) in the latest evaluation.",
    )
    repetitions: int = Field(default=1, ge=1, le=20)
    concurrency: Concurrency = DEFAULT_CONCURRENCY
    model: ModelName | None = None


class EvaluationRead(BaseModel):
    """Rates are over what could be scored; null until measured. Errors are never scores."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agent_id: str
    version: int
    job_id: UUID
    purpose: EvaluationPurpose
    status: JobStatus
    model: str
    scenarios: int
    repetitions: int
    passed: int
    failed: int
    errors: int
    pass_rate: float | None = Field(examples=[0.4375])
    mean_score: float | None
    superoptix_score: float | None = Field(
        description="SuperOptiX's own lexical score, beside ours: a contradiction can pass it."
    )
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Money | None = Field(description="null: unpriced", examples=["0.00421300"])
    error: ErrorRead | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ScenarioResultRead(BaseModel):
    """One run of a scenario, with what was asked and expected when it ran."""

    model_config = ConfigDict(from_attributes=True)

    scenario_id: str
    split: SplitName | None = None
    anchor: bool = False
    input: dict[str, str] | None = Field(
        default=None, description="As the version had it that was evaluated."
    )
    expected: dict[str, str] | None = None
    repetition: int
    status: ScenarioStatus
    score: float | None
    superoptix_score: float | None
    checks: list[dict[str, Any]]
    output: dict[str, Any]
    latency_ms: float
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Money | None
    error_kind: str | None
    error_detail: str | None
    truncated: bool = Field(description="The token limit cut the reply, so it failed")
    thinking: str | None = Field(description="What the model said to itself; it was not judged")


class EvaluationDetail(EvaluationRead):
    results: list[ScenarioResultRead]


class EvaluationSnapshot(BaseModel):
    """The newest evaluation of an agent, whatever its end."""

    evaluation: EvaluationDetail | None


class EvaluationPage(BaseModel):
    items: list[EvaluationRead]
    next_cursor: str | None
