"""What the optimize feature announces, on the channel of its agent."""

from typing import Any

from mission_control.core.events import Event
from mission_control.core.money import plain
from mission_control.data.optimizations import Optimization, Trial


def channel(agent_id: str) -> str:
    return f"optimize:{agent_id}"


def optimization_started(optimization: Optimization) -> Event:
    return _event(
        "optimization.started",
        optimization,
        optimizer=optimization.optimizer,
        budget=optimization.budget,
        model=optimization.model,
    )


def optimization_progressed(optimization: Optimization, *, trials: int) -> Event:
    return _event(
        "optimization.progressed",
        optimization,
        phase=optimization.phase,
        trials=trials,
        metric_calls=optimization.metric_calls,
        metric_calls_budget=optimization.metric_calls_budget,
        best_validation_score=optimization.best_validation_score,
        cost_usd=_money(optimization),
    )


def trial_finished(optimization: Optimization, trial: Trial, *, diff: str) -> Event:
    return _event(
        "optimization.trial_finished",
        optimization,
        number=trial.number,
        parent=trial.parent,
        accepted=trial.accepted,
        validation_score=trial.validation_score,
        sample_score=trial.sample_score,
        diff=diff,
    )


def optimization_logged(optimization: Optimization, *, level: str, text: str) -> Event:
    return _event("optimization.log", optimization, level=level, text=text)


def optimization_completed(optimization: Optimization, *, candidate_version: int | None) -> Event:
    return _event(
        "optimization.completed",
        optimization,
        verdict=optimization.verdict,
        improvement_pct=optimization.improvement_pct,
        comparison=optimization.comparison,
        candidate_version=candidate_version,
        stop_reason=optimization.stop_reason,
        cost_usd=_money(optimization),
    )


def optimization_failed(optimization: Optimization, error: dict[str, Any]) -> Event:
    return _event("optimization.failed", optimization, error=error)


def optimization_cancelled(optimization: Optimization, *, candidate_version: int | None) -> Event:
    return _event("optimization.cancelled", optimization, candidate_version=candidate_version)


def _money(optimization: Optimization) -> str | None:
    return plain(optimization.cost_usd) if optimization.cost_usd is not None else None


def _event(name: str, optimization: Optimization, **data: Any) -> Event:
    return Event(
        channel=channel(optimization.agent_id),
        type=name,
        agent_id=optimization.agent_id,
        job_id=str(optimization.job_id),
        data={"optimization_id": str(optimization.id), **data},
    )
