"""What the optimize feature announces, on the channel of its agent."""

from typing import Any
from uuid import UUID

from pydantic import Field

from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.comparison.verdict import Comparison
from mission_control.core.events import Event, EventData
from mission_control.core.money import Money
from mission_control.core.words import Verdict
from mission_control.data.optimizations import Optimization, Trial


class OfAnOptimization(EventData):
    optimization_id: UUID


class OptimizationStarted(OfAnOptimization):
    """The search is about to begin."""

    type = "optimization.started"
    optimizer: str
    budget: dict[str, Any]
    model: str


class OptimizationProgressed(OfAnOptimization):
    """How far the search is, and what it cost so far."""

    type = "optimization.progressed"
    phase: str
    trials: int
    metric_calls: int
    metric_calls_budget: int | None
    best_validation_score: float | None
    cost_usd: Money | None = Field(description="null: unpriced, or not known yet")


class OptimizationTrialFinished(OfAnOptimization):
    """A candidate was scored; number 0 is the prompt that the search started from."""

    type = "optimization.trial_finished"
    number: int
    parent: int | None
    accepted: bool
    validation_score: float | None
    sample_score: float | None
    truncated: int | None
    unmeasured: int | None
    diff: str = Field(description="Against its parent.")


class OptimizationLog(OfAnOptimization):
    """A line of the engine's log."""

    type = "optimization.log"
    level: str
    text: str


class OptimizationCompleted(OfAnOptimization):
    """The candidate, if there is one, was compared with the version that the search started from."""

    type = "optimization.completed"
    verdict: Verdict | None
    improvement_pct: float | None
    comparison: Comparison | None
    candidate_version: int | None
    stop_reason: str | None
    cost_usd: Money | None = Field(description="null: unpriced")


class OptimizationFailed(OfAnOptimization):
    """It ended without a verdict. Trials are kept."""

    type = "optimization.failed"
    error: ErrorRead


class OptimizationCancelled(OfAnOptimization):
    """Somebody ended it. The best candidate so far is kept, unproven."""

    type = "optimization.cancelled"
    candidate_version: int | None


EVENTS = (
    OptimizationStarted,
    OptimizationProgressed,
    OptimizationTrialFinished,
    OptimizationLog,
    OptimizationCompleted,
    OptimizationFailed,
    OptimizationCancelled,
)


def channel(agent_id: str) -> str:
    return f"optimize:{agent_id}"


def optimization_started(optimization: Optimization) -> Event:
    return _event(
        optimization,
        OptimizationStarted(
            optimization_id=optimization.id,
            optimizer=optimization.optimizer,
            budget=optimization.budget,
            model=optimization.model,
        ),
    )


def optimization_progressed(optimization: Optimization, *, trials: int) -> Event:
    return _event(
        optimization,
        OptimizationProgressed(
            optimization_id=optimization.id,
            phase=optimization.phase,
            trials=trials,
            metric_calls=optimization.metric_calls,
            metric_calls_budget=optimization.metric_calls_budget,
            best_validation_score=optimization.best_validation_score,
            cost_usd=optimization.cost_usd,
        ),
    )


def trial_finished(optimization: Optimization, trial: Trial, *, diff: str) -> Event:
    return _event(
        optimization,
        OptimizationTrialFinished(
            optimization_id=optimization.id,
            number=trial.number,
            parent=trial.parent,
            accepted=trial.accepted,
            validation_score=trial.validation_score,
            sample_score=trial.sample_score,
            truncated=trial.truncated,
            unmeasured=trial.unmeasured,
            diff=diff,
        ),
    )


def optimization_logged(optimization: Optimization, *, level: str, text: str) -> Event:
    return _event(
        optimization, OptimizationLog(optimization_id=optimization.id, level=level, text=text)
    )


def optimization_completed(optimization: Optimization, *, candidate_version: int | None) -> Event:
    comparison = optimization.comparison
    return _event(
        optimization,
        OptimizationCompleted(
            optimization_id=optimization.id,
            verdict=optimization.verdict,
            improvement_pct=optimization.improvement_pct,
            comparison=Comparison.model_validate(comparison) if comparison is not None else None,
            candidate_version=candidate_version,
            stop_reason=optimization.stop_reason,
            cost_usd=optimization.cost_usd,
        ),
    )


def optimization_failed(optimization: Optimization, error: dict[str, Any]) -> Event:
    failed = OptimizationFailed(
        optimization_id=optimization.id, error=ErrorRead.model_validate(error)
    )
    return _event(optimization, failed)


def optimization_cancelled(optimization: Optimization, *, candidate_version: int | None) -> Event:
    cancelled = OptimizationCancelled(
        optimization_id=optimization.id, candidate_version=candidate_version
    )
    return _event(optimization, cancelled)


def _event(optimization: Optimization, data: EventData) -> Event:
    return Event(
        channel=channel(optimization.agent_id),
        agent_id=optimization.agent_id,
        job_id=str(optimization.job_id),
        data=data,
    )
