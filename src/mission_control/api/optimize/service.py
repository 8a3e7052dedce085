"""Optimizations: search on train and validation, then compare once on scenarios never seen."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from decimal import Decimal
from typing import Any, cast
from uuid import UUID, uuid4

import structlog

from mission_control.api.agents.service import add_version, playbook_of, unified_diff
from mission_control.api.compare.service import compare_versions, compared_scenarios
from mission_control.api.evaluate.service import cost_of, end_unmeasured, money
from mission_control.api.jobs import service as jobs
from mission_control.api.jobs.service import JobRun
from mission_control.api.optimize import events
from mission_control.api.optimize.errors import (
    NoOptimizationError,
    OptimizationRunningError,
    TooFewScenariosError,
    UnpricedBudgetError,
)
from mission_control.api.optimize.schemas import (
    OptimizationCreate,
    OptimizationDetail,
    OptimizationPage,
    OptimizationRead,
    TrialRead,
)
from mission_control.core import playbook as playbooks
from mission_control.core.batches import in_batches
from mission_control.core.clock import utc_now
from mission_control.core.comparison import Comparison
from mission_control.core.playbook import Demonstration, Playbook, scenarios_in
from mission_control.core.settings import Settings
from mission_control.core.words import (
    AgentStatus,
    JobKind,
    OptimizerName,
    RunStatus,
    Verdict,
    VersionOrigin,
)
from mission_control.data.agents import AgentVersion
from mission_control.data.evaluations import Evaluation
from mission_control.data.jobs import Job
from mission_control.data.optimizations import Optimization, Trial
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.language_models import (
    judge_model,
    reflection_model,
    task_model,
)
from mission_control.integrations.superoptix.protocol import (
    Budget,
    Log,
    Model,
    Optimized,
    Progressed,
    TrialFinished,
    Usage,
)
from mission_control.integrations.superoptix_client import program_of, to_engine

log = structlog.get_logger(__name__)

FEWEST_TRAIN = 2
COMPARING = "comparing"
CONCLUDED = "concluded"

SearchMessage = Log | Progressed | TrialFinished | Optimized


# -------------------------------------------------------------------- asking


async def request_optimization(
    uow: UnitOfWork,
    settings: Settings,
    agent_id: str,
    request: OptimizationCreate,
    *,
    idempotency_key: str | None,
) -> Job:
    """Promise an optimization of the current version. One at a time per agent."""
    parameters = request.model_dump(mode="json", exclude_none=True)
    agent = await uow.agents.get_locked(agent_id)
    earlier = await jobs.repeated(
        uow,
        idempotency_key=idempotency_key,
        kind=JobKind.OPTIMIZE,
        agent_id=agent_id,
        parameters=parameters,
    )
    if earlier is not None:
        return earlier
    await _refuse_second(uow, agent_id)
    version = await uow.agents.current(agent)
    playbook = playbook_of(version)
    _refuse_small_splits(agent_id, playbook)
    model = task_model(settings, playbook.language_model, override=request.model)
    reflection = reflection_model(settings, model, override=request.reflection_model)
    if request.max_cost_usd is not None:
        _refuse_unpriced([model, reflection, judge_model(settings, model)])
    job = await jobs.submit(
        uow,
        kind=JobKind.OPTIMIZE,
        agent_id=agent_id,
        parameters=parameters,
        idempotency_key=idempotency_key,
        exclusive_key=_exclusive_key(agent_id),
    )
    uow.optimizations.add(
        Optimization(
            id=uuid4(),
            agent_id=agent_id,
            job_id=job.id,
            base_version_id=version.id,
            optimizer=request.optimizer,
            budget=_budget(request).model_dump(exclude_none=True),
            model=model.name,
            reflection_model=reflection.name,
            seed=request.seed,
            repetitions=request.repetitions,
            previous_status=agent.status.value,
        )
    )
    agent.status = AgentStatus.OPTIMIZING
    return job


def _exclusive_key(agent_id: str) -> str:
    return f"optimize:{agent_id}"


async def _refuse_second(uow: UnitOfWork, agent_id: str) -> None:
    running = await uow.jobs.holding(_exclusive_key(agent_id))
    if running is not None:
        raise OptimizationRunningError(str(running.id))


def _refuse_small_splits(agent_id: str, playbook: Playbook) -> None:
    train, validation, test = (
        len(scenarios_in(agent_id, playbook, "train")),
        len(scenarios_in(agent_id, playbook, "validation")),
        len(scenarios_in(agent_id, playbook, "test")),
    )
    if train < FEWEST_TRAIN or not validation or not test:
        drafts = len(playbook.scenarios) - len(playbook.reviewed)
        uncounted = f" Its {drafts} drafts do not count until they are reviewed." if drafts else ""
        raise TooFewScenariosError(
            f"An optimization needs scenarios to learn from ({FEWEST_TRAIN} train), to choose by "
            f"(1 validation) and to prove itself on (1 test); this version has {train}, "
            f"{validation} and {test}.{uncounted} Nothing was started; add scenarios to the "
            "playbook."
        )


def _refuse_unpriced(models: Sequence[Model]) -> None:
    unpriced = sorted({model.name for model in models if model.price is None})
    if unpriced:
        raise UnpricedBudgetError(unpriced)


def _budget(request: OptimizationCreate) -> Budget:
    limited = request.max_metric_calls or request.max_cost_usd or request.max_minutes
    return Budget(
        level=request.auto or (None if limited else "light"),
        metric_calls=request.max_metric_calls,
        usd=request.max_cost_usd,
        minutes=request.max_minutes,
    )


# -------------------------------------------------------------------- doing


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
            await _search(job, optimization, base)
        await _compare(job, optimization.id, base)

    async def completed(self, uow: UnitOfWork) -> None:
        optimization = await self._optimization(uow)
        await _end(uow, optimization, RunStatus.COMPLETED, None)
        uow.publish(
            events.optimization_completed(
                optimization, candidate_version=await _candidate_number(uow, optimization)
            )
        )

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        optimization = await self._optimization(uow)
        await _keep_best_trial(uow, optimization)
        await _end(uow, optimization, RunStatus.FAILED, error)
        uow.publish(events.optimization_failed(optimization, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        optimization = await self._optimization(uow)
        await _keep_best_trial(uow, optimization)
        await _end(uow, optimization, RunStatus.CANCELLED, None)
        uow.publish(
            events.optimization_cancelled(
                optimization, candidate_version=await _candidate_number(uow, optimization)
            )
        )

    async def _optimization(self, uow: UnitOfWork) -> Optimization:
        optimization = await uow.optimizations.of_job(self._job_id)
        assert optimization is not None
        return optimization


async def _end(
    uow: UnitOfWork, optimization: Optimization, status: RunStatus, error: dict[str, Any] | None
) -> None:
    """Close the books: the agent goes back to where it stood, the candidate waits for a deploy."""
    optimization.status, optimization.error = status, error
    optimization.phase, optimization.finished_at = status.value, utc_now()
    for evaluation in await uow.evaluations.of_job(optimization.job_id):
        results = await uow.evaluations.results(evaluation.id)
        if evaluation.status in {RunStatus.QUEUED, RunStatus.RUNNING}:
            end_unmeasured(evaluation, status, error, results)
        _add_cost(optimization, evaluation, cost_of(results))
    agent = await uow.agents.get_locked(optimization.agent_id)
    if agent.status is AgentStatus.OPTIMIZING:
        # As it was before, or as a deployment or rollback has left it meanwhile.
        agent.status = AgentStatus(optimization.previous_status)


def _add_cost(optimization: Optimization, evaluation: Evaluation, paid: Decimal | None) -> None:
    """The comparison is part of what the optimization cost, also when it was not finished."""
    optimization.input_tokens += evaluation.input_tokens
    optimization.output_tokens += evaluation.output_tokens
    if not (evaluation.input_tokens or evaluation.output_tokens):
        return
    if optimization.cost_usd is not None:
        optimization.cost_usd = None if paid is None else optimization.cost_usd + paid


# ------------------------------------------------------------ the search


async def _search(job: JobRun, optimization: Optimization, base: AgentVersion) -> None:
    playbook = playbook_of(base)
    settings = job.resources.settings
    model = task_model(settings, playbook.language_model, override=optimization.model)
    await _start(job, optimization.id)
    compared = compared_scenarios(optimization.agent_id, playbook)
    budget = Budget.model_validate(optimization.budget)
    messages = job.resources.superoptix.optimize_agent(
        program_of(playbook),
        train=[to_engine(s) for s in scenarios_in(optimization.agent_id, playbook, "train")],
        validation=[
            to_engine(s) for s in scenarios_in(optimization.agent_id, playbook, "validation")
        ],
        optimizer=cast("OptimizerName", optimization.optimizer),
        budget=budget,
        model=model,
        reflection_model=reflection_model(settings, model, override=optimization.reflection_model),
        judge_model=judge_model(settings, model),
        seed=optimization.seed,
        concurrency=int(job.parameters.get("concurrency", 16)),
        directory=job.directory / "search",
        reserve_calls=2 * len(compared) * optimization.repetitions if budget.usd else 0,
    )
    await _store_search(job, optimization.id, base, messages)


async def _start(job: JobRun, optimization_id: UUID) -> None:
    async with job.step() as uow:
        optimization = await uow.optimizations.get(optimization_id)
        if optimization.status is RunStatus.QUEUED:
            optimization.status, optimization.started_at = RunStatus.RUNNING, utc_now()
            optimization.phase = "preparing"
            uow.publish(events.optimization_started(optimization))


async def _store_search(
    job: JobRun,
    optimization_id: UUID,
    base: AgentVersion,
    messages: AsyncIterator[SearchMessage],
) -> None:
    async with aclosing(in_batches(messages)) as batches:
        async for batch in batches:
            async with job.step() as uow:
                optimization = await uow.optimizations.get(optimization_id)
                before = optimization.metric_calls
                for message in batch:
                    await _store_message(uow, optimization, base, message)
                await job.note_progress(
                    uow,
                    got_on=optimization.metric_calls > before or optimization.phase == COMPARING,
                    phase=optimization.phase,
                    metric_calls=optimization.metric_calls,
                    metric_calls_budget=optimization.metric_calls_budget,
                    best_validation_score=optimization.best_validation_score,
                )


async def _store_message(
    uow: UnitOfWork, optimization: Optimization, base: AgentVersion, message: SearchMessage
) -> None:
    match message:
        case Log():
            uow.publish(
                events.optimization_logged(optimization, level=message.level, text=message.text)
            )
        case Progressed():
            optimization.phase = message.phase
            # A resumed search counts from the start again what it remembers.
            optimization.metric_calls = max(optimization.metric_calls, message.metric_calls)
            optimization.metric_calls_budget = message.metric_calls_budget
            optimization.best_validation_score = message.best_validation_score
            _note_usage(optimization, message.usage)
            uow.publish(events.optimization_progressed(optimization, trials=message.trials))
        case TrialFinished():
            await _store_trial(uow, optimization, message)
        case Optimized():
            await _store_outcome(uow, optimization, base, message)


async def _store_trial(uow: UnitOfWork, optimization: Optimization, message: TrialFinished) -> None:
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
        cost_usd=money(message.usage.cost_usd),
    )
    uow.optimizations.add_trial(trial)
    await uow.flush()
    if trial.number == 0:
        optimization.baseline_validation_score = trial.validation_score
    diff = _trial_diff(trial, parent)
    uow.publish(events.trial_finished(optimization, trial, diff=diff))


def _trial_diff(trial: Trial, parent: Trial | None) -> str:
    if parent is None:
        return ""
    names = (f"trial {parent.number}", f"trial {trial.number}")
    return unified_diff(parent.prompt, trial.prompt, *names)


async def _store_outcome(
    uow: UnitOfWork, optimization: Optimization, base: AgentVersion, message: Optimized
) -> None:
    optimization.phase = COMPARING
    optimization.stop_reason = message.stop_reason
    optimization.metric_calls = message.metric_calls
    optimization.baseline_validation_score = message.baseline_validation_score
    optimization.best_validation_score = message.best_validation_score
    _note_usage(optimization, message.usage)
    if message.changed:
        demonstrations = [Demonstration(**each.model_dump()) for each in message.demonstrations]
        await _add_candidate(uow, optimization, base, message.prompt, demonstrations)
    uow.publish(events.optimization_progressed(optimization, trials=message.trials))


async def _add_candidate(
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


def _note_usage(optimization: Optimization, usage: Usage) -> None:
    optimization.input_tokens = usage.input_tokens
    optimization.output_tokens = usage.output_tokens
    optimization.cost_usd = money(usage.cost_usd)


async def _keep_best_trial(uow: UnitOfWork, optimization: Optimization) -> None:
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
    await _add_candidate(uow, optimization, base, best.prompt, demonstrations)


# ------------------------------------------------------------ the comparison


async def _compare(job: JobRun, optimization_id: UUID, base: AgentVersion) -> None:
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
            budget_usd=_left_by_the_search(optimization),
        )
    except SuperOptiXError as error:
        if error.kind != "budget":
            raise
        comparison = _unaffordable()
    await _conclude(job, optimization_id, comparison)


def _left_by_the_search(optimization: Optimization) -> Decimal | None:
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


# -------------------------------------------------------------------- reading


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
        agent_id, limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    return OptimizationPage(
        items=[await _read(uow, item) for item in page.items], next_cursor=page.next_cursor
    )


async def detail(uow: UnitOfWork, optimization: Optimization) -> OptimizationDetail:
    trials = list(await uow.optimizations.trials(optimization.id))
    by_number = {trial.number: trial for trial in trials}
    return OptimizationDetail(
        **(await _read(uow, optimization)).model_dump(),
        trials=[_trial_read(trial, by_number) for trial in trials],
        diff=await _diff(uow, optimization),
    )


def _trial_read(trial: Trial, by_number: dict[int, Trial]) -> TrialRead:
    parent = by_number.get(trial.parent) if trial.parent is not None else None
    return TrialRead(
        number=trial.number,
        parent=trial.parent,
        accepted=trial.accepted,
        validation_score=trial.validation_score,
        sample_score=trial.sample_score,
        metric_calls=trial.metric_calls,
        cost_usd=trial.cost_usd,
        diff=_trial_diff(trial, parent),
        created_at=trial.created_at,
    )


async def _diff(uow: UnitOfWork, optimization: Optimization) -> str | None:
    if optimization.candidate_version_id is None:
        return None
    base = await uow.agents.version_by_id(optimization.base_version_id)
    candidate = await uow.agents.version_by_id(optimization.candidate_version_id)
    return unified_diff(
        base.prompt, candidate.prompt, f"version {base.number}", f"version {candidate.number}"
    )


async def _candidate_number(uow: UnitOfWork, optimization: Optimization) -> int | None:
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
            "candidate_version": await _candidate_number(uow, optimization),
        }
    )


async def snapshot(uow: UnitOfWork, agent_id: str) -> dict[str, Any]:
    """What a console needs before the first live event."""
    await uow.agents.get(agent_id)
    optimization = await uow.optimizations.latest(agent_id)
    if optimization is None:
        return {"optimization": None}
    return {"optimization": (await detail(uow, optimization)).model_dump(mode="json")}
