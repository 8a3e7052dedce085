"""The last good answer of each memory server, so that a dead one is not taken for an empty one."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from pydantic import JsonValue, TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mission_control.core.clock import utc_now
from mission_control.integrations.memory.items import ConversationHit, Item, Memory

log = structlog.get_logger(__name__)

LIFE_SECONDS = 30 * 24 * 3600
# The embedded Redis has a quarter of a gigabyte for everything.
MOST_BYTES = 1 << 20
PATIENCE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a server held at a time. `more`: it held more than is kept here."""

    at: datetime
    items: tuple[Item, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class _Kept:
    at: datetime
    memories: tuple[Memory, ...]
    conversations: tuple[ConversationHit, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class StatsSnapshot:
    at: datetime
    stats: JsonValue


_KEPT, _STATS = TypeAdapter(_Kept), TypeAdapter(StatsSnapshot)
_MEMORY, _CONVERSATION = TypeAdapter(Memory), TypeAdapter(ConversationHit)


class MemorySnapshots:
    """Best effort: without Redis there are none, and nothing else is held up by that."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def keep(self, server: str, items: Sequence[Item], *, more: bool) -> None:
        """The newest items first, as many as there is room for; the servers' own items are left out."""
        newest = sorted(items, key=_moment, reverse=True)
        kept = list(_that_fit(replace(each, raw=None) for each in newest))
        snapshot = _Kept(
            at=utc_now(),
            memories=tuple(each for each in kept if isinstance(each, Memory)),
            conversations=tuple(each for each in kept if isinstance(each, ConversationHit)),
            more=more or len(kept) < len(items),
        )
        await self._write(_key(server, "list"), _KEPT.dump_json(snapshot))

    async def last(self, server: str) -> Snapshot | None:
        body = await self._read(_key(server, "list"))
        try:
            kept = _KEPT.validate_json(body) if body else None
        except ValidationError:  # of an older version of ours
            return None
        if kept is None:
            return None
        return Snapshot(kept.at, (*kept.memories, *kept.conversations), kept.more)

    async def keep_stats(self, server: str, stats: JsonValue) -> None:
        body = _STATS.dump_json(StatsSnapshot(utc_now(), stats))
        if len(body) <= MOST_BYTES:
            await self._write(_key(server, "stats"), body)

    async def last_stats(self, server: str) -> StatsSnapshot | None:
        body = await self._read(_key(server, "stats"))
        try:
            return _STATS.validate_json(body) if body else None
        except ValidationError:  # of an older version of ours
            return None

    async def _write(self, key: str, body: bytes) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._redis.set(key, body, ex=LIFE_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("memory_snapshot_not_kept", reason=type(error).__name__)

    async def _read(self, key: str) -> str | bytes | None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._redis.get(key)
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("memory_snapshot_not_read", reason=type(error).__name__)
            return None


def _key(server: str, operation: str) -> str:
    return f"mission-control:memory:{server}:{operation}"


def _moment(item: Item) -> float:
    return item.happened_at.timestamp() if item.happened_at is not None else 0.0


def _that_fit(items: Iterable[Item]) -> Iterable[Item]:
    room = MOST_BYTES
    for each in items:
        is_memory = isinstance(each, Memory)
        room -= len(_MEMORY.dump_json(each) if is_memory else _CONVERSATION.dump_json(each))
        if room < 0:
            return
        yield each
