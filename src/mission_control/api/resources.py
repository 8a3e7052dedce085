"""What lives as long as the process: database, Redis, and the clients of the outside world."""

import os
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from mission_control.core.encryption import Vault
from mission_control.core.settings import Settings, get_settings
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.event_streams import EventStreams, open_redis
from mission_control.data.outbox_relay import OutboxRelay
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close_client import CloseClient, open_close
from mission_control.integrations.memory.config.reading import load_configuration
from mission_control.integrations.memory_manager import MemoryManager
from mission_control.integrations.superoptix.model_probe import ModelProbe, open_model_probe
from mission_control.integrations.superoptix_client import SuperOptiXClient, open_superoptix
from mission_control.integrations.vapi_client import VAPIClient, open_vapi

if TYPE_CHECKING:
    from mcp.server import MCPServer


@dataclass(frozen=True, kw_only=True)
class Resources:
    settings: Settings
    engine: AsyncEngine
    sessions: "async_sessionmaker[AsyncSession]"
    redis: Redis
    streams: EventStreams
    relay: OutboxRelay
    superoptix: SuperOptiXClient
    vapi: VAPIClient
    close: CloseClient
    memory: MemoryManager
    model_probe: ModelProbe
    vault: Vault

    def unit_of_work(self, *, readonly: bool = False) -> UnitOfWork:
        return UnitOfWork(self.sessions, wake_relay=self.streams.wake_relay, readonly=readonly)

    async def aclose(self) -> None:
        await self.superoptix.aclose()
        await self.vapi.aclose()
        await self.close.aclose()
        await self.memory.aclose()
        await self.model_probe.aclose()
        await self.redis.aclose()
        await self.engine.dispose()


def build_resources(settings: Settings) -> Resources:
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(settings.database)
    redis = open_redis(settings.redis)
    streams = EventStreams(redis)
    sessions = create_sessions(engine)
    return Resources(
        settings=settings,
        engine=engine,
        sessions=sessions,
        redis=redis,
        streams=streams,
        relay=OutboxRelay(partial(UnitOfWork, sessions), streams, redis),
        superoptix=open_superoptix(settings),
        vapi=open_vapi(settings.vapi_url, settings.vapi_key),
        close=open_close(settings.close_url, settings.close_key),
        memory=_open_memory(settings, sessions, streams),
        model_probe=open_model_probe(settings.model_base_url, settings.openai_api_key),
        vault=Vault.open(settings),
    )


def _open_memory(
    settings: Settings, sessions: "async_sessionmaker[AsyncSession]", streams: EventStreams
) -> MemoryManager:
    """Nothing is connected yet: that loads the MCP SDK, which takes the better part of a second."""

    def unit_of_work(*, readonly: bool = False) -> UnitOfWork:
        return UnitOfWork(sessions, wake_relay=streams.wake_relay, readonly=readonly)

    def temporal() -> "MCPServer":
        from mission_control.memory_servers.temporal.server import build_temporal_server  # noqa: PLC0415

        return build_temporal_server(unit_of_work)

    def hybrid() -> "MCPServer":
        from mission_control.memory_servers.hybrid.embedding import open_embedder  # noqa: PLC0415
        from mission_control.memory_servers.hybrid.server import build_hybrid_server  # noqa: PLC0415

        return build_hybrid_server(
            unit_of_work,
            embedder=open_embedder(settings),
            weights=settings.mc_search_weights,
            k=settings.mc_search_k,
        )

    return MemoryManager(
        load_configuration(settings.memory_config),
        embedded={"temporal-memory": temporal, "hybrid-intelligence": hybrid},
    )


_open: tuple[int, Resources] | None = None


async def open_resources() -> Resources:
    """This process's own, made on first use: a fork must not share its parent's connections."""
    global _open  # noqa: PLW0603
    if _open is None or _open[0] != os.getpid():
        _open = (os.getpid(), build_resources(get_settings()))
    return _open[1]
