"""The trials of a search: stored once, shown against their parents."""

from mission_control.api.agents.versions import unified_diff
from mission_control.api.optimize import events
from mission_control.api.optimize.schemas import (
    TrialRead,
)
from mission_control.core.money import as_money
from mission_control.data.optimizations import Optimization, Trial
from mission_control.data.unit_of_work import UnitOfWork
from mission_control_protocol import (
    TrialFinished,
)


async def store_trial(uow: UnitOfWork, optimization: Optimization, message: TrialFinished) -> None:
    """Store a trial once: a resumed search tells of the ones it remembers again."""
    if await uow.optimizations.trial(optimization.id, message.number) is not None:
        return
    parent = (
        await uow.optimizations.trial(optimization.id, message.parent)
        if message.parent is not None
        else None
    )
    trial = Trial(
        optimization_id=optimization.id,
        number=message.number,
        parent=message.parent,
        accepted=message.accepted,
        validation_score=message.validation_score,
        sample_score=message.sample_score,
        prompt=message.prompt,
        demonstrations=[each.model_dump() for each in message.demonstrations],
        metric_calls=message.metric_calls,
        cost_usd=as_money(message.usage.cost_usd),
        truncated=message.truncated,
        unmeasured=message.unmeasured,
    )
    uow.optimizations.add_trial(trial)
    await uow.flush()
    if trial.number == 0:
        optimization.baseline_validation_score = trial.validation_score
    diff = trial_diff(trial, parent)
    uow.publish(events.trial_finished(optimization, trial, diff=diff))


def trial_diff(trial: Trial, parent: Trial | None) -> str:
    if parent is None:
        return ""
    names = (f"trial {parent.number}", f"trial {trial.number}")
    return unified_diff(parent.prompt, trial.prompt, *names)


def trial_read(trial: Trial, by_number: dict[int, Trial]) -> TrialRead:
    parent = by_number.get(trial.parent) if trial.parent is not None else None
    return TrialRead(
        number=trial.number,
        parent=trial.parent,
        accepted=trial.accepted,
        validation_score=trial.validation_score,
        sample_score=trial.sample_score,
        metric_calls=trial.metric_calls,
        cost_usd=trial.cost_usd,
        truncated=trial.truncated,
        unmeasured=trial.unmeasured,
        diff=trial_diff(trial, parent),
        created_at=trial.created_at,
    )
