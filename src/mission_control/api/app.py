"""Builds the HTTP application."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version

from fastapi import Depends, FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from mission_control.api import document, problems
from mission_control.api.agent_import.router import router as agent_import_router
from mission_control.api.agents.router import router as agents_router
from mission_control.api.calls.router import router as calls_router
from mission_control.api.deployments.router import router as deployments_router
from mission_control.api.drift.router import router as drift_router
from mission_control.api.evaluate.router import router as evaluate_router
from mission_control.api.execute.router import router as execute_router
from mission_control.api.job_kinds import work_of
from mission_control.api.jobs.router import router as jobs_router
from mission_control.api.leads.router import router as leads_router
from mission_control.api.memory.router import router as memory_router
from mission_control.api.optimize.router import router as optimize_router
from mission_control.api.realtime import Hub
from mission_control.api.realtime import router as realtime_router
from mission_control.api.requests import well_formed
from mission_control.api.resources import Resources, build_resources
from mission_control.api.sync.router import router as sync_router
from mission_control.api.system.router import router as system_router
from mission_control.api.test_split.router import router as test_split_router
from mission_control.api.webhooks.batching import MessageBatch
from mission_control.api.webhooks.router import router as webhooks_router
from mission_control.core.logging import configure_logging
from mission_control.core.settings import Settings, get_settings
from mission_control.core.tasks import end

MAX_BODY_BYTES = 8 << 20  # a playbook may have 1 MiB; what is a little larger gets a better answer

# Connecting loads the MCP SDK, 0.8 s of work that the first requests should not share.
MEMORY_SECONDS = 2.0

DESCRIPTION = """See, evaluate, optimize, deploy and roll back the agents of a company.

Long work answers `202` with a job; its progress comes over `/ws/optimize/{agent_id}` and
`/ws/evaluate/{agent_id}`. Refusals are `application/problem+json` (RFC 9457) with a stable `code`.
"""


def create_app(resources: Resources | None = None) -> FastAPI:
    """The API; `resources` are built from the settings unless they are given."""
    settings = resources.settings if resources is not None else get_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        opened = resources or build_resources(settings)
        app.state.resources = opened
        app.state.hub = Hub(opened.streams)
        app.state.message_batch = MessageBatch(opened)
        reading = asyncio.ensure_future(app.state.hub.run())
        relaying = asyncio.ensure_future(opened.relay.run())
        warming = asyncio.ensure_future(_warm_up(opened))
        try:
            yield
        finally:
            await end(reading, relaying, warming)
            if resources is None:
                await opened.aclose()

    app = _Api(
        title="Mission Control",
        version=version("mission-control"),
        description=DESCRIPTION,
        lifespan=lifespan,
        max_body_size=MAX_BODY_BYTES,
        redirect_slashes=False,  # a `Location` built from `Host` is wrong behind any proxy
    )
    app.state.work_of = work_of
    app.add_middleware(_KnownHosts, ours=_hosts(settings), public=settings.mc_public_host)
    problems.install(app)
    for router in (
        agent_import_router,  # before an agent's own addresses
        agents_router,
        evaluate_router,
        optimize_router,
        execute_router,
        deployments_router,
        drift_router,
        calls_router,
        leads_router,
        memory_router,
        jobs_router,
        system_router,
        sync_router,
        test_split_router,
    ):
        app.include_router(router, dependencies=[Depends(well_formed)])
    # Vendors call these as they like, at addresses that an operator may have added to.
    app.include_router(webhooks_router)
    app.include_router(realtime_router)
    document.install(app)
    return app


async def _warm_up(resources: Resources) -> None:
    """Start what is slow behind the first requests' back, so that none of them waits for it."""
    with suppress(Exception):  # whoever needs it will be told what is wrong
        await resources.superoptix.warm_up()
    await asyncio.sleep(MEMORY_SECONDS)
    resources.memory.connect()


class _Api(FastAPI):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # FastAPI's own limit holds for what says nothing of its length; to what does, it would
        # answer in plain text.
        if scope["type"] == "http" and _declared_length(scope) > MAX_BODY_BYTES:
            await problems.too_large()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    written = Headers(scope=scope).get("content-length", "")
    return int(written) if re.fullmatch(r"[0-9]{1,18}", written) else 0


class _KnownHosts:
    """Our own names for everything. A public name for webhooks alone: only they prove who asks."""

    def __init__(self, app: ASGIApp, *, ours: list[str], public: str | None) -> None:
        self._app = app
        self._ours = frozenset(ours)
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"} and not self._is_known(scope):
            await problems.host_unknown()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        if "*" in self._ours:
            return True
        name = _without_port(Headers(scope=scope).get("host", "")).lower()
        is_webhook = scope["type"] == "http" and scope["path"].startswith("/webhooks/")
        return name in self._ours or (is_webhook and name == self._public)


def _without_port(host: str) -> str:
    return re.sub(r":[0-9]*$", "", host)


def _hosts(settings: Settings) -> list[str]:
    """Only our own names: a page elsewhere must not reach us through a name of its own."""
    if settings.mc_host in {"0.0.0.0", "::"}:  # noqa: S104  # told to listen everywhere
        return ["*"]
    return ["127.0.0.1", "localhost", "[::1]", settings.mc_host]


def application() -> FastAPI:
    """Entry point of `uvicorn --factory`."""
    configure_logging(get_settings().mc_log_level)
    return create_app()
