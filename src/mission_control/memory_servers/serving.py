"""One memory server as a process of its own: over stdio, or over HTTP on this machine."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import structlog

from mission_control.core.errors import MissionControlError
from mission_control.core.settings import Settings
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.migrate import upgrade
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork
from mission_control.memory_servers.hybrid.embedding import open_embedder
from mission_control.memory_servers.hybrid.server import build_hybrid_server
from mission_control.memory_servers.temporal.server import build_temporal_server
from mission_control.memory_servers.units import UnitsOfWork

if TYPE_CHECKING:
    from mcp.server import MCPServer

log = structlog.get_logger(__name__)

MemoryName = Literal["temporal", "hybrid"]
NAMES: tuple[MemoryName, ...] = get_args(MemoryName)
HOST = "127.0.0.1"


def serve(name: MemoryName, settings: Settings, *, port: int | None = None) -> None:
    """Run until the client leaves (stdio), or until a signal (HTTP, at `http://127.0.0.1:port/mcp`).

    The database is brought to the newest schema first.

    Raises:
        DatabaseUnavailableError: It cannot be reached, or not be brought up to date.
    """
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _bring_up_to_date(settings)
    asyncio.run(_serve(name, settings, port))


@asynccontextmanager
async def open_units(settings: Settings) -> AsyncGenerator[UnitsOfWork]:
    """Transactions over the configured database, with no console to tell of them."""
    engine = create_engine(settings.database)
    try:
        yield partial(UnitOfWork, create_sessions(engine))
    finally:
        await engine.dispose()


def _bring_up_to_date(settings: Settings) -> None:
    try:
        upgrade(settings.database)
    except MissionControlError:
        raise
    except Exception as exc:  # only the data layer knows what its drivers raise
        raise DatabaseUnavailableError(
            f"The database cannot be brought up to date ({type(exc).__name__}); what was not finished "
            "was undone. Check that it is reachable and that DATABASE_URL is right."
        ) from exc


async def _serve(name: MemoryName, settings: Settings, port: int | None) -> None:
    async with open_units(settings) as units, _open_server(name, settings, units) as server:
        if port is None:
            log.info("memory_server_started", server=server.name, transport="stdio")
            await server.run_stdio_async()
        else:
            log.info("memory_server_started", server=server.name, transport="http", port=port)
            await _serve_http(server, port)


@asynccontextmanager
async def _open_server(
    name: MemoryName, settings: Settings, units: UnitsOfWork
) -> "AsyncGenerator[MCPServer]":
    if name == "temporal":
        yield build_temporal_server(units)
        return
    embedder = open_embedder(settings)
    try:
        yield build_hybrid_server(
            units,
            embedder=embedder,
            weights=settings.mc_search_weights,
            k=settings.mc_search_k,
        )
    finally:
        if embedder is not None:
            await embedder.aclose()


async def _serve_http(server: "MCPServer", port: int) -> None:
    import uvicorn  # noqa: PLC0415  # a server over stdio needs none

    app = server.streamable_http_app(host=HOST, json_response=True)
    config = uvicorn.Config(
        app, host=HOST, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=3
    )
    await uvicorn.Server(config).serve()
