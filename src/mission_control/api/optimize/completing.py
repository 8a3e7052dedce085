"""A comparison that ended without a verdict is completed: only what could not be measured runs again."""

from decimal import Decimal
from uuid import UUID

from mission_control.api.evaluate.results import added, cost_of
from mission_control.api.jobs import commands as jobs
from mission_control.api.optimize.errors import (
    NoOptimizationError,
    NothingToCompleteError,
    OptimizationRunningError,
)
from mission_control.api.optimize.phases import COMPARING
from mission_control.api.optimize.schemas import ComparisonCreate
from mission_control.core.words import AgentStatus, JobKind, JobStatus, ScenarioStatus
from mission_control.data.evaluations import Evaluation, ScenarioResult
from mission_control.data.jobs import Job
from mission_control.data.optimizations import Optimization
from mission_control.data.unit_of_work import UnitOfWork


async def request_completion(
    uow: UnitOfWork,
    agent_id: str,
    optimization_id: UUID,
    request: ComparisonCreate,
    *,
    idempotency_key: str | None,
) -> Job:
    """Promise the verdict of an optimization whose comparison was not finished.

    The optimization, what was measured for it and its reading of the test split move to the new
    job. So it stays one reading, and nothing that has a result is paid again.
    """
    agent = await uow.agents.get_locked(agent_id)
    asked = jobs.JobRequest(
        kind=JobKind.OPTIMIZE,
        agent_id=agent_id,
        parameters={"comparison_of": str(optimization_id), **request.model_dump(mode="json")},
        idempotency_key=idempotency_key,
        exclusive=jobs.Exclusive(key=f"optimize:{agent_id}", refusal=OptimizationRunningError),
    )
    if (existing := await jobs.existing_job(uow, asked)) is not None:
        return existing
    optimization = await uow.optimizations.get(optimization_id)
    if optimization.agent_id != agent_id:
        raise NoOptimizationError("This agent has no such optimization.")
    _refuse_complete(optimization)
    job = await jobs.submit(uow, asked)
    for evaluation in await uow.evaluations.of_job(optimization.job_id):
        await _take_up(uow, optimization, evaluation, job)
    reading = await uow.split_readings.of_job(optimization.job_id)
    if reading is not None:
        reading.job_id = job.id
    optimization.job_id, optimization.phase = job.id, COMPARING
    optimization.status, optimization.error = JobStatus.RUNNING, None
    optimization.finished_at = None
    optimization.previous_status = agent.status.value
    agent.status = AgentStatus.OPTIMIZING
    return job


def _refuse_complete(optimization: Optimization) -> None:
    if optimization.verdict is not None:
        raise NothingToCompleteError(
            "This optimization has its verdict, so nothing was run again. Optimize anew for another."
        )
    if optimization.candidate_version_id is None:
        raise NothingToCompleteError(
            "This optimization has no candidate that could be compared, so nothing was started. "
            "Optimize again."
        )


async def _take_up(
    uow: UnitOfWork, optimization: Optimization, evaluation: Evaluation, job: Job
) -> None:
    evaluation.job_id = job.id
    results = await uow.evaluations.results(evaluation.id)
    kept = [each for each in results if each.status is not ScenarioStatus.ERROR]
    _take_back(optimization, kept)
    if evaluation.status is JobStatus.COMPLETED and len(kept) == len(results):
        return
    await uow.evaluations.forget_errors(evaluation)
    evaluation.status, evaluation.error, evaluation.finished_at = JobStatus.QUEUED, None, None
    evaluation.input_tokens, evaluation.output_tokens = _tokens(kept)


def _take_back(optimization: Optimization, kept: list[ScenarioResult]) -> None:
    """What these results have cost is added again when the optimization ends."""
    inputs, outputs = _tokens(kept)
    optimization.input_tokens = added(
        optimization.input_tokens, None if inputs is None else -inputs
    )
    optimization.output_tokens = added(
        optimization.output_tokens, None if outputs is None else -outputs
    )
    if optimization.cost_usd is not None:
        optimization.cost_usd -= cost_of(kept) or Decimal(0)


def _tokens(results: list[ScenarioResult]) -> tuple[int | None, int | None]:
    inputs: int | None = 0
    outputs: int | None = 0
    for each in results:
        inputs, outputs = added(inputs, each.input_tokens), added(outputs, each.output_tokens)
    return inputs, outputs
