"""The relay: publishes what is in the outbox, in order; one process at a time does it."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from mission_control.core.lease_owners import is_dead_here, this_process
from mission_control.data.event_streams import EventStreams, WaitingEvent
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork

log = structlog.get_logger(__name__)

BATCH = 500
LEASE_SECONDS = 4.0
RENEW_SECONDS = 1.0
# A wake-up may be lost, and a holder may die: then this is how long an event waits at the most.
LOOK_AGAIN_SECONDS = 1.0
TRIM_SECONDS = 1.0
PAUSE_SECONDS = 0.5

LEASE_KEY = "mission-control:outbox-relay"
# Compare and set: the lease goes from one owner to another, or to nobody, but never past a third.
_HAND_OVER = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""


class RelayLease:
    """Says which process publishes. It spares work, and is no lock.

    Two that publish at once, because one was stopped for longer than its lease, do no harm: each
    begins with the oldest event that waits, and a stream refuses an id that it has passed.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._owner = this_process()
        self._held_until = 0.0

    async def take(self) -> bool:
        """Have the lease, or keep it. False while a living process holds it."""
        now = time.monotonic()
        if now < self._held_until - (LEASE_SECONDS - RENEW_SECONDS):
            return True
        taken = await self._redis.set(LEASE_KEY, self._owner, nx=True, px=_milliseconds())
        if not taken:
            holder = cast("str | None", await self._redis.get(LEASE_KEY))
            is_free = holder == self._owner or is_dead_here(holder)
            taken = is_free and await self._hand_over(holder or "", self._owner)
        self._held_until = now + LEASE_SECONDS if taken else 0.0
        return bool(taken)

    async def release(self) -> None:
        """Let another process take it at once."""
        if self._held_until:
            self._held_until = 0.0
            await self._hand_over(self._owner, "")

    async def _hand_over(self, holder: str, successor: str) -> bool:
        answer = self._redis.eval(_HAND_OVER, 1, LEASE_KEY, holder, successor, str(_milliseconds()))
        return bool(await answer)  # pyright: ignore[reportGeneralTypeIssues]


def _milliseconds() -> int:
    return int(LEASE_SECONDS * 1000)


class OutboxRelay:
    """Publishes to the streams what transactions have left in the outbox.

    An event is removed only after it was published. When the relay dies in between, the next one
    publishes it again under the same id, which its stream refuses.
    """

    def __init__(
        self, unit_of_work: Callable[..., UnitOfWork], streams: EventStreams, redis: Redis
    ) -> None:
        self._unit_of_work = unit_of_work
        self._streams = streams
        self._lease = RelayLease(redis)
        self._published = 0
        self._removed = 0
        self._trim_at = 0.0

    async def run(self) -> None:
        """Publish for ever, woken by each commit. A database or Redis that is away only delays."""
        try:
            while True:
                try:
                    await self._publish_when_woken()
                except (RedisError, TimeoutError, DatabaseUnavailableError) as error:
                    log.warning("outbox_relay_waits", reason=type(error).__name__)
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            with suppress(Exception):  # it runs out by itself
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._lease.release()

    async def _publish_when_woken(self) -> None:
        async with self._streams.wake_ups() as woken:
            while True:
                await self.publish_waiting()
                await woken(LOOK_AGAIN_SECONDS)

    async def run_once(self) -> None:
        """For a process that does not stay: publish what waits, unless another one does."""
        await self.publish_waiting()
        await self._remove_published()
        await self._lease.release()

    async def publish_waiting(self) -> int:
        """Publish what waits, if it is up to this process. Returns how many events that were."""
        if not await self._lease.take():
            self._published = self._removed = 0  # another one publishes, and removes
            return 0
        count = 0
        has_more = True
        while has_more:
            waiting = await self._next_batch()
            if waiting:
                await self._streams.append(waiting)
                self._published = waiting[-1].id
            count += len(waiting)
            has_more = len(waiting) == BATCH  # what is committed meanwhile wakes it again
        if time.monotonic() >= self._trim_at:
            await self._remove_published()
        return count

    async def _next_batch(self) -> list[WaitingEvent]:
        async with self._unit_of_work(readonly=True) as uow:
            rows = await uow.outbox.after(self._published, limit=BATCH)
        return [WaitingEvent(id=row.id, channel=row.channel, body=row.body) for row in rows]

    async def _remove_published(self) -> None:
        """Now and then, not after each event: on SQLite it takes the one write lock."""
        self._trim_at = time.monotonic() + TRIM_SECONDS
        if self._published == self._removed:
            return
        async with self._unit_of_work() as uow:
            await uow.outbox.remove_through(self._published)
        self._removed = self._published
