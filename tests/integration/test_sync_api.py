"""Syncs: every system in one job, each with its own outcome."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from asgi_lifespan import LifespanManager

from mission_control.api.app import create_app
from mission_control.api.jobs.work import run_job
from mission_control.api.resources import Resources
from mission_control.api.sync.commands import request_first_sync
from mission_control.api.sync.work import SyncWork
from mission_control.core.clock import utc_now
from mission_control.core.words import CallSource
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close_client import open_close
from tests.conftest import LEADS
from tests.integration.conftest import RunJob
from tests.services import HANG_SECONDS, free_port

SYNC = "/api/system/sync-all"


@pytest.fixture
async def without_close(resources: Resources) -> AsyncIterator[Resources]:
    """Nothing listens at Close's address."""
    async with open_close(f"http://127.0.0.1:{free_port()}", resources.settings.close_key) as away:
        yield replace(resources, close=away)


@pytest.fixture
async def lonely(without_close: Resources) -> AsyncIterator[httpx2.AsyncClient]:
    """The API of such a place."""
    async with LifespanManager(create_app(without_close), startup_timeout=HANG_SECONDS) as manager:
        transport = httpx2.ASGITransport(manager.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield http


async def _read(client: httpx2.AsyncClient) -> dict[str, Any]:
    answer = (await client.get("/api/system/sync")).json()
    return {each["system"]: each for each in answer["systems"]} | {"job_id": answer["job_id"]}


async def test_before_the_first_one_nothing_is_called_complete(client: httpx2.AsyncClient) -> None:
    before = await _read(client)
    assert before["vapi"]["status"] == before["close"]["status"] == "waiting"
    assert before["memory"]["status"] == "waiting"
    assert before["close"]["complete_until"] is None
    assert before["job_id"] is None


async def test_reads_all_systems_and_the_second_time_changes_nothing(
    client: httpx2.AsyncClient, run: RunJob, resources: Resources
) -> None:
    answer = await client.post(SYNC)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['id']}"
    job = await run(answer.json()["id"])
    assert job["status"] == "completed", job
    systems = job["progress"]["systems"]
    assert {name: each["status"] for name, each in systems.items()} == {
        "vapi": "completed", "close": "completed", "memory": "completed",
    }  # fmt: skip

    after = await _read(client)
    assert after["close"]["counts"]["leads"] == LEADS
    assert after["close"]["counts"]["calls"] > 0
    assert after["vapi"]["counts"]["calls"] > 0
    assert after["vapi"]["complete_until"] is not None
    assert after["job_id"] is None

    again = await run((await client.post(SYNC)).json()["id"])
    assert again["status"] == "completed"
    changed = {name: each.get("changed") for name, each in again["progress"]["systems"].items()}
    # The calls that the first one brought are conversations to the second.
    assert changed.pop("memory")["memories"] == 0
    assert changed == {
        "vapi": {"calls": 0},
        "close": {"leads": 0, "calls": 0, "removed": 0},
    }
    async with resources.unit_of_work(readonly=True) as uow:
        assert await _counted(uow) == {
            "leads": LEADS,
            "vapi": after["vapi"]["counts"]["calls"],
            "close": after["close"]["counts"]["calls"],
        }


async def _counted(uow: UnitOfWork) -> dict[str, int]:
    return {
        "leads": await uow.leads.count(),
        "vapi": await uow.calls.count(CallSource.VAPI),
        "close": await uow.calls.count(CallSource.CLOSE),
    }


async def test_two_at_once_are_one(client: httpx2.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post(SYNC) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await _read(client))["job_id"] == answers[0].json()["id"]


async def test_one_that_fails_is_said_and_does_not_hold_up_the_other(
    lonely: httpx2.AsyncClient, without_close: Resources, resources: Resources
) -> None:
    ended = await _sync(lonely, without_close)
    assert (ended["status"], ended["error"]["code"]) == ("failed", "sync_incomplete")
    assert ended["progress"]["systems"]["vapi"]["status"] == "completed"
    close = ended["progress"]["systems"]["close"]
    assert (close["status"], close["error"]["code"]) == ("failed", "integration_unavailable")

    after = await _read(lonely)
    assert after["close"]["status"] == "failed"
    assert after["close"]["error"]["code"] == "integration_unavailable"
    assert after["vapi"]["status"] == "completed"
    status = (await lonely.get("/api/system/status")).json()
    states = {each["name"]: each["state"] for each in status["components"]}
    assert (states["close"], states["vapi"]) == ("degraded", "ok")
    assert (await lonely.get("/api/calls?limit=1")).json()[
        "items"
    ]  # what is mirrored stays readable

    # Close is back: the next sync heals it.
    assert (await _sync(lonely, resources))["status"] == "completed"
    assert (await _read(lonely))["close"]["error"] is None


async def test_what_was_never_read_is_read_without_being_asked(
    client: httpx2.AsyncClient, run: RunJob, resources: Resources
) -> None:
    async with resources.unit_of_work() as uow:
        begun = await request_first_sync(uow)
        again = await request_first_sync(uow)
    assert begun is not None
    assert again is None
    assert (await run(str(begun.id)))["status"] == "completed"
    async with resources.unit_of_work() as uow:
        (await uow.jobs.get(begun.id)).created_at = utc_now() - timedelta(days=1)
        assert await request_first_sync(uow) is None
    assert (await _read(client))["job_id"] is None


async def _sync(client: httpx2.AsyncClient, resources: Resources) -> dict[str, Any]:
    """Ask for a sync, and be the worker that does it."""
    job_id = (await client.post(SYNC)).json()["id"]
    await run_job(resources, UUID(job_id), SyncWork(UUID(job_id)))
    return (await client.get(f"/api/jobs/{job_id}")).json()
