"""Runs a version on scenarios, stores each result as it comes, and sums them up."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from mission_control.api.evaluate import events
from mission_control.api.evaluate.plan import Plan
from mission_control.api.evaluate.results import added, cost_of, sum_up
from mission_control.api.evaluate.schemas import (
    DEFAULT_CONCURRENCY,
)
from mission_control.api.jobs.job_run import JobRun
from mission_control.core.batches import in_batches
from mission_control.core.clock import utc_now
from mission_control.core.money import as_money
from mission_control.core.playbook import Scenario
from mission_control.core.words import JobStatus, ScenarioStatus
from mission_control.data.evaluations import Evaluation, ScenarioResult
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.language_models import judge_model
from mission_control.integrations.superoptix_client import to_engine
from mission_control_protocol import (
    Model,
    Program,
    ScenarioFinished,
)

# When more of an evaluation could not be measured than this, its rates would be noise.
MAX_ERROR_SHARE = 0.2


def concurrency_of(job: JobRun) -> int:
    """How many scenarios run at once, as whoever asked for the job has said."""
    return int(job.parameters.get("concurrency", DEFAULT_CONCURRENCY))


async def measure(
    job: JobRun,
    evaluation: Evaluation,
    *,
    program: Program,
    scenarios: Sequence[Scenario],
    model: Model,
    concurrency: int,
    journal: Path,
    budget_usd: Decimal | None = None,
    test: Collection[str] = (),
) -> None:
    """Run what of `evaluation` has no result yet, store each as it comes, and sum them up.

    `budget_usd`: for the whole evaluation, whichever job has measured what of it.
    `test`: the scenarios of the test split, if all of them are run.

    Raises SuperOptiXError (kind `unreliable` when too much of it could not be measured, `budget`).
    """
    await _start(job, evaluation.id)
    plan = await _planned(job, evaluation, journal)
    for times, named in plan.by_times().items():
        messages = job.resources.superoptix.evaluate_agent(
            program,
            [to_engine(scenario) for scenario in scenarios if scenario.id in named],
            model=model,
            judge_model=judge_model(job.resources.settings, model),
            repetitions=times,
            concurrency=concurrency,
            # Its own for each: a journal counts how often the same was asked.
            journal=journal if times == evaluation.repetitions else journal / f"times_{times}",
            cap_usd=await _cap(job, evaluation.id, plan, named, budget_usd),
        )
        await _store_results(job, evaluation.id, plan.numbered(messages))
    async with job.step() as uow:
        stored = await uow.evaluations.get(evaluation.id)
        results = await uow.evaluations.results(evaluation.id)
        asked = len(evaluation.scenario_ids) * evaluation.repetitions
        if len(results) != asked:
            raise _incomplete(len(results), of=asked)
        errored = [result for result in results if result.status is ScenarioStatus.ERROR]
        if len(errored) > MAX_ERROR_SHARE * len(results):
            raise _unreliable(errored, of=len(results))
        sum_up(stored, results, test=test)


async def _start(job: JobRun, evaluation_id: UUID) -> None:
    async with job.step() as uow:
        evaluation = await uow.evaluations.get(evaluation_id)
        if evaluation.status is JobStatus.QUEUED:
            evaluation.status, evaluation.started_at = JobStatus.RUNNING, utc_now()
            uow.publish(events.evaluation_started(evaluation))


async def _planned(job: JobRun, evaluation: Evaluation, journal: Path) -> Plan:
    """What this job runs. A resumed one runs all of it again: its journal answers what was paid."""
    if (plan := Plan.kept_in(journal)) is not None:
        return plan
    async with job.resources.unit_of_work(readonly=True) as uow:
        plan = Plan.of(evaluation, await uow.evaluations.results(evaluation.id))
    plan.keep_in(journal)
    return plan


async def _cap(
    job: JobRun, evaluation_id: UUID, plan: Plan, named: set[str], budget_usd: Decimal | None
) -> float | None:
    """What is left for these runs, and those of them that their journal has seen already."""
    if budget_usd is None:
        return None
    async with job.resources.unit_of_work(readonly=True) as uow:
        results = await uow.evaluations.results(evaluation_id)
    elsewhere = [each for each in results if not plan.has(each, named)]
    left = budget_usd - (cost_of(elsewhere) or Decimal(0))
    if left <= 0:
        raise SuperOptiXError("The budget is spent.", kind="budget")
    return float(left)


async def _store_results(
    job: JobRun, evaluation_id: UUID, messages: AsyncGenerator[ScenarioFinished]
) -> None:
    """Store what comes in, a batch per transaction. A resumed job skips what it has."""
    async with job.resources.unit_of_work(readonly=True) as uow:
        known = await uow.evaluations.results(evaluation_id)
    have = {(result.scenario_id, result.repetition) for result in known}
    async with aclosing(in_batches(messages)) as batches:
        async for batch in batches:
            fresh = [each for each in batch if (each.scenario_id, each.repetition) not in have]
            if fresh:
                await _store_batch(job, evaluation_id, fresh, have)


async def _store_batch(
    job: JobRun,
    evaluation_id: UUID,
    fresh: Sequence[ScenarioFinished],
    have: set[tuple[str, int]],
) -> None:
    async with job.step() as uow:
        evaluation = await uow.evaluations.get(evaluation_id)
        for message in fresh:
            have.add((message.scenario_id, message.repetition))
            result = _result(evaluation_id, message)
            uow.evaluations.add_result(result)
            _count(evaluation, result)
            uow.publish(events.scenario_finished(evaluation, result, done=len(have)))
        await job.note_progress(
            uow,
            got_on=True,
            phase=evaluation.purpose.value,
            done=len(have),
            total=len(evaluation.scenario_ids) * evaluation.repetitions,
        )


def _result(evaluation_id: UUID, message: ScenarioFinished) -> ScenarioResult:
    return ScenarioResult(
        evaluation_id=evaluation_id,
        scenario_id=message.scenario_id,
        repetition=message.repetition,
        status=ScenarioStatus(message.status),
        score=message.score,
        superoptix_score=message.superoptix_score,
        checks=[check.model_dump() for check in message.checks],
        output=dict(message.output),
        latency_ms=message.latency_ms,
        input_tokens=message.usage.input_tokens,
        output_tokens=message.usage.output_tokens,
        cost_usd=as_money(message.usage.cost_usd),
        error_kind=message.error_kind,
        error_detail=message.error_detail,
        truncated=message.truncated,
        thinking=message.thinking,
    )


def _count(evaluation: Evaluation, result: ScenarioResult) -> None:
    evaluation.passed += result.status is ScenarioStatus.PASSED
    evaluation.failed += result.status is ScenarioStatus.FAILED
    evaluation.errors += result.status is ScenarioStatus.ERROR
    evaluation.input_tokens = added(evaluation.input_tokens, result.input_tokens)
    evaluation.output_tokens = added(evaluation.output_tokens, result.output_tokens)


def _incomplete(measured: int, *, of: int) -> SuperOptiXError:
    return SuperOptiXError(
        f"The engine ended after {measured} of {of} runs, so no pass rate is given. What was "
        "measured is kept; evaluate again.",
        kind="internal",
    )


def _unreliable(errored: Sequence[ScenarioResult], *, of: int) -> SuperOptiXError:
    kinds = sorted({result.error_kind or "internal" for result in errored})
    return SuperOptiXError(
        f"{len(errored)} of {of} runs could not be measured ({', '.join(kinds)}), so a "
        "pass rate would be noise and none is given. What could be measured is kept; repair the "
        "model's service, then run only the failed ones again.",
        kind="unreliable",
    )
