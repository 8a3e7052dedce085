"""The search on train and validation, stored as it goes on."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import cast
from uuid import UUID

from mission_control.api.agents.versions import playbook_of
from mission_control.api.compare.scenarios import ComparedScenarios
from mission_control.api.evaluate.measuring import concurrency_of
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.optimize import events
from mission_control.api.optimize.candidates import add_candidate
from mission_control.api.optimize.phases import COMPARING
from mission_control.api.optimize.trials import store_trial
from mission_control.core.batches import in_batches
from mission_control.core.clock import utc_now
from mission_control.core.money import as_money
from mission_control.core.personal_data.scenarios import without_personal_data
from mission_control.core.playbook import Demonstration, Playbook, Split, scenarios_in
from mission_control.core.words import JobStatus
from mission_control.data.agents import AgentVersion
from mission_control.data.optimizations import Optimization
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.superoptix.language_models import (
    judge_model,
    reflection_model,
    task_model,
)
from mission_control.integrations.superoptix_client import program_of, to_engine
from mission_control_protocol import (
    Budget,
    Log,
    Optimized,
    OptimizerName,
    Progressed,
    Scenario,
    TrialFinished,
    Usage,
)

SearchMessage = Log | Progressed | TrialFinished | Optimized


async def search(job: JobRun, optimization: Optimization, base: AgentVersion) -> None:
    playbook = playbook_of(base)
    settings = job.resources.settings
    model = task_model(settings, playbook.language_model, override=optimization.model)
    await _start(job, optimization.id)
    compared = ComparedScenarios.of(playbook)
    budget = Budget.model_validate(optimization.budget)
    messages = job.resources.superoptix.optimize_agent(
        program_of(playbook),
        train=shown_to_the_search(optimization.agent_id, playbook, "train"),
        validation=shown_to_the_search(optimization.agent_id, playbook, "validation"),
        optimizer=cast("OptimizerName", optimization.optimizer),
        budget=budget,
        model=model,
        reflection_model=reflection_model(settings, model, override=optimization.reflection_model),
        judge_model=judge_model(settings, model),
        seed=optimization.seed,
        concurrency=concurrency_of(job),
        directory=job.directory / "search",
        reserve_calls=2 * len(compared) * optimization.repetitions if budget.usd else 0,
        longest_prompt=job.resources.settings.mc_longest_prompt,
    )
    await _store_search(job, optimization.id, base, messages)


def shown_to_the_search(agent_id: str, playbook: Playbook, split: Split) -> list[Scenario]:
    """What the search sees of a split, and may repeat in feedback, examples and prompts."""
    return [
        to_engine(without_personal_data(each)) for each in scenarios_in(agent_id, playbook, split)
    ]


async def _start(job: JobRun, optimization_id: UUID) -> None:
    async with job.step() as uow:
        optimization = await uow.optimizations.get(optimization_id)
        if optimization.status is JobStatus.QUEUED:
            optimization.status, optimization.started_at = JobStatus.RUNNING, utc_now()
            optimization.phase = "preparing"
            uow.publish(events.optimization_started(optimization))
            for text in optimization.warnings:
                uow.publish(events.optimization_logged(optimization, level="warning", text=text))


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
            await store_trial(uow, optimization, message)
        case Optimized():
            await _store_outcome(uow, optimization, base, message)


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
        await add_candidate(uow, optimization, base, message.prompt, demonstrations)
    uow.publish(events.optimization_progressed(optimization, trials=message.trials))


def _note_usage(optimization: Optimization, usage: Usage) -> None:
    optimization.input_tokens = usage.input_tokens
    optimization.output_tokens = usage.output_tokens
    optimization.cost_usd = as_money(usage.cost_usd)
