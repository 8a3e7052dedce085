"""Compares two versions of an agent on scenarios that no search has seen, and says what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from mission_control.api.agents.versions import playbook_of
from mission_control.api.compare.scenarios import ComparedScenarios
from mission_control.api.evaluate.measuring import concurrency_of, measure
from mission_control.api.evaluate.results import cost_of, new_evaluation
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.test_split import ledger
from mission_control.core.comparison import (
    Comparison,
    ScenarioScore,
    compare,
    with_cut_replies,
)
from mission_control.core.playbook import Scenario
from mission_control.core.words import EvaluationPurpose, JobStatus, ScenarioStatus
from mission_control.data.agents import AgentVersion
from mission_control.data.evaluations import Evaluation, ScenarioResult
from mission_control.integrations.superoptix.language_models import task_model
from mission_control.integrations.superoptix_client import program_of
from mission_control_protocol import Model

BASELINE_ARMS = (EvaluationPurpose.COMPARISON_BASELINE, EvaluationPurpose.ANCHORS_BASELINE)
ANCHOR_ARMS = (EvaluationPurpose.ANCHORS_BASELINE, EvaluationPurpose.ANCHORS_CANDIDATE)


@dataclass(frozen=True)
class Arm:
    """One version on one set of scenarios: a part of the comparison."""

    evaluation: Evaluation
    version: AgentVersion
    scenarios: Sequence[Scenario]


async def compare_versions(
    job: JobRun,
    baseline: AgentVersion,
    candidate: AgentVersion,
    *,
    model_name: str,
    repetitions: int,
    budget_usd: Decimal | None,
) -> Comparison:
    """Both versions on the same scenarios, the same number of times, in the same job.

    Run again after a crash, it goes on with what was stored. Raises SuperOptiXError, of kind
    `budget` when `budget_usd` does not suffice.
    """
    playbook = playbook_of(baseline)
    model = task_model(job.resources.settings, playbook.language_model, override=model_name)
    compared = ComparedScenarios.of(playbook)
    async with job.step() as uow:
        reading = (await ledger.count_comparison(uow, job.id, playbook)).number
    arms = await _arms(
        job, baseline, candidate, compared=compared, model=model, repetitions=repetitions
    )
    for arm in arms:
        if arm.evaluation.status is not JobStatus.COMPLETED:
            await _measure_arm(job, arm, model=model, budget_usd=await _left(job, arm, budget_usd))
    return await _judge(job, arms, compared, reading)


async def _arms(
    job: JobRun,
    baseline: AgentVersion,
    candidate: AgentVersion,
    *,
    compared: ComparedScenarios,
    model: Model,
    repetitions: int,
) -> list[Arm]:
    """The evaluations to hold against each other: made now, or by an earlier attempt."""
    wanted = [
        (EvaluationPurpose.COMPARISON_BASELINE, baseline, compared.counted),
        (EvaluationPurpose.COMPARISON_CANDIDATE, candidate, compared.counted),
    ]
    if compared.outer_anchors:
        wanted += [
            (EvaluationPurpose.ANCHORS_BASELINE, baseline, compared.outer_anchors),
            (EvaluationPurpose.ANCHORS_CANDIDATE, candidate, compared.outer_anchors),
        ]
    arms: list[Arm] = []
    async with job.step() as uow:
        made = {each.purpose: each for each in await uow.evaluations.of_job(job.id)}
        for purpose, version, scenarios in wanted:
            evaluation = made.get(purpose) or new_evaluation(
                job_id=job.id,
                version=version,
                purpose=purpose,
                scenario_ids=[scenario.id for scenario in scenarios],
                repetitions=repetitions,
                model=model,
            )
            uow.evaluations.add(evaluation)
            arms.append(Arm(evaluation, version, scenarios))
    return arms


async def _measure_arm(job: JobRun, arm: Arm, *, model: Model, budget_usd: Decimal | None) -> None:
    await measure(
        job,
        arm.evaluation,
        program=program_of(playbook_of(arm.version)),
        scenarios=arm.scenarios,
        model=model,
        concurrency=concurrency_of(job),
        journal=job.directory / arm.evaluation.purpose.value,
        budget_usd=budget_usd,
        test=() if arm.evaluation.purpose in ANCHOR_ARMS else arm.evaluation.scenario_ids,
    )


async def _left(job: JobRun, arm: Arm, budget_usd: Decimal | None) -> Decimal | None:
    """What of the budget the other arms have not used."""
    if budget_usd is None:
        return None
    async with job.resources.unit_of_work(readonly=True) as uow:
        for other in await uow.evaluations.of_job(job.id):
            if other.id != arm.evaluation.id:
                budget_usd -= cost_of(await uow.evaluations.results(other.id)) or Decimal(0)
    return budget_usd


async def _judge(
    job: JobRun, arms: Sequence[Arm], compared: ComparedScenarios, reading: int | None
) -> Comparison:
    before: list[ScenarioScore] = []
    after: list[ScenarioScore] = []
    cut, replies = {True: 0, False: 0}, 0
    async with job.resources.unit_of_work(readonly=True) as uow:
        for arm in arms:
            results = await uow.evaluations.results(arm.evaluation.id)
            is_baseline = arm.evaluation.purpose in BASELINE_ARMS
            (before if is_baseline else after).extend(_scores(results))
            cut[is_baseline] += sum(result.truncated for result in results)
            replies += len(results) if is_baseline else 0
    comparison = compare(
        before,
        after,
        anchors={each.id for arm in arms for each in arm.scenarios if each.anchor},
        uncounted={
            each.id
            for arm in arms
            for each in arm.scenarios
            if arm.evaluation.purpose in ANCHOR_ARMS
        },
        copies=compared.same.copies,
        leaked=compared.same.leaked,
        reading=reading,
    )
    return with_cut_replies(comparison, baseline=cut[True], candidate=cut[False], of=replies)


def _scores(results: Sequence[ScenarioResult]) -> list[ScenarioScore]:
    outcomes: dict[str, list[float | None]] = {}
    for result in results:
        measured = result.status is not ScenarioStatus.ERROR
        passed = float(result.status is ScenarioStatus.PASSED)
        outcomes.setdefault(result.scenario_id, []).append(passed if measured else None)
    return [ScenarioScore(name, tuple(each)) for name, each in outcomes.items()]
