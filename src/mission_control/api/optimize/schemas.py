"""Wire shapes of optimizations."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from mission_control.api.evaluate.schemas import DEFAULT_CONCURRENCY, Concurrency, ModelName
from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.money import Money
from mission_control.core.request_values import RequestBody
from mission_control.core.words import JobStatus, Verdict
from mission_control_protocol import Level, OptimizerName


class OptimizationCreate(RequestBody):
    """How to search. Limits in calls, money and time hold together with the level."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"optimizer": "GEPA", "auto": "light"}]}
    )

    optimizer: OptimizerName = "GEPA"
    auto: Level | None = Field(default=None, description="`light` unless a limit is given.")
    max_metric_calls: int | None = Field(default=None, ge=1, le=1_000_000)
    max_cost_usd: float | None = Field(default=None, gt=0, le=100_000, allow_inf_nan=False)
    max_minutes: float | None = Field(default=None, gt=0, le=24 * 60, allow_inf_nan=False)
    repetitions: int = Field(default=3, ge=1, le=20, description="Of the final comparison.")
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    concurrency: Concurrency = DEFAULT_CONCURRENCY
    model: ModelName | None = None
    reflection_model: ModelName | None = None


class ComparisonCreate(RequestBody):
    """`{}` runs only what the comparison of this optimization could not measure."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    concurrency: Concurrency = DEFAULT_CONCURRENCY


class TrialRead(BaseModel):
    """One candidate of the search; number 0 is the prompt it started from."""

    number: int
    parent: int | None
    accepted: bool
    validation_score: float | None
    sample_score: float | None
    metric_calls: int
    cost_usd: Money | None
    truncated: int | None = Field(
        description="Replies that the token limit cut, since the trial before; null: not counted."
    )
    unmeasured: int | None = Field(
        description="Calls that gave no answer, since the trial before: they are no zeros."
    )
    diff: str = Field(description="Against its parent.")
    created_at: datetime


class OptimizationRead(BaseModel):
    """A search and what came of it. Nothing is claimed that the test split did not show."""

    id: UUID
    agent_id: str
    job_id: UUID
    base_version: int
    candidate_version: int | None
    optimizer: str
    budget: dict[str, Any]
    model: str
    reflection_model: str
    repetitions: int = Field(description="Of the comparison, for each version.")
    status: JobStatus
    phase: str
    stop_reason: str | None
    baseline_validation_score: float | None
    best_validation_score: float | None
    metric_calls: int
    metric_calls_budget: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Money | None = Field(description="null: unpriced, or not known yet")
    warnings: list[str] = Field(
        description="Scenarios that ask the same question, within a split or across splits."
    )
    verdict: Verdict | None
    improvement_pct: float | None = Field(
        description="Difference in pass rate on the test split, in points; null until measured."
    )
    comparison: dict[str, Any] | None
    error: ErrorRead | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class OptimizationDetail(OptimizationRead):
    trials: list[TrialRead]
    diff: str | None = Field(description="Unified diff of the prompt: base against candidate.")


class OptimizationSnapshot(BaseModel):
    """The newest optimization of an agent, whatever its end."""

    optimization: OptimizationDetail | None


class OptimizationPage(BaseModel):
    items: list[OptimizationRead]
    next_cursor: str | None
