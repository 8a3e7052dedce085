"""The verdict: base and candidate on the same test scenarios, which the search has not seen."""

from decimal import Decimal
from uuid import UUID

from mission_control.api.compare.work import compare_versions
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.optimize.phases import CONCLUDED
from mission_control.core.comparison import Comparison
from mission_control.core.words import (
    Verdict,
)
from mission_control.data.agents import AgentVersion
from mission_control.data.optimizations import Optimization
from mission_control.integrations.errors import SuperOptiXError


async def compare_with_base(job: JobRun, optimization_id: UUID, base: AgentVersion) -> None:
    """Baseline and candidate on the same test scenarios, which the search has never seen."""
    async with job.resources.unit_of_work(readonly=True) as uow:
        optimization = await uow.optimizations.get(optimization_id)
        if optimization.candidate_version_id is None:
            candidate = None
        else:
            candidate = await uow.agents.version_by_id(optimization.candidate_version_id)
    if candidate is None:
        await _conclude(job, optimization_id, _nothing_found())
        return
    try:
        comparison = await compare_versions(
            job,
            base,
            candidate,
            model_name=optimization.model,
            repetitions=optimization.repetitions,
            budget_usd=left_by_the_search(optimization),
        )
    except SuperOptiXError as error:
        if error.kind != "budget":
            raise
        comparison = _unaffordable()
    await _conclude(job, optimization_id, comparison)


def left_by_the_search(optimization: Optimization) -> Decimal | None:
    budget = optimization.budget.get("usd")
    if budget is None:
        return None
    return Decimal(str(budget)) - (optimization.cost_usd or Decimal(0))


def _nothing_found() -> Comparison:
    return Comparison(
        verdict="no_difference_shown",
        sentence="The search found nothing better than the prompt it started from, so there is "
        "no candidate and nothing was compared.",
        scenarios=0,
    )


def _unaffordable() -> Comparison:
    return Comparison(
        verdict="not_enough_data",
        sentence="The budget was spent before the comparison was complete. The candidate is kept, "
        "unproven; optimize again with a larger budget to prove it.",
        scenarios=0,
    )


async def _conclude(job: JobRun, optimization_id: UUID, comparison: Comparison) -> None:
    async with job.step() as uow:
        optimization = await uow.optimizations.get(optimization_id)
        optimization.comparison = comparison.model_dump(mode="json")
        optimization.verdict = Verdict(comparison.verdict)
        if comparison.difference is not None:
            optimization.improvement_pct = round(100 * comparison.difference, 2)
        optimization.phase = CONCLUDED
