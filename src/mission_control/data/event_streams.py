"""Redis Streams that live events travel on: one stream per channel, replayable by id."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

log = structlog.get_logger(__name__)

STREAM_LENGTH = 5_000
STREAM_LIFE_SECONDS = 7 * 24 * 3600
FIRST_ID = "0-0"
WAKE_CHANNEL = "mission-control:outbox"
# The relay looks by itself soon after; whoever has committed must not hang with a Redis that hangs.
WAKE_SECONDS = 0.5
# What a stream answers that is given an id again, or one that it has passed.
REPEATED = "equal or smaller than the target stream top item"
# A read that was answered by nobody: the connection is dead, though nobody has closed it.
SILENCE_SECONDS = 30.0
MOST_CONNECTIONS = 50  # of one process


@dataclass(frozen=True)
class StoredEvent:
    """An event as the stream holds it: its id, and the envelope as JSON without it."""

    id: str
    body: str


@dataclass(frozen=True)
class WaitingEvent:
    """An event on its way to the stream of its channel, where `<id>-0` becomes its id."""

    id: int
    channel: str
    body: str


def stream_key(channel: str) -> str:
    return f"mission-control:events:{channel}"


def id_order(stream_id: str) -> tuple[int, int]:
    milliseconds, _, sequence = stream_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def open_redis(url: str) -> "Redis":
    """A client that sits out a restart of the server (about 15 s) before it gives up.

    Who finds all connections in use waits for one: a few hundred viewers may come at once.
    """
    pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        max_connections=MOST_CONNECTIONS,
        timeout=SILENCE_SECONDS,
        decode_responses=True,
        retry=Retry(ExponentialBackoff(cap=2.0, base=0.05), retries=12),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        health_check_interval=15,
    )
    return Redis.from_pool(pool)


class EventStreams:
    """Writes and reads the streams, and wakes who writes them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def append(self, events: Sequence[WaitingEvent]) -> None:
        """Append all of them in order, or none. What a stream has already, it does not take again.

        So it is safe to repeat, also when it is not known whether it happened. Within a channel,
        ids must rise from one call to the next.
        """
        async with self._redis.pipeline(transaction=True) as pipeline:
            for event in events:
                pipeline.xadd(
                    stream_key(event.channel), {"body": event.body}, id=f"{event.id}-0",
                    maxlen=STREAM_LENGTH, approximate=True,
                )  # fmt: skip
            for channel in {event.channel for event in events}:
                pipeline.expire(stream_key(channel), STREAM_LIFE_SECONDS)
            answers = await pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, Exception) and REPEATED not in str(answer):
                raise answer

    async def wake_relay(self) -> None:
        """Say that there is something to publish. It may get lost: the relay looks by itself too."""
        try:
            async with asyncio.timeout(WAKE_SECONDS):
                await self._redis.publish(WAKE_CHANNEL, "")  # pyright: ignore[reportUnknownMemberType]
        except (RedisError, TimeoutError) as error:
            log.info("relay_not_woken", reason=type(error).__name__)

    @asynccontextmanager
    async def wake_ups(self) -> AsyncGenerator[Callable[[float], Awaitable[None]]]:
        """Gives a function that waits, at most so many seconds, until somebody has something."""
        pubsub: Any = self._redis.pubsub(ignore_subscribe_messages=True)  # pyright: ignore[reportUnknownMemberType]
        async with pubsub as listener:
            await listener.subscribe(WAKE_CHANNEL)

            async def woken(seconds: float) -> None:
                message = await listener.get_message(timeout=seconds)
                while message is not None:  # one look serves all who have called meanwhile
                    message = await listener.get_message(timeout=0)

            yield woken

    async def ping(self) -> None:
        """Raise unless the server answers."""
        await self._redis.xlen(stream_key("ping"))

    async def last_id(self, channel: str) -> str:
        """The id of the newest event; `0-0` for a stream that has none."""
        newest = _rows(await self._redis.xrevrange(stream_key(channel), count=1))
        return newest[0].id if newest else FIRST_ID

    async def is_complete_after(self, channel: str, after: str) -> bool:
        """False when events behind `after` may be gone: trimmed, or with a Redis that was emptied."""
        key = stream_key(channel)
        if not await self._redis.exists(key):
            return after == FIRST_ID
        if after == FIRST_ID:
            stream = await self._redis.xinfo_stream(key)
            return bool(stream["entries-added"] == stream["length"])
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
