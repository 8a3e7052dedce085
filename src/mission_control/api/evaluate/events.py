"""What the evaluate feature announces, on the channel of its agent."""

from typing import Any
from uuid import UUID

from mission_control.core.events import Event
from mission_control.core.money import plain
from mission_control.data.evaluations import Evaluation, ScenarioResult


def channel(agent_id: str) -> str:
    return f"evaluate:{agent_id}"


def evaluation_started(evaluation: Evaluation) -> Event:
    return _event(
        "evaluation.started",
        evaluation,
        purpose=evaluation.purpose,
        scenarios=len(evaluation.scenario_ids),
        repetitions=evaluation.repetitions,
        model=evaluation.model,
    )


def scenario_finished(evaluation: Evaluation, result: ScenarioResult, *, done: int) -> Event:
    return _event(
        "evaluation.scenario_finished",
        evaluation,
        scenario_id=result.scenario_id,
        repetition=result.repetition,
        status=result.status,
        score=result.score,
        latency_ms=result.latency_ms,
        error_kind=result.error_kind,
        done=done,
        total=len(evaluation.scenario_ids) * evaluation.repetitions,
    )


def evaluation_completed(evaluation: Evaluation) -> Event:
    return _event(
        "evaluation.completed",
        evaluation,
        purpose=evaluation.purpose,
        pass_rate=evaluation.pass_rate,
        passed=evaluation.passed,
        failed=evaluation.failed,
        errors=evaluation.errors,
        cost_usd=plain(evaluation.cost_usd) if evaluation.cost_usd is not None else None,
    )


def evaluation_failed(evaluation: Evaluation, error: dict[str, Any]) -> Event:
    return _event("evaluation.failed", evaluation, error=error)


def evaluation_cancelled(evaluation: Evaluation) -> Event:
    return _event("evaluation.cancelled", evaluation)


def _event(name: str, evaluation: Evaluation, **data: Any) -> Event:
    job_id: UUID = evaluation.job_id
    return Event(
        channel=channel(evaluation.agent_id),
        type=name,
        agent_id=evaluation.agent_id,
        job_id=str(job_id),
        data={"evaluation_id": str(evaluation.id), **data},
    )
