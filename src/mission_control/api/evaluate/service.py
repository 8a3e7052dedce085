"""Evaluations: what is to be measured, what was measured, and what that amounts to."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import structlog

from mission_control.api.agents.service import playbook_of
from mission_control.api.evaluate import events
from mission_control.api.evaluate.errors import (
    NoEvaluationError,
    NoScenariosError,
    NothingToRerunError,
    OnlyDraftsError,
    UnknownScenariosError,
)
from mission_control.api.evaluate.schemas import (
    EvaluationCreate,
    EvaluationDetail,
    EvaluationPage,
    EvaluationRead,
    ScenarioResultRead,
)
from mission_control.api.jobs import service as jobs
from mission_control.api.jobs.service import JobRun
from mission_control.core.batches import in_batches
from mission_control.core.clock import utc_now
from mission_control.core.playbook import Playbook, Scenario, split_of
from mission_control.core.settings import Settings
from mission_control.core.words import EvaluationPurpose, JobKind, RunStatus, ScenarioStatus
from mission_control.data.agents import AgentVersion
from mission_control.data.evaluations import Evaluation, ScenarioResult
from mission_control.data.jobs import Job
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.language_models import judge_model, task_model
from mission_control.integrations.superoptix.protocol import (
    Evaluated,
    Model,
    Program,
    ScenarioFinished,
)
from mission_control.integrations.superoptix_client import program_of, to_engine

log = structlog.get_logger(__name__)

# When more of an evaluation could not be measured than this, its rates would be noise.
MAX_ERROR_SHARE = 0.2

MEASUREMENTS = (EvaluationPurpose.CHECK, EvaluationPurpose.BASELINE)
RERUN = EvaluationPurpose.RERUN


# -------------------------------------------------------------------- asking


async def request_evaluation(
    uow: UnitOfWork,
    settings: Settings,
    agent_id: str,
    request: EvaluationCreate,
    *,
    purpose: EvaluationPurpose,
    idempotency_key: str | None,
) -> Job:
    """Promise an evaluation of a version of this agent."""
    parameters = {"purpose": purpose.value, **request.model_dump(mode="json", exclude_none=True)}
    agent = await uow.agents.get_locked(agent_id)
    earlier = await jobs.repeated(
        uow,
        idempotency_key=idempotency_key,
        kind=JobKind.EVALUATE,
        agent_id=agent_id,
        parameters=parameters,
    )
    if earlier is not None:
        return earlier
    version = await uow.agents.version(agent_id, request.version or agent.current_version)
    playbook = playbook_of(version)
    scenario_ids = await _chosen_scenarios(uow, agent_id, playbook, request)
    job = await jobs.submit(
        uow,
        kind=JobKind.EVALUATE,
        agent_id=agent_id,
        parameters=parameters,
        idempotency_key=idempotency_key,
    )
    drafts = len(playbook.scenarios) - len(playbook.reviewed)
    if drafts:
        job.progress = {"drafts_left_out": drafts}
    model = task_model(settings, playbook.language_model, override=request.model)
    uow.evaluations.add(
        new_evaluation(
            job_id=job.id,
            version=version,
            purpose=EvaluationPurpose.RERUN if request.rerun else purpose,
            scenario_ids=scenario_ids,
            repetitions=request.repetitions,
            model=model,
        )
    )
    return job


def new_evaluation(
    *,
    job_id: UUID,
    version: AgentVersion,
    purpose: EvaluationPurpose,
    scenario_ids: Sequence[str],
    repetitions: int,
    model: Model,
) -> Evaluation:
    return Evaluation(
        id=uuid4(),
        agent_id=version.agent_id,
        version_id=version.id,
        job_id=job_id,
        purpose=purpose,
        model=model.name,
        scenario_ids=list(scenario_ids),
        repetitions=repetitions,
        passed=0,
        failed=0,
        errors=0,
        input_tokens=0,
        output_tokens=0,
    )


async def _chosen_scenarios(
    uow: UnitOfWork, agent_id: str, playbook: Playbook, request: EvaluationCreate
) -> list[str]:
    asked = playbook.scenarios
    if request.scenario_ids is not None:
        unknown = sorted(set(request.scenario_ids) - {each.id for each in asked})
        if unknown:
            raise UnknownScenariosError(unknown)
        asked = [each for each in asked if each.id in set(request.scenario_ids)]
    if request.splits is not None:
        asked = [each for each in asked if split_of(agent_id, each) in request.splits]
    chosen = [each.id for each in asked if not each.draft]
    if asked and not chosen:
        raise OnlyDraftsError(len(asked))
    if request.rerun is not None:
        again = await _to_rerun(uow, agent_id, request.rerun)
        chosen = [name for name in chosen if name in again]
        if not chosen:
            raise NothingToRerunError("The latest evaluation left nothing of this to run again.")
    if not chosen:
        raise NoScenariosError(
            "There is no scenario to evaluate; nothing was started. "
            "Add scenarios to the playbook, or choose others."
        )
    return chosen


async def _to_rerun(uow: UnitOfWork, agent_id: str, what: str) -> set[str]:
    newest = await uow.evaluations.newest(agent_id, purposes=(*MEASUREMENTS, RERUN))
    if newest is None:
        raise _not_evaluated(agent_id)
    wanted = {ScenarioStatus.ERROR, *([ScenarioStatus.FAILED] if what == "failed" else [])}
    results = await uow.evaluations.results(newest.id)
    seen = {result.scenario_id for result in results}
    never_run = {name for name in newest.scenario_ids if name not in seen}
    return never_run | {result.scenario_id for result in results if result.status in wanted}


def _not_evaluated(agent_id: str) -> NoEvaluationError:
    return NoEvaluationError("This agent has not been evaluated yet.", agent_id=agent_id)


# -------------------------------------------------------------------- doing


class EvaluationWork:
    """Runs an evaluation that somebody asked for."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            evaluation = await self._evaluation(uow)
            version = await uow.agents.version_by_id(evaluation.version_id)
        if evaluation.status is RunStatus.COMPLETED:
            return  # by an attempt that died before it could say so
        playbook = playbook_of(version)
        model = task_model(
            job.resources.settings, playbook.language_model, override=evaluation.model
        )
        await measure(
            job,
            evaluation,
            program=program_of(playbook),
            scenarios=[s for s in playbook.scenarios if s.id in set(evaluation.scenario_ids)],
            model=model,
            concurrency=int(job.parameters.get("concurrency", 16)),
            journal=job.directory,
        )

    async def completed(self, uow: UnitOfWork) -> None:
        evaluation = await self._evaluation(uow)
        uow.publish(events.evaluation_completed(evaluation))

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        evaluation = await self._evaluation(uow)
        end_unmeasured(
            evaluation, RunStatus.FAILED, error, await uow.evaluations.results(evaluation.id)
        )
        uow.publish(events.evaluation_failed(evaluation, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        evaluation = await self._evaluation(uow)
        end_unmeasured(
            evaluation, RunStatus.CANCELLED, None, await uow.evaluations.results(evaluation.id)
        )
        uow.publish(events.evaluation_cancelled(evaluation))

    async def _evaluation(self, uow: UnitOfWork) -> Evaluation:
        return (await uow.evaluations.of_job(self._job_id))[0]


async def measure(
    job: JobRun,
    evaluation: Evaluation,
    *,
    program: Program,
    scenarios: Sequence[Scenario],
    model: Model,
    concurrency: int,
    journal: Path,
    cap_usd: float | None = None,
) -> None:
    """Run the scenarios of `evaluation`, store each result as it comes, and sum them up.

    Raises SuperOptiXError (kind `unreliable`) when too much of it could not be measured.
    """
    await _start(job, evaluation.id)
    messages = job.resources.superoptix.evaluate_agent(
        program,
        [to_engine(scenario) for scenario in scenarios],
        model=model,
        judge_model=judge_model(job.resources.settings, model),
        repetitions=evaluation.repetitions,
        concurrency=concurrency,
        journal=journal,
        cap_usd=cap_usd,
    )
    await _store_results(job, evaluation.id, messages)
    async with job.step() as uow:
        stored = await uow.evaluations.get(evaluation.id)
        results = await uow.evaluations.results(evaluation.id)
        asked = len(evaluation.scenario_ids) * evaluation.repetitions
        if len(results) != asked:
            raise _incomplete(len(results), of=asked)
        errored = [result for result in results if result.status is ScenarioStatus.ERROR]
        if len(errored) > MAX_ERROR_SHARE * len(results):
            raise _unreliable(errored, of=len(results))
        sum_up(stored, results)


async def _start(job: JobRun, evaluation_id: UUID) -> None:
    async with job.step() as uow:
        evaluation = await uow.evaluations.get(evaluation_id)
        if evaluation.status is RunStatus.QUEUED:
            evaluation.status, evaluation.started_at = RunStatus.RUNNING, utc_now()
            uow.publish(events.evaluation_started(evaluation))


async def _store_results(
    job: JobRun, evaluation_id: UUID, messages: AsyncIterator[ScenarioFinished | Evaluated]
) -> None:
    """Store what comes in, a batch per transaction. A resumed job skips what it has."""
    async with job.resources.unit_of_work(readonly=True) as uow:
        known = await uow.evaluations.results(evaluation_id)
    have = {(result.scenario_id, result.repetition) for result in known}
    async with aclosing(in_batches(messages)) as batches:
        async for batch in batches:
            fresh = [
                message
                for message in batch
                if isinstance(message, ScenarioFinished)
                and (message.scenario_id, message.repetition) not in have
            ]
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
        cost_usd=money(message.usage.cost_usd),
        error_kind=message.error_kind,
        error_detail=message.error_detail,
    )


def _count(evaluation: Evaluation, result: ScenarioResult) -> None:
    evaluation.passed += result.status is ScenarioStatus.PASSED
    evaluation.failed += result.status is ScenarioStatus.FAILED
    evaluation.errors += result.status is ScenarioStatus.ERROR
    evaluation.input_tokens += result.input_tokens
    evaluation.output_tokens += result.output_tokens


def sum_up(evaluation: Evaluation, results: Sequence[ScenarioResult]) -> None:
    """Turn the stored results into rates. Errors count nowhere but as errors."""
    scored = [result for result in results if result.status is not ScenarioStatus.ERROR]
    scores = [result.score for result in scored if result.score is not None]
    lexical = [r.superoptix_score for r in scored if r.superoptix_score is not None]
    latencies = [result.latency_ms for result in scored]
    evaluation.status, evaluation.finished_at = RunStatus.COMPLETED, utc_now()
    evaluation.pass_rate = _mean([r.status is ScenarioStatus.PASSED for r in scored])
    evaluation.mean_score = _mean(scores)
    evaluation.superoptix_score = _mean(lexical)
    if latencies:
        evaluation.latency_p50_ms = float(np.percentile(latencies, 50))
        evaluation.latency_p95_ms = float(np.percentile(latencies, 95))
    evaluation.cost_usd = cost_of(results)


def cost_of(results: Sequence[ScenarioResult]) -> Decimal | None:
    """What these runs have cost together; None when nothing was paid or a price is unknown."""
    paid = [result for result in results if result.input_tokens or result.output_tokens]
    priced = [result.cost_usd for result in paid if result.cost_usd is not None]
    return sum(priced, Decimal(0)) if paid and len(priced) == len(paid) else None


def end_unmeasured(
    evaluation: Evaluation,
    status: RunStatus,
    error: dict[str, Any] | None,
    results: Sequence[ScenarioResult],
) -> None:
    """End without rates: what was stored of it stays readable and was paid, but is no score."""
    evaluation.status, evaluation.error, evaluation.finished_at = status, error, utc_now()
    evaluation.pass_rate = evaluation.mean_score = evaluation.superoptix_score = None
    evaluation.cost_usd = cost_of(results)


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


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def money(usd: float | None) -> Decimal | None:
    """The engine's dollars as exact money; None stays 'unpriced'."""
    return None if usd is None else Decimal(str(round(usd, 8)))


# -------------------------------------------------------------------- reading


async def list_evaluations(
    uow: UnitOfWork,
    agent_id: str,
    *,
    limit: int,
    cursor: str | None,
    purpose: EvaluationPurpose | None,
    status: RunStatus | None,
) -> EvaluationPage:
    await uow.agents.get(agent_id)
    page = await uow.evaluations.page(
        agent_id,
        limit=limit,
        cursor=Cursor.decode(cursor) if cursor else None,
        purpose=purpose,
        status=status,
    )
    versions = await uow.agents.versions_by_id([item.version_id for item in page.items])
    return EvaluationPage(
        items=[read(item, versions[item.version_id].number) for item in page.items],
        next_cursor=page.next_cursor,
    )


async def latest_evaluation(uow: UnitOfWork, agent_id: str) -> EvaluationDetail:
    """The newest completed measurement: not a rerun, not one half of a comparison."""
    await uow.agents.get(agent_id)
    evaluation = await uow.evaluations.newest(
        agent_id, purposes=MEASUREMENTS, status=RunStatus.COMPLETED
    )
    if evaluation is None:
        raise _not_evaluated(agent_id)
    return await detail(uow, evaluation)


async def show_evaluation(uow: UnitOfWork, agent_id: str, evaluation_id: UUID) -> EvaluationDetail:
    evaluation = await uow.evaluations.get(evaluation_id)
    if evaluation.agent_id != agent_id:
        raise _not_evaluated(agent_id)
    return await detail(uow, evaluation)


async def detail(uow: UnitOfWork, evaluation: Evaluation) -> EvaluationDetail:
    version = await uow.agents.version_by_id(evaluation.version_id)
    results = await uow.evaluations.results(evaluation.id)
    return EvaluationDetail(
        **read(evaluation, version.number).model_dump(),
        results=[ScenarioResultRead.model_validate(result) for result in results],
    )


def read(evaluation: Evaluation, version_number: int) -> EvaluationRead:
    columns = {
        name: getattr(evaluation, name)
        for name in EvaluationRead.model_fields
        if name not in {"version", "scenarios"}
    }
    return EvaluationRead.model_validate(
        {**columns, "version": version_number, "scenarios": len(evaluation.scenario_ids)}
    )


async def snapshot(uow: UnitOfWork, agent_id: str) -> dict[str, Any]:
    """What a console needs before the first live event: the newest evaluation, whatever its end."""
    await uow.agents.get(agent_id)
    page = await uow.evaluations.page(agent_id, limit=1, cursor=None)
    if not page.items:
        return {"evaluation": None}
    return {"evaluation": (await detail(uow, page.items[0])).model_dump(mode="json")}
