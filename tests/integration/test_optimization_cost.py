"""What an optimization has cost, and what of its budget is left, whoever spent it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from mission_control.api.job_kinds import work_of
from mission_control.api.jobs.work import run_job
from mission_control.api.optimize.trials import store_trial
from mission_control.api.optimize.verdict import left_by_the_search
from mission_control.api.optimize.work import OptimizationWork
from mission_control.api.resources import Resources
from mission_control.core.words import EvaluationPurpose, JobKind, ScenarioStatus
from mission_control.data.evaluations import ScenarioResult
from mission_control.data.optimizations import Optimization
from mission_control_protocol import Evaluated, ScenarioFinished, TrialFinished, Usage
from tests.builders import a_job, a_playbook, a_version, an_agent, an_evaluation
from tests.warm_engine import SharingClient, WarmEngine


def an_optimization(**columns: Any) -> Optimization:
    return Optimization(
        **{
            "id": uuid4(),
            "agent_id": "ada",
            "optimizer": "GEPA",
            "budget": {},
            "model": "openai/sandbox-1",
            "reflection_model": "openai/sandbox-1",
            "previous_status": "dev",
            "input_tokens": 0,
            "output_tokens": 0,
            **columns,
        }
    )


class TestWhatIsLeft:
    """Of a limit of one dollar, for the comparison."""

    @pytest.mark.parametrize(("searched", "left"), [("0.4", "0.6"), ("1.25", "-0.25"), (None, "1")])
    def test_is_without_what_the_search_has_cost(self, searched: str | None, left: str) -> None:
        spent = None if searched is None else Decimal(searched)
        optimization = an_optimization(budget={"usd": 1.0}, cost_usd=spent)
        assert left_by_the_search(optimization) == Decimal(left)

    def test_is_unlimited_without_a_limit(self) -> None:
        assert left_by_the_search(an_optimization(cost_usd=Decimal(3))) is None


@pytest.mark.parametrize(
    ("paid", "cost"), [(["0.01", "0.02"], "0.13"), (["0.01", None], None), ([], "0.1")]
)
async def test_the_comparison_is_part_of_the_cost(
    resources: Resources, paid: list[str | None], cost: str | None
) -> None:
    """Also when one arm of it was not finished; unknown stays unknown."""
    async with resources.unit_of_work() as uow:
        agent = await an_agent(uow)
        version = await a_version(uow, agent)
        job = await a_job(uow, agent, kind=JobKind.OPTIMIZE)
        uow.optimizations.add(
            an_optimization(
                job_id=job.id,
                base_version_id=version.id,
                cost_usd=Decimal("0.1"),
                input_tokens=100,
                output_tokens=10,
            )
        )
        arm = await an_evaluation(
            uow, version, job,
            purpose=EvaluationPurpose.COMPARISON_BASELINE,
            input_tokens=7 * len(paid), output_tokens=3 * len(paid),
        )  # fmt: skip
        for repetition, usd in enumerate(paid):
            uow.evaluations.add_result(
                ScenarioResult(
                    evaluation_id=arm.id, scenario_id="price", repetition=repetition,
                    status=ScenarioStatus.PASSED, checks=[], output={}, latency_ms=1.0,
                    input_tokens=7, output_tokens=3, cost_usd=usd and Decimal(usd),
                )
            )  # fmt: skip
        await uow.flush()
        job_id = job.id
    async with resources.unit_of_work() as uow:
        await OptimizationWork(job_id).completed(uow)
    async with resources.unit_of_work(readonly=True) as uow:
        optimization = await uow.optimizations.of_job(job_id)
        assert optimization is not None
        assert optimization.cost_usd == (cost and Decimal(cost))
        assert optimization.input_tokens == 100 + 7 * len(paid)
        assert optimization.output_tokens == 10 + 3 * len(paid)


class Losing(SharingClient):
    """The real engine, of whose results one gets lost."""

    async def evaluate_agent(
        self, *arguments: Any, **options: Any
    ) -> AsyncGenerator[ScenarioFinished | Evaluated]:
        lost = False
        async with aclosing(super().evaluate_agent(*arguments, **options)) as messages:
            async for message in messages:
                if isinstance(message, ScenarioFinished) and not lost:
                    lost = True
                else:
                    yield message


async def test_results_that_are_not_all_there_give_no_rate(
    client: httpx2.AsyncClient, resources: Resources, warm_engine: WarmEngine
) -> None:
    await client.post("/api/agents", json={"playbook": a_playbook()})
    job_id = UUID((await client.post("/api/evaluate/ada", json={})).json()["id"])
    async with resources.unit_of_work(readonly=True) as uow:
        work = work_of(await uow.jobs.get(job_id))
    await run_job(replace(resources, superoptix=Losing(warm_engine)), job_id, work)
    job = (await client.get(f"/api/jobs/{job_id}")).json()
    assert job["status"] == "failed"
    assert "after 8 of 9 runs" in job["error"]["detail"]
    [row] = (await client.get("/api/evaluate/ada/history")).json()["items"]
    assert (row["status"], row["pass_rate"]) == ("failed", None)
    assert row["passed"] + row["failed"] == 8


async def test_a_trial_shows_what_it_could_not_measure(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    async with resources.unit_of_work() as uow:
        agent = await an_agent(uow)
        version = await a_version(uow, agent)
        job = await a_job(uow, agent, kind=JobKind.OPTIMIZE)
        optimization = an_optimization(job_id=job.id, base_version_id=version.id)
        uow.optimizations.add(optimization)
        await uow.flush()
        finished = TrialFinished(
            id="x", number=0, parent=None, accepted=True, validation_score=0.5, sample_score=None,
            prompt="Hi", demonstrations=[], metric_calls=4, usage=Usage(), truncated=2, unmeasured=1,
        )  # fmt: skip
        await store_trial(uow, optimization, finished)
    [trial] = (await client.get("/api/optimize/ada/status")).json()["trials"]
    assert (trial["truncated"], trial["unmeasured"]) == (2, 1)
