"""What is read of optimizations."""

from uuid import UUID

from mission_control.api.agents.versions import unified_diff
from mission_control.api.optimize.errors import (
    NoOptimizationError,
)
from mission_control.api.optimize.schemas import (
    OptimizationDetail,
    OptimizationPage,
    OptimizationRead,
    OptimizationSnapshot,
)
from mission_control.api.optimize.trials import trial_read
from mission_control.data.optimizations import Optimization
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork


async def latest_optimization(uow: UnitOfWork, agent_id: str) -> OptimizationDetail:
    await uow.agents.get(agent_id)
    optimization = await uow.optimizations.latest(agent_id)
    if optimization is None:
        raise NoOptimizationError("This agent has not been optimized yet.", agent_id=agent_id)
    return await detail(uow, optimization)


async def show_optimization(
    uow: UnitOfWork, agent_id: str, optimization_id: UUID
) -> OptimizationDetail:
    optimization = await uow.optimizations.get(optimization_id)
    if optimization.agent_id != agent_id:
        raise NoOptimizationError("This agent has no such optimization.", agent_id=agent_id)
    return await detail(uow, optimization)


async def list_optimizations(
    uow: UnitOfWork, agent_id: str, *, limit: int, cursor: str | None
) -> OptimizationPage:
    await uow.agents.get(agent_id)
    page = await uow.optimizations.page(
        agent_id, limit=limit, cursor=Cursor.decode(cursor, Optimization)
    )
    return OptimizationPage(
        items=[await _read(uow, item) for item in page.items], next_cursor=page.next_cursor
    )


async def detail(uow: UnitOfWork, optimization: Optimization) -> OptimizationDetail:
    trials = list(await uow.optimizations.trials(optimization.id))
    by_number = {trial.number: trial for trial in trials}
    return OptimizationDetail(
        **(await _read(uow, optimization)).model_dump(),
        trials=[trial_read(trial, by_number) for trial in trials],
        diff=await _diff(uow, optimization),
    )


async def _diff(uow: UnitOfWork, optimization: Optimization) -> str | None:
    if optimization.candidate_version_id is None:
        return None
    base = await uow.agents.version_by_id(optimization.base_version_id)
    candidate = await uow.agents.version_by_id(optimization.candidate_version_id)
    return unified_diff(
        base.prompt, candidate.prompt, f"version {base.number}", f"version {candidate.number}"
    )


async def candidate_number(uow: UnitOfWork, optimization: Optimization) -> int | None:
    if optimization.candidate_version_id is None:
        return None
    return (await uow.agents.version_by_id(optimization.candidate_version_id)).number


async def _read(uow: UnitOfWork, optimization: Optimization) -> OptimizationRead:
    base = await uow.agents.version_by_id(optimization.base_version_id)
    columns = {
        name: getattr(optimization, name)
        for name in OptimizationRead.model_fields
        if name not in {"base_version", "candidate_version"}
    }
    return OptimizationRead.model_validate(
        {
            **columns,
            "base_version": base.number,
            "candidate_version": await candidate_number(uow, optimization),
        }
    )


async def snapshot(uow: UnitOfWork, agent_id: str) -> OptimizationSnapshot:
    """What a console needs before the first live event."""
    await uow.agents.get(agent_id)
    optimization = await uow.optimizations.latest(agent_id)
    if optimization is None:
        return OptimizationSnapshot(optimization=None)
    return OptimizationSnapshot(optimization=await detail(uow, optimization))
