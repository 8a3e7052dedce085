"""The best of a search becomes a version, as data."""

from collections.abc import Sequence

from mission_control.api.agents.versions import add_version, playbook_of
from mission_control.core import playbook as playbooks
from mission_control.core.playbook import Demonstration
from mission_control.core.words import (
    VersionOrigin,
)
from mission_control.data.agents import AgentVersion
from mission_control.data.optimizations import Optimization
from mission_control.data.unit_of_work import UnitOfWork


async def add_candidate(
    uow: UnitOfWork,
    optimization: Optimization,
    base: AgentVersion,
    prompt: str,
    demonstrations: Sequence[Demonstration],
) -> None:
    """The optimized prompt becomes a version, as data. It is not the current one until deployed."""
    data = playbooks.with_prompt(playbook_of(base).data, prompt, demonstrations)
    candidate = await add_version(
        uow,
        await uow.agents.get_locked(optimization.agent_id),
        playbooks.read_playbook(data),
        prompt=prompt,
        warnings=base.warnings,
        origin=VersionOrigin.OPTIMIZATION,
        parent_id=base.id,
        note=f"{optimization.optimizer} from version {base.number}",
    )
    optimization.candidate_version_id = candidate.id


async def keep_best_trial(uow: UnitOfWork, optimization: Optimization) -> None:
    """A search that ended early still leaves its best candidate, unproven, as a version."""
    if optimization.candidate_version_id is not None:
        return
    trials = await uow.optimizations.trials(optimization.id)
    scored = [t for t in trials if t.accepted and t.validation_score is not None]
    if not scored:
        return
    best = max(scored, key=lambda trial: (trial.validation_score or 0.0, -trial.number))
    if best.number == 0:
        return
    base = await uow.agents.version_by_id(optimization.base_version_id)
    demonstrations = [Demonstration(**each) for each in best.demonstrations]
    await add_candidate(uow, optimization, base, best.prompt, demonstrations)
