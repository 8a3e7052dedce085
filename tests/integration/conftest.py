"""The API in this process, on real services, with the worker's part done by the test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from asgi_lifespan import LifespanManager

from mission_control.api.app import create_app
from mission_control.api.job_kinds import work_of
from mission_control.api.jobs import waiting
from mission_control.api.jobs.work import run_job
from mission_control.api.queue import celery_app
from mission_control.api.resources import Resources, build_resources
from mission_control.api.system import queries as system_queries
from mission_control.api.system import queues as system_queues
from mission_control.core.settings import Settings
from tests.documented_answers import DocumentedAnswers
from tests.services import HANG_SECONDS
from tests.warm_engine import SharingClient, WarmEngine

RunJob = Callable[[str], Awaitable[dict[str, Any]]]


@pytest.fixture
def settings(
    sqlite_url: str,
    redis_url: str,
    model_server: str,
    vapi_server: str,
    close_server: str,
    tmp_path: Path,
) -> Settings:
    return Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=sqlite_url,
        redis_url=redis_url,
        openai_base_url=model_server,
        mc_model="openai/sandbox-1",
        mc_model_prices={
            "openai/sandbox-1": {"input_per_million": 0.15, "output_per_million": 0.6}
        },
        vapi_base_url=vapi_server,
        close_base_url=close_server,
        mc_data_dir=tmp_path / "data",
    )


@pytest.fixture(autouse=True)
def _patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine what is well may take longer to say so than an operator is made to wait."""
    monkeypatch.setattr(system_queries, "PROBE_SECONDS", HANG_SECONDS)
    for module in (system_queues, waiting):
        monkeypatch.setattr(module, "REDIS_SECONDS", HANG_SECONDS)


@pytest.fixture
async def resources(settings: Settings, warm_engine: WarmEngine) -> AsyncIterator[Resources]:
    """On services of the session and a database of the test's own."""
    celery_app.conf.update(broker_url=settings.celery_broker)  # the same server all session long
    held = build_resources(settings)
    if settings.superoptix_path is None:
        held = replace(held, superoptix=SharingClient(warm_engine))
    yield held
    await held.aclose()


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_app(resources)
    async with LifespanManager(app, startup_timeout=HANG_SECONDS) as manager:
        transport = httpx2.ASGITransport(manager.app)
        as_documented: Any = {"response": [DocumentedAnswers(app)]}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", event_hooks=as_documented
        ) as http:
            yield http


@pytest.fixture
def run(resources: Resources, client: httpx2.AsyncClient) -> RunJob:
    """Do what a worker would do with the job, and return it as the API shows it."""

    async def run_it(job_id: str) -> dict[str, Any]:
        async with resources.unit_of_work(readonly=True) as uow:
            work = work_of(await uow.jobs.get(UUID(job_id)))
        await run_job(resources, UUID(job_id), work)
        return (await client.get(f"/api/jobs/{job_id}")).json()

    return run_it
