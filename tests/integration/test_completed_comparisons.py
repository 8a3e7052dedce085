"""A comparison that could not be measured is completed: only what failed runs again, as one reading."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2
import pytest

from mission_control.api.job_kinds import work_of
from mission_control.api.jobs.work import run_job
from mission_control.api.resources import Resources
from mission_control_protocol import Evaluated, Scenario, ScenarioFinished
from tests.builders import a_playbook
from tests.integration.conftest import RunJob
from tests.integration.test_test_split_api import TEST, scenarios, split
from tests.warm_engine import SharingClient, WarmEngine


class Failing(SharingClient):
    """The real engine, before whose model's server some scenarios fail in their second repetition."""

    def __init__(self, engine: WarmEngine) -> None:
        super().__init__(engine)
        self.failing: set[str] = set()
        self.asked: list[tuple[set[str], int]] = []
        self.caps: list[float | None] = []

    async def evaluate_agent(
        self, program: Any, scenarios: Sequence[Scenario], **options: Any
    ) -> AsyncGenerator[ScenarioFinished | Evaluated]:
        self.asked.append(({each.id for each in scenarios}, options["repetitions"]))
        self.caps.append(options["cap_usd"])
        messages = super().evaluate_agent(program, scenarios, **options)
        async with aclosing(messages) as found:
            async for message in found:
                if isinstance(message, ScenarioFinished) and self._fails(message):
                    failed = {"status": "error", "error_kind": "server", "error_detail": "No."}
                    yield message.model_copy(update=failed)
                else:
                    yield message

    def _fails(self, message: ScenarioFinished) -> bool:
        return message.scenario_id in self.failing and message.repetition == 2


@pytest.fixture
def engine(warm_engine: WarmEngine) -> Failing:
    return Failing(warm_engine)


@pytest.fixture
def run(resources: Resources, client: httpx2.AsyncClient, engine: Failing) -> RunJob:
    async def run_it(job_id: str) -> dict[str, Any]:
        async with resources.unit_of_work(readonly=True) as uow:
            work = work_of(await uow.jobs.get(UUID(job_id)))
        await run_job(replace(resources, superoptix=engine), UUID(job_id), work)
        return (await client.get(f"/api/jobs/{job_id}")).json()

    return run_it


async def status(client: httpx2.AsyncClient) -> dict[str, Any]:
    return (await client.get("/api/optimize/ada/status")).json()


def address(optimization: dict[str, Any]) -> str:
    return f"/api/optimize/ada/optimizations/{optimization['id']}/comparison"


async def test_only_the_failed_ones_run_again_and_the_verdict_is_complete(
    client: httpx2.AsyncClient, run: RunJob, engine: Failing
) -> None:
    playbook = a_playbook(scenarios=scenarios())
    assert (await client.post("/api/agents", json={"playbook": playbook})).status_code == 201
    engine.failing = set(TEST)
    asked = await client.post("/api/optimize/ada", json={"auto": "light", "repetitions": 2})
    job = await run(asked.json()["id"])
    assert (job["status"], job["error"]["kind"]) == ("failed", "unreliable")
    assert "run only the failed ones again" in job["error"]["detail"]
    found = await status(client)
    assert (found["verdict"], found["status"]) == (None, "failed")
    assert found["candidate_version"] == 2
    before = Decimal(found["cost_usd"])

    engine.failing, engine.asked = set(), []
    again = await client.post(address(found), json={"concurrency": 4})
    assert again.status_code == 202, again.text
    assert (await client.get("/api/agents/ada")).json()["status"] == "optimizing"
    job = await run(again.json()["id"])
    assert job["status"] == "completed", job
    # Of the baseline the second repetition of each alone; the candidate had not begun.
    assert engine.asked == [(set(TEST), 1), (set(TEST), 2)]

    done = await status(client)
    assert (done["verdict"], done["status"], done["error"]) == ("better", "completed", None)
    assert done["comparison"]["reading"] == 1
    assert done["comparison"]["unmeasured"] == []
    assert done["job_id"] == again.json()["id"]
    assert (await split(client))["readings"] == 1
    history = (await client.get("/api/evaluate/ada/history")).json()["items"]
    arms = [each for each in history if each["purpose"].startswith("comparison")]
    assert {each["status"] for each in arms} == {"completed"}
    assert {each["errors"] for each in arms} == {0}
    assert sum(each["passed"] + each["failed"] for each in arms) == 4 * len(TEST)
    paid = sum(Decimal(each["cost_usd"]) for each in arms)
    assert before < Decimal(done["cost_usd"]) <= before + paid
    assert (await client.get("/api/agents/ada")).json()["status"] != "optimizing"

    complete = await client.post(address(done), json={})
    assert (complete.status_code, complete.json()["code"]) == (409, "nothing_to_complete")


async def test_what_fails_again_may_be_run_again(
    client: httpx2.AsyncClient, run: RunJob, engine: Failing
) -> None:
    playbook = a_playbook(scenarios=scenarios())
    assert (await client.post("/api/agents", json={"playbook": playbook})).status_code == 201
    engine.failing = set(TEST)
    body = {"auto": "light", "repetitions": 2}
    await run((await client.post("/api/optimize/ada", json=body)).json()["id"])
    # The baseline's missing runs are made now; of the candidate each second one fails.
    found = await status(client)
    job = await run((await client.post(address(found), json={})).json()["id"])
    assert job["status"] == "failed"
    engine.failing, engine.asked = set(), []
    job = await run((await client.post(address(found), json={})).json()["id"])
    assert job["status"] == "completed", job
    assert engine.asked == [(set(TEST), 1)]
    assert (await status(client))["verdict"] == "better"
    assert (await split(client))["readings"] == 1


async def test_what_was_paid_before_is_not_in_the_budget_again(
    client: httpx2.AsyncClient, run: RunJob, engine: Failing
) -> None:
    await client.post("/api/agents", json={"playbook": a_playbook(scenarios=scenarios())})
    engine.failing = set(TEST)
    body = {"auto": "light", "repetitions": 2, "max_cost_usd": 5}
    await run((await client.post("/api/optimize/ada", json=body)).json()["id"])
    found = await status(client)
    engine.failing, engine.caps = set(), []
    job = await run((await client.post(address(found), json={})).json()["id"])
    assert job["status"] == "completed", job
    # The runs of the baseline that succeeded before count in neither cap.
    left = float(Decimal(5) - Decimal(found["cost_usd"]))
    first, second = (cap or 0 for cap in engine.caps)
    assert first == pytest.approx(left)
    assert 0 < second < first


async def test_what_has_no_candidate_or_is_not_there_is_refused(
    client: httpx2.AsyncClient,
) -> None:
    await client.post("/api/agents", json={"playbook": a_playbook(scenarios=scenarios())})
    nowhere = "/api/optimize/ada/optimizations/00000000-0000-4000-8000-000000000000/comparison"
    assert (await client.post(nowhere, json={})).status_code == 404
    asked = (await client.post("/api/optimize/ada", json={})).json()
    found = await status(client)
    busy = await client.post(address(found), json={})
    assert (busy.status_code, busy.json()["code"]) == (409, "optimization_running")
    await client.post(f"/api/jobs/{asked['id']}/cancel")
    refused = await client.post(address(found), json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_complete")
