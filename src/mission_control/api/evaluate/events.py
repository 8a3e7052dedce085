"""What the evaluate feature announces, on the channel of its agent."""

from typing import Any
from uuid import UUID

from pydantic import Field

from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.events import Event, EventData
from mission_control.core.money import Money
from mission_control.core.words import EvaluationPurpose, ScenarioStatus
from mission_control.data.evaluations import Evaluation, ScenarioResult


class OfAnEvaluation(EventData):
    evaluation_id: UUID


class EvaluationStarted(OfAnEvaluation):
    """The first scenario is about to run."""

    type = "evaluation.started"
    purpose: EvaluationPurpose
    scenarios: int
    repetitions: int
    model: str


class EvaluationScenarioFinished(OfAnEvaluation):
    """One run of a scenario is stored."""

    type = "evaluation.scenario_finished"
    scenario_id: str
    repetition: int
    status: ScenarioStatus
    score: float | None
    latency_ms: float
    error_kind: str | None
    done: int = Field(description="Runs that are stored, this one included.")
    total: int


class EvaluationCompleted(OfAnEvaluation):
    """Everything is measured and summed up."""

    type = "evaluation.completed"
    purpose: EvaluationPurpose
    pass_rate: float | None
    passed: int
    failed: int
    errors: int
    cost_usd: Money | None = Field(description="null: unpriced")


class EvaluationFailed(OfAnEvaluation):
    """It ended without rates. What was measured is kept."""

    type = "evaluation.failed"
    error: ErrorRead


class EvaluationCancelled(OfAnEvaluation):
    """Somebody ended it. What was measured is kept."""

    type = "evaluation.cancelled"


EVENTS = (
    EvaluationStarted,
    EvaluationScenarioFinished,
    EvaluationCompleted,
    EvaluationFailed,
    EvaluationCancelled,
)


def channel(agent_id: str) -> str:
    return f"evaluate:{agent_id}"


def evaluation_started(evaluation: Evaluation) -> Event:
    return _event(
        evaluation,
        EvaluationStarted(
            evaluation_id=evaluation.id,
            purpose=evaluation.purpose,
            scenarios=len(evaluation.scenario_ids),
            repetitions=evaluation.repetitions,
            model=evaluation.model,
        ),
    )


def scenario_finished(evaluation: Evaluation, result: ScenarioResult, *, done: int) -> Event:
    return _event(
        evaluation,
        EvaluationScenarioFinished(
            evaluation_id=evaluation.id,
            scenario_id=result.scenario_id,
            repetition=result.repetition,
            status=result.status,
            score=result.score,
            latency_ms=result.latency_ms,
            error_kind=result.error_kind,
            done=done,
            total=len(evaluation.scenario_ids) * evaluation.repetitions,
        ),
    )


def evaluation_completed(evaluation: Evaluation) -> Event:
    return _event(
        evaluation,
        EvaluationCompleted(
            evaluation_id=evaluation.id,
            purpose=evaluation.purpose,
            pass_rate=evaluation.pass_rate,
            passed=evaluation.passed,
            failed=evaluation.failed,
            errors=evaluation.errors,
            cost_usd=evaluation.cost_usd,
        ),
    )


def evaluation_failed(evaluation: Evaluation, error: dict[str, Any]) -> Event:
    failed = EvaluationFailed(evaluation_id=evaluation.id, error=ErrorRead.model_validate(error))
    return _event(evaluation, failed)


def evaluation_cancelled(evaluation: Evaluation) -> Event:
    return _event(evaluation, EvaluationCancelled(evaluation_id=evaluation.id))


def _event(evaluation: Evaluation, data: EventData) -> Event:
    return Event(
        channel=channel(evaluation.agent_id),
        agent_id=evaluation.agent_id,
        job_id=str(evaluation.job_id),
        data=data,
    )
