"""Redis Streams that live events travel on: one stream per channel, replayable by id."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from mission_control.core.events import Event

STREAM_LENGTH = 5_000
STREAM_LIFE_SECONDS = 7 * 24 * 3600
FIRST_ID = "0-0"
# Long enough for a restart of Redis; the work that publishes must not hang with one that hangs.
PUBLISH_SECONDS = 20.0
# A read that was answered by nobody: the connection is dead, though nobody has closed it.
SILENCE_SECONDS = 30.0


@dataclass(frozen=True)
class StoredEvent:
    """An event as the stream holds it: its id, and the envelope as JSON without it."""

    id: str
    body: str


def stream_key(channel: str) -> str:
    return f"mission-control:events:{channel}"


def id_order(stream_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = stream_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def open_redis(url: str) -> "Redis":
    """A client that sits out a restart of the server (about 15 s) before it gives up."""
    return Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        decode_responses=True,
        retry=Retry(ExponentialBackoff(cap=2.0, base=0.05), retries=12),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        health_check_interval=15,
    )


class EventStreams:
    """Writes and reads the streams. Implements `core.events.EventBus`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, events: list[Event]) -> None:
        async with asyncio.timeout(PUBLISH_SECONDS):
            await self._append(events)

    async def _append(self, events: list[Event]) -> None:
        for channel in dict.fromkeys(event.channel for event in events):
            key = stream_key(channel)
            async with self._redis.pipeline(transaction=True) as pipeline:
                for event in events:
                    if event.channel == channel:
                        body = event.model_dump_json(exclude={"channel"})
                        pipeline.xadd(key, {"body": body}, maxlen=STREAM_LENGTH, approximate=True)
                pipeline.expire(key, STREAM_LIFE_SECONDS)
                await pipeline.execute()

    async def ping(self) -> None:
        """Raise unless the server answers."""
        await self._redis.xlen(stream_key("ping"))

    async def last_id(self, channel: str) -> str:
        """The id of the newest event; `0-0` for a stream that has none."""
        newest = _rows(await self._redis.xrevrange(stream_key(channel), count=1))
        return newest[0].id if newest else FIRST_ID

    async def is_complete_after(self, channel: str, after: str) -> bool:
        """False when events behind `after` may have been trimmed away."""
        key = stream_key(channel)
        if not await self._redis.exists(key):
            return after == FIRST_ID
        stream = await self._redis.xinfo_stream(key)
        if stream["entries-added"] == stream["length"]:
            return True
        oldest = _rows(await self._redis.xrange(key, count=1))
        return bool(oldest) and id_order(after) >= id_order(oldest[0].id)

    async def replay(self, channel: str, *, after: str, limit: int = 1_000) -> list[StoredEvent]:
        return _rows(await self._redis.xrange(stream_key(channel), min=f"({after}", count=limit))

    async def wait(
        self, positions: dict[str, str], *, block_ms: int
    ) -> list[tuple[str, StoredEvent]]:
        """Events behind `positions` (channel → last id seen), waiting up to `block_ms`."""
        channels = {stream_key(channel): channel for channel in positions}
        seen: dict[Any, Any] = {stream_key(channel): last for channel, last in positions.items()}
        async with asyncio.timeout(SILENCE_SECONDS):
            found = await self._redis.xread(seen, count=500, block=block_ms)
        streams = cast("list[tuple[str, Any]]", found or [])
        return [(channels[key], event) for key, rows in streams for event in _rows(rows)]


def _rows(answer: Any) -> list[StoredEvent]:
    rows = cast("list[tuple[str, dict[str, str]]]", answer or [])
    return [StoredEvent(id=row_id, body=fields["body"]) for row_id, fields in rows]
