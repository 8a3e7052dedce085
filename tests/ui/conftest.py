"""The console, run without a browser, against a real API that serves in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx2
import pytest
import streamlit as st
import uvicorn
from redis import Redis
from streamlit.testing.v1 import AppTest

from mission_control.api.app import create_app
from mission_control.api.job_kinds import WORK
from mission_control.api.jobs.work import run_job
from mission_control.api.queue import celery_app
from mission_control.api.resources import Resources, build_resources
from mission_control.core.settings import Settings, get_settings
from mission_control.core.words import JobKind
from mission_control.data.base import Base
from mission_control.data.migrate import upgrade
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.ui import clients
from tests import services
from tests.services import HANG_SECONDS

ENTRY = str(Path(clients.__file__).with_name("streamlit_app.py"))
ResultT = TypeVar("ResultT")
Open = Callable[[str], AppTest]


class ServedApi:
    """The API on a port, and its event loop to do a worker's part on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._server: uvicorn.Server
        self._loop: asyncio.AbstractEventLoop
        self._up = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.resources: Resources

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(10)
        while not services.accepts(self.settings.mc_api_port):
            pass

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(15)

    def do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def store(self, write: Callable[[UnitOfWork], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """Write rows and commit them."""

        async def stored() -> ResultT:
            async with self.resources.unit_of_work() as uow:
                return await write(uow)

        return self.do(stored())

    def work(self) -> None:
        """Do every job that waits, as a worker would."""
        jobs = self.get("/api/jobs?status=queued")["items"]
        for job in reversed(jobs):
            job_id = UUID(job["id"])
            self.do(run_job(self.resources, job_id, WORK[JobKind(job["kind"])](job_id)))

    def get(self, path: str) -> Any:
        return self._http("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        return self._http("POST", path, json=body or {})

    def put(self, path: str, body: Any) -> Any:
        return self._http("PUT", path, json=body)

    def empty(self) -> None:
        async def emptied() -> None:
            async with self.resources.engine.begin() as connection:
                for table in reversed(Base.metadata.sorted_tables):
                    await connection.execute(table.delete())

        self.do(emptied())
        with Redis.from_url(self.settings.redis) as redis:  # pyright: ignore[reportUnknownMemberType]
            redis.flushall()  # pyright: ignore[reportUnknownMemberType]

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.resources = build_resources(self.settings)
        config = uvicorn.Config(
            create_app(self.resources),
            port=self.settings.mc_api_port,
            ws="websockets-sansio",
            log_level="warning",
        )
        self._server = uvicorn.Server(config)
        self._up.set()
        await self._server.serve()
        await self.resources.aclose()

    def _http(self, method: str, path: str, **options: Any) -> Any:
        address = f"http://127.0.0.1:{self.settings.mc_api_port}{path}"
        answer = httpx2.request(method, address, timeout=HANG_SECONDS, **options)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="session")
def close_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Origin of a stand-in for Close with a dozen leads. It remembers what is changed there."""
    module, directory = "mission_control_sandbox.close_server", tmp_path_factory.mktemp("close")
    with services.sandbox_server(module, directory, "--people", "12") as origin:
        yield origin


@pytest.fixture(scope="session")
def redis_of_the_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its own, since its API goes on publishing, and holds the relay's lease, until the session ends."""
    with services.redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="session")
def served_api(
    redis_of_the_console: str,
    model_server: str,
    vapi_server: str,
    close_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServedApi]:
    data = tmp_path_factory.mktemp("console")
    database = f"sqlite+aiosqlite:///{data / 'database.db'}"
    upgrade(database)
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg]
        database_url=database,
        redis_url=redis_of_the_console,
        openai_base_url=model_server,
        mc_model="openai/sandbox-1",
        vapi_base_url=vapi_server,
        close_base_url=close_server,
        mc_data_dir=data,
        mc_api_port=services.free_port(),
    )
    celery_app.conf.update(broker_url=settings.celery_broker)
    api = ServedApi(settings)
    api.start()
    yield api
    api.stop()


@pytest.fixture
def api(served_api: ServedApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedApi]:
    """The API with nothing in it, where the console looks for it."""
    served_api.empty()
    monkeypatch.setenv("MC_API_PORT", str(served_api.settings.mc_api_port))
    _forget()
    yield served_api
    monkeypatch.undo()
    _forget()


@pytest.fixture
def no_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A console whose API is not there."""
    monkeypatch.setenv("MC_API_PORT", str(services.free_port()))
    _forget()
    yield
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    get_settings.cache_clear()
    clients.api_client.clear()
    st.cache_data.clear()


@pytest.fixture
def open_page() -> Open:
    """Open a page of the console by the name of its file, as somebody does who clicks on it."""

    def opened(page: str) -> AppTest:
        console = AppTest.from_file(ENTRY, default_timeout=HANG_SECONDS).run()
        if page != "agents":
            console.switch_page(f"app_pages/{page}.py").run()
        assert not console.exception
        return console

    return opened
