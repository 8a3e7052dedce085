"""The system's own state, with parts that are there and parts that are not."""

from typing import Any

import httpx2
import pytest
from asgi_lifespan import LifespanManager

from mission_control.api.app import create_app
from mission_control.api.resources import Resources, build_resources
from mission_control.core.clock import utc_now
from mission_control.core.part_states import PartState, SupervisorState, write_state
from mission_control.core.settings import Settings
from mission_control.data.heartbeats import Heartbeat, HeartbeatWriter, open_impatient_redis
from mission_control.supervisor.lock import sole_supervisor
from tests.services import HANG_SECONDS

NOWHERE = "http://127.0.0.1:9/v1"


async def test_every_part_says_how_it_is(client: httpx2.AsyncClient, resources: Resources) -> None:
    await resources.superoptix.doctor()  # started: a status does not wait for that
    status = (await client.get("/api/system/status")).json()
    states = {part["name"]: part["state"] for part in status["components"]}
    assert states["database"] == states["redis"] == states["engine"] == "ok"
    assert states["model"] == states["vapi"] == "ok"
    assert states["workers"] == "degraded"  # the test does the worker's part
    assert status["state"] == "degraded"


async def component(client: httpx2.AsyncClient, name: str) -> dict[str, Any] | None:
    parts = (await client.get("/api/system/status")).json()["components"]
    return next((part for part in parts if part["name"] == name), None)


async def test_a_part_of_up_that_keeps_ending_is_no_health(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    data_dir = resources.settings.data_dir
    assert await component(client, "processes") is None, "nobody knows of processes run apart"
    beat = PartState(name="beat", status="restarting", ends_in_a_row=3, last_exit_code=1)
    with sole_supervisor(data_dir):
        write_state(data_dir, SupervisorState(pid=1, started_at=utc_now(), parts=[beat]))

        found = await component(client, "processes")

    assert found is not None
    assert found["state"] == "degraded"
    assert found["detail"].startswith("beat keeps ending (3 times in a row, exit code 1).")


async def test_one_scheduler_must_tick_and_no_more(
    client: httpx2.AsyncClient, settings: Settings
) -> None:
    writer = HeartbeatWriter(open_impatient_redis(settings.redis))
    first, second = (Heartbeat(part="scheduler", host="here", pid=pid) for pid in (1, 2))

    states: list[str] = []
    for beat in (None, first, second):
        if beat is not None:
            writer.write(beat)
        found = await component(client, "scheduler")
        assert found is not None
        states.append(f"{found['state']}: {found['detail']}")

    assert states == [
        "degraded: No scheduler (beat) ticks: no polls, sweeps or checks for drift.",
        "ok: ticks",
        "degraded: 2 schedulers (beat) tick; exactly one must run.",
    ]


async def test_alive_and_ready(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"


async def test_a_missing_model_is_said_and_the_rest_works(settings: Settings) -> None:
    broken = settings.model_copy(update={"openai_base_url": NOWHERE, "superoptix_path": "/nowhere"})
    resources = build_resources(broken)
    async with LifespanManager(create_app(resources), startup_timeout=HANG_SECONDS) as manager:
        transport = httpx2.ASGITransport(manager.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            parts = (await http.get("/api/system/status")).json()["components"]
            states = {part["name"]: part for part in parts}
            assert states["model"]["state"] == "degraded"
            assert states["engine"]["state"] == "degraded"
            assert states["database"]["state"] == "ok"
            assert (await http.get("/api/agents")).status_code == 200
    await resources.aclose()


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example"])
async def test_other_names_of_this_host_are_refused(client: httpx2.AsyncClient, host: str) -> None:
    response = await client.get("/api/agents", headers={"host": host})
    assert response.status_code == 400


async def test_unknown_routes_are_problems(client: httpx2.AsyncClient) -> None:
    for method, path, status in (("GET", "/api/nothing", 404), ("POST", "/healthz", 405)):
        response = await client.request(method, path)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
