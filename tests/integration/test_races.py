"""Two clients, or a client and a worker, at the same moment; and a worker that dies at a bad one."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx2
import pytest
from redis.asyncio import Redis
from sqlalchemy.exc import OperationalError

from mission_control.api import queue
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.jobs.sweeper import NEVER_STARTED_AFTER, sweep
from mission_control.api.jobs.work import MAX_ATTEMPTS_WITHOUT_PROGRESS, run_job
from mission_control.api.optimize import search as optimize_search
from mission_control.api.optimize.work import OptimizationWork
from mission_control.api.queue import celery_app, queued_messages
from mission_control.api.realtime import Hub
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.settings import Settings
from mission_control.core.tasks import end
from mission_control.data.event_streams import EventStreams, open_redis
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import SuperOptiXError
from mission_control_protocol import Compiled, Progressed, Usage
from tests.builders import a_playbook, a_waiting_event
from tests.integration.conftest import RunJob
from tests.services import HANG_SECONDS

TOGETHER = 6


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return settings.model_copy(update={"database_url": database_url})


@pytest.fixture
async def ada(client: httpx2.AsyncClient) -> None:
    response = await client.post("/api/agents", json={"playbook": a_playbook()})
    assert response.status_code == 201


@pytest.mark.usefixtures("ada")
class TestTogether:
    async def test_the_same_key_is_one_job(self, client: httpx2.AsyncClient) -> None:
        headers = {"Idempotency-Key": "k"}
        answers = await asyncio.gather(
            *(client.post("/api/evaluate/ada", json={}, headers=headers) for _ in range(TOGETHER))
        )
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1

    async def test_one_optimization_and_the_others_name_it(
        self, client: httpx2.AsyncClient
    ) -> None:
        answers = await asyncio.gather(
            *(client.post("/api/optimize/ada", json={}) for _ in range(TOGETHER))
        )
        [job] = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code != 202]
        assert {answer.status_code for answer in refused} == {409}
        assert {answer.json()["job_id"] for answer in refused} == {job}

    async def test_edits_become_versions_or_are_refused(self, client: httpx2.AsyncClient) -> None:
        answers = await asyncio.gather(
            *(client.put("/api/agents/ada", json={"prompt": f"Hi {i}"}) for i in range(TOGETHER))
        )
        stored = [answer for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert len(stored) >= 1
        assert {answer.json()["code"] for answer in refused} <= {"version_changed"}
        versions = (await client.get("/api/agents/ada/versions")).json()["items"]
        assert len(versions) == 1 + len(stored)

    async def test_an_edit_keeps_no_writer_waiting_for_the_engine(
        self, client: httpx2.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compiling, may_go_on = asyncio.Event(), asyncio.Event()
        compile_agent = resources.superoptix.compile_agent

        async def slow(program: Any) -> Compiled:
            compiling.set()
            await may_go_on.wait()
            return await compile_agent(program)

        monkeypatch.setattr(resources.superoptix, "compile_agent", slow)
        editing = asyncio.ensure_future(client.put("/api/agents/ada", json={"prompt": "Slow"}))
        await compiling.wait()
        # One that had to wait for it would be refused after a while: nobody lets the edit go on.
        assert (await client.post("/api/evaluate/ada", json={})).status_code == 202
        assert not editing.done()
        may_go_on.set()
        assert (await editing).status_code == 200


@pytest.mark.usefixtures("ada")
class TestStatus:
    async def test_a_deployment_during_a_search_is_not_forgotten(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        search = (await client.post("/api/optimize/ada", json={})).json()["id"]
        body = {"version": 1, "force": True}
        await run((await client.post("/api/optimize/ada/deploy", json=body)).json()["id"])
        await client.post(f"/api/jobs/{search}/cancel")
        await run(search)
        agent = (await client.get("/api/agents/ada")).json()
        assert (agent["status"], agent["deployed_version"]) == ("live", 1)

    async def test_a_rollback_during_a_search_is_not_forgotten(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        body = {"version": 1, "force": True}
        await run((await client.post("/api/optimize/ada/deploy", json=body)).json()["id"])
        search = (await client.post("/api/optimize/ada", json={})).json()["id"]
        await run((await client.post("/api/optimize/ada/rollback", json={})).json()["id"])
        await client.post(f"/api/jobs/{search}/cancel")
        await run(search)
        agent = (await client.get("/api/agents/ada")).json()
        assert (agent["status"], agent["deployed_version"]) == ("dev", None)

    async def test_a_rollback_restores_what_was_deployed_not_what_was_edited(
        self, client: httpx2.AsyncClient, run: RunJob
    ) -> None:
        async def deploy(version: int) -> None:
            body = {"version": version, "force": True}
            await run((await client.post("/api/optimize/ada/deploy", json=body)).json()["id"])

        await deploy(1)
        for prompt in ("Never deployed.", "Deployed."):
            await client.put("/api/agents/ada", json={"prompt": prompt})
        await deploy(3)
        await run((await client.post("/api/optimize/ada/rollback", json={})).json()["id"])
        agent = (await client.get("/api/agents/ada")).json()
        first = (await client.get("/api/agents/ada/versions/1")).json()
        assert agent["deployed_version"] == 4
        assert agent["prompt"] == first["prompt"]


@pytest.mark.usefixtures("ada")
class TestDiedAtABadMoment:
    async def test_between_the_verdict_and_the_end(
        self,
        client: httpx2.AsyncClient,
        resources: Resources,
        run: RunJob,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        body = {"optimizer": "GEPA", "max_metric_calls": 60}
        job_id = UUID((await client.post("/api/optimize/ada", json=body)).json()["id"])

        async def die(_: OptimizationWork, __: UnitOfWork) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(OptimizationWork, "completed", die)
            with pytest.raises(KeyboardInterrupt):
                await run_job(resources, job_id, OptimizationWork(job_id))
        before = (await client.get("/api/optimize/ada/status")).json()
        async with resources.unit_of_work() as uow:
            (await uow.jobs.get(job_id)).lease_expires_at = utc_now()
        await asyncio.sleep(0.01)
        assert (await run(str(job_id)))["status"] == "completed"
        after = (await client.get("/api/optimize/ada/status")).json()
        same = ("candidate_version", "verdict", "comparison", "metric_calls", "trials")
        assert {name: after[name] for name in same} == {name: before[name] for name in same}
        versions = (await client.get("/api/agents/ada/versions")).json()["items"]
        assert len(versions) == (2 if before["candidate_version"] else 1)

    async def test_dying_at_the_same_place_every_time_is_given_up(
        self, client: httpx2.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def dies(*_: object, **__: object) -> AsyncIterator[Progressed]:
            yield Progressed(
                id="x", phase="searching", trials=1, metric_calls=9, metric_calls_budget=60,
                best_validation_score=0.5, usage=Usage(),
            )  # fmt: skip
            raise SuperOptiXError("The engine died.", kind="crashed")

        monkeypatch.setattr(type(resources.superoptix), "optimize_agent", dies)
        job_id = UUID((await client.post("/api/optimize/ada", json={})).json()["id"])
        for _ in range(MAX_ATTEMPTS_WITHOUT_PROGRESS + 2):
            await run_job(resources, job_id, OptimizationWork(job_id))
        assert (await client.get(f"/api/jobs/{job_id}")).json()["status"] == "failed"

    async def test_a_database_that_is_away_for_a_moment_costs_no_job(
        self,
        client: httpx2.AsyncClient,
        resources: Resources,
        run: RunJob,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        async def away(job: JobRun, optimization_id: UUID) -> None:
            del optimization_id
            async with job.step() as uow:
                await uow.agents.count()
                raise OperationalError("SELECT 1", {}, Exception("the server is gone"))

        job_id = UUID((await client.post("/api/optimize/ada", json={})).json()["id"])
        with monkeypatch.context() as patched:
            patched.setattr(optimize_search, "_start", away)
            await run_job(resources, job_id, OptimizationWork(job_id))
        assert (await client.get(f"/api/jobs/{job_id}")).json()["status"] == "running"


@pytest.mark.usefixtures("ada")
class TestRedis:
    async def test_while_all_workers_are_busy_one_hint_is_enough(
        self, client: httpx2.AsyncClient, resources: Resources
    ) -> None:
        job_id = (await client.post("/api/evaluate/ada", json={})).json()["id"]
        for _ in range(3):
            async with resources.unit_of_work() as uow:
                job = await uow.jobs.get(UUID(job_id))
                job.queued_at = utc_now() - 2 * NEVER_STARTED_AFTER
            await sweep(resources)
        assert await resources.redis.llen("engine") == 1
        assert job_id in await queued_messages(resources.redis)
        await resources.redis.delete("engine")
        async with resources.unit_of_work() as uow:
            job = await uow.jobs.get(UUID(job_id))
            job.queued_at = utc_now() - 2 * NEVER_STARTED_AFTER
        await sweep(resources)
        assert job_id in await queued_messages(resources.redis)


async def test_two_first_subscribers_skip_nothing(redis_url: str) -> None:
    redis = open_redis(redis_url)
    hub = Hub(_SecondAnswerIsNewer(redis))
    async with AsyncExitStack() as stack:
        first, _ = await asyncio.gather(
            *(stack.enter_async_context(hub.subscribe("x")) for _ in range(2))
        )
        reading = asyncio.ensure_future(hub.run())
        try:
            async with asyncio.timeout(HANG_SECONDS):
                assert "test.happened" in (await first.next()).body
        finally:
            await end(reading)
    await redis.aclose()


class _SecondAnswerIsNewer(EventStreams):
    """Whoever asks second is told of an event that the first has yet to get."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._first_has_answer = asyncio.Event()
        self._asked = 0

    async def last_id(self, channel: str) -> str:
        self._asked += 1
        if self._asked == 1:
            newest = await super().last_id(channel)
            self._first_has_answer.set()
            return newest
        await self._first_has_answer.wait()
        await self.append([a_waiting_event(channel)])
        return await super().last_id(channel)


@pytest.mark.usefixtures("ada")
async def test_a_redis_that_hangs_delays_an_answer_by_seconds_only(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> None:
        release.wait(2 * HANG_SECONDS)

    monkeypatch.setattr(celery_app, "send_task", hang)
    monkeypatch.setattr(queue, "SEND_SECONDS", 0.5)
    async with asyncio.timeout(HANG_SECONDS):
        response = await client.post("/api/evaluate/ada", json={})
    release.set()
    assert response.status_code == 202
