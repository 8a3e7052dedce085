"""The system's own state, with parts that are there and parts that are not."""

import httpx2
import pytest
from asgi_lifespan import LifespanManager

from mission_control.api.app import create_app
from mission_control.api.resources import Resources, build_resources
from mission_control.core.settings import Settings

NOWHERE = "http://127.0.0.1:9/v1"


async def test_every_part_says_how_it_is(client: httpx2.AsyncClient, resources: Resources) -> None:
    await resources.superoptix.doctor()  # started: a status does not wait for that
    status = (await client.get("/api/system/status")).json()
    states = {part["name"]: part["state"] for part in status["components"]}
    assert states["database"] == states["redis"] == states["engine"] == "ok"
    assert states["model"] == states["vapi"] == "ok"
    assert states["workers"] == "degraded"  # the test does the worker's part
    assert status["state"] == "degraded"


async def test_alive_and_ready(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}
    ready = await client.get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["status"] == "ready"


async def test_a_missing_model_is_said_and_the_rest_works(settings: Settings) -> None:
    broken = settings.model_copy(update={"openai_base_url": NOWHERE, "superoptix_path": "/nowhere"})
    resources = build_resources(broken)
    async with LifespanManager(create_app(resources), startup_timeout=30) as manager:
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
