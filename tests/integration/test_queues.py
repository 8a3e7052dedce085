"""No work waits behind another kind of it: real workers, Redis, SQLite and PostgreSQL."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen
from typing import Any
from uuid import UUID

import httpx2
import pytest

from mission_control.api.queue import enqueue, send_message
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.settings import Settings
from mission_control.core.words import JobKind, JobStatus, Queue
from mission_control.data.heartbeats import Heartbeat, HeartbeatWriter, open_impatient_redis
from tests.builders import a_job, a_version, an_agent
from tests.services import HANG_SECONDS, process


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return settings.model_copy(update={"database_url": database_url})


@pytest.fixture
async def ada(resources: Resources) -> None:
    """A phone bot of no assistant: deployed to the local runtime."""
    async with resources.unit_of_work() as uow:
        agent = await an_agent(uow, "ada")
        await a_version(uow, agent)


@contextmanager
def worker(settings: Settings, directory: Path, queue: Queue) -> Generator["Popen[bytes]"]:
    command = (
        sys.executable, "-m", "celery", "-A", "mission_control.worker.main", "worker",
        "-Q", queue.value, "-c", "1", "-n", f"{queue}@%h", "--without-gossip", "--without-mingle",
    )  # fmt: skip
    environment = settings.environment() | {"REMAP_SIGTERM": "SIGQUIT"}
    log = directory / f"{queue}.log"
    with process(command, log=log, ready=lambda: True, environment=environment) as child:
        yield child


async def until(client: httpx2.AsyncClient, job_id: str, **wanted: Any) -> dict[str, Any]:
    """The job, once it is as wanted."""
    end = time.monotonic() + HANG_SECONDS
    while True:
        job = (await client.get(f"/api/jobs/{job_id}")).json()
        if all(job[name] == value for name, value in wanted.items()):
            return job
        assert time.monotonic() < end, job
        await asyncio.sleep(0.1)


async def status(client: httpx2.AsyncClient) -> tuple[dict[str, Any], dict[str, Any]]:
    """The queues and the parts, by name."""
    found = (await client.get("/api/system/status")).json()
    return (
        {each["queue"]: each for each in found["queues"]},
        {each["name"]: each for each in found["components"]},
    )


async def a_waiting_job(resources: Resources, kind: JobKind, seconds: float, **given: Any) -> str:
    async with resources.unit_of_work() as uow:
        asked = utc_now() - timedelta(seconds=seconds)
        job = await a_job(uow, kind=kind, created_at=asked, **given)
    return str(job.id)


async def test_a_deployment_passes_a_full_queue_of_background_work(
    client: httpx2.AsyncClient, resources: Resources, ada: None, tmp_path: Path
) -> None:
    """Nobody serves `background`: all its slots could not be more taken than that."""
    for _ in range(20):
        await send_message("memory.index")
    sync = (await client.post("/api/system/sync-all")).json()
    with worker(resources.settings, tmp_path, Queue.DEPLOYMENTS):
        body = {"version": 1, "force": True}
        answer = await client.post("/api/optimize/ada/deploy", json=body)
        assert answer.status_code == 202, answer.text

        await until(client, answer.json()["id"], status="completed", waiting=None)

        queues, _ = await status(client)
        assert queues["background"]["messages"] == 21
        assert queues["background"]["waiting"] == 1
        assert queues["deployments"]["waiting"] == 0
        waiting = (await client.get(f"/api/jobs/{sync['id']}")).json()["waiting"]
        assert (waiting["place"], waiting["waits_for"]) == (1, "worker")


async def test_a_job_that_waits_too_long_is_no_health(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    _, before = await status(client)
    assert (before["queues"]["state"], before["queues"]["detail"]) == ("ok", "no job waits")
    writer = HeartbeatWriter(open_impatient_redis(resources.settings.redis))
    writer.write(Heartbeat(part="worker", host="here", pid=1, queues=[*map(str, Queue)], slots=1))
    job_id = await a_waiting_job(resources, JobKind.SYNC, 100)
    await a_waiting_job(resources, JobKind.SYNC, 200, status=JobStatus.RUNNING)
    await a_waiting_job(resources, JobKind.SYNC, 1)

    queues, parts = await status(client)

    oldest = queues["background"].pop("oldest")
    assert (oldest["job_id"], oldest["kind"]) == (job_id, "sync")
    assert oldest["seconds"] >= 100
    assert queues["background"] == {
        "queue": "background", "slots": 1, "running": 1, "waiting": 2, "messages": 0,
    }  # fmt: skip
    assert parts["workers"]["state"] == "ok"
    assert parts["queues"]["state"] == "degraded"
    assert re.match(
        r"2 jobs wait, the longest \(sync\) for \d{3} s. Next in the queue background. The slot is",
        parts["queues"]["detail"],
    )
    assert (await client.get("/api/system/status")).json()["state"] == "degraded"


async def test_a_job_that_has_just_been_asked_for_is_health(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    await a_waiting_job(resources, JobKind.SYNC, -HANG_SECONDS)  # on a clock that is ahead, too

    queues, parts = await status(client)

    assert queues["background"]["waiting"] == 1
    assert parts["queues"]["state"] == "ok"


async def test_a_queue_without_a_worker_is_named(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    writer = HeartbeatWriter(open_impatient_redis(resources.settings.redis))
    writer.write(Heartbeat(part="worker", host="here", pid=1, queues=["engine"], slots=2))

    _, parts = await status(client)

    assert parts["workers"]["state"] == "degraded"
    assert "No worker serves deployments, background;" in parts["workers"]["detail"]


async def test_the_list_of_jobs_says_how_each_waits(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    first = await a_waiting_job(resources, JobKind.SYNC, 20)
    second = await a_waiting_job(resources, JobKind.SYNC, 10)
    running = await a_waiting_job(resources, JobKind.SYNC, 30, status=JobStatus.RUNNING)

    jobs = {job["id"]: job for job in (await client.get("/api/jobs")).json()["items"]}

    assert jobs[first]["waiting"]["place"] == 1
    assert jobs[second]["waiting"]["place"] == 2
    assert jobs[second]["waiting"]["queue"] == "background"
    assert jobs[running]["waiting"] is None


async def test_each_kind_of_job_is_sent_to_its_own_queue(resources: Resources) -> None:
    job_ids = {kind: await a_waiting_job(resources, kind, 0) for kind in JobKind}
    for kind, job_id in job_ids.items():
        await enqueue(kind, UUID(job_id))

    sent = {queue: len(await resources.redis.lrange(queue, 0, -1)) for queue in Queue}
    assert sent == {Queue.ENGINE: 2, Queue.DEPLOYMENTS: 2, Queue.BACKGROUND: 1}
    assert (
        json.loads((await resources.redis.lrange(Queue.BACKGROUND, 0, 0))[0])["headers"]["task"]
        == "sync.run"
    )
