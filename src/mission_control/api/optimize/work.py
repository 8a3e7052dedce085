"""What a worker does for an optimization: search, then compare once on scenarios never seen."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from mission_control.api.evaluate.results import added, cost_of, end_unmeasured
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.optimize import events
from mission_control.api.optimize.candidates import keep_best_trial
from mission_control.api.optimize.phases import COMPARING, CONCLUDED
from mission_control.api.optimize.queries import candidate_number
from mission_control.api.optimize.search import search
from mission_control.api.optimize.verdict import compare_with_base
from mission_control.core.clock import utc_now
from mission_control.core.words import (
    AgentStatus,
    JobStatus,
)
from mission_control.data.evaluations import Evaluation
from mission_control.data.optimizations import Optimization
from mission_control.data.unit_of_work import UnitOfWork


class OptimizationWork:
    """Searches, makes the candidate a version, and compares it with where the search began."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            optimization = await self._optimization(uow)
            base = await uow.agents.version_by_id(optimization.base_version_id)
        if optimization.phase == CONCLUDED:
            return  # by an attempt that died before it could say so
        if optimization.phase != COMPARING:
            await search(job, optimization, base)
        await compare_with_base(job, optimization.id, base)

    async def completed(self, uow: UnitOfWork) -> None:
        optimization = await self._optimization(uow)
        await _end(uow, optimization, JobStatus.COMPLETED, None)
        uow.publish(
            events.optimization_completed(
                optimization, candidate_version=await candidate_number(uow, optimization)
            )
        )

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        optimization = await self._optimization(uow)
        await keep_best_trial(uow, optimization)
        await _end(uow, optimization, JobStatus.FAILED, error)
        uow.publish(events.optimization_failed(optimization, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        optimization = await self._optimization(uow)
        await keep_best_trial(uow, optimization)
        await _end(uow, optimization, JobStatus.CANCELLED, None)
        uow.publish(
            events.optimization_cancelled(
                optimization, candidate_version=await candidate_number(uow, optimization)
            )
        )

    async def _optimization(self, uow: UnitOfWork) -> Optimization:
        optimization = await uow.optimizations.of_job(self._job_id)
        assert optimization is not None
        return optimization


async def _end(
    uow: UnitOfWork, optimization: Optimization, status: JobStatus, error: dict[str, Any] | None
) -> None:
    """End it: the agent goes back to where it stood, the candidate waits for a deploy."""
    optimization.status, optimization.error = status, error
    optimization.phase, optimization.finished_at = status.value, utc_now()
    for evaluation in await uow.evaluations.of_job(optimization.job_id):
        results = await uow.evaluations.results(evaluation.id)
        if not evaluation.status.is_over:
            end_unmeasured(evaluation, status, error, results)
        _add_cost(optimization, evaluation, cost_of(results))
    agent = await uow.agents.get_locked(optimization.agent_id)
    if agent.status is AgentStatus.OPTIMIZING:
        # As it was before, or as a deployment or rollback has left it meanwhile.
        agent.status = AgentStatus(optimization.previous_status)


def _add_cost(optimization: Optimization, evaluation: Evaluation, paid: Decimal | None) -> None:
    """The comparison is part of what the optimization cost, also when it was not finished."""
    optimization.input_tokens = added(optimization.input_tokens, evaluation.input_tokens)
    optimization.output_tokens = added(optimization.output_tokens, evaluation.output_tokens)
    if (evaluation.input_tokens, evaluation.output_tokens) == (0, 0):
        return
    if optimization.cost_usd is not None:
        optimization.cost_usd = None if paid is None else optimization.cost_usd + paid
