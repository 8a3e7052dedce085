"""The relay by itself: what it takes out of the outbox, when it asks for its lease, what it survives."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from mission_control.core.events import Event
from mission_control.core.lease_owners import this_host
from mission_control.core.tasks import end
from mission_control.data import outbox_relay
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.event_streams import FIRST_ID, EventStreams, open_redis
from mission_control.data.outbox_relay import (
    LEASE_KEY,
    LEASE_SECONDS,
    RENEW_SECONDS,
    OutboxRelay,
    RelayLease,
)
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork
from tests.builders import Happened
from tests.services import HANG_SECONDS

Unit = Callable[..., UnitOfWork]


@pytest.fixture
async def unit(sqlite_url: str) -> AsyncIterator[Unit]:
    engine = create_engine(sqlite_url)
    yield partial(UnitOfWork, create_sessions(engine))
    await engine.dispose()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = open_redis(redis_url)
    yield redis
    await redis.aclose()


@pytest.fixture
def streams(redis: Redis) -> EventStreams:
    return EventStreams(redis)


@pytest.fixture
def relay(unit: Unit, streams: EventStreams, redis: Redis) -> OutboxRelay:
    return OutboxRelay(unit, streams, redis)


async def publish(unit: Unit, *numbers: int) -> None:
    async with unit() as uow:
        for number in numbers:
            uow.publish(Event(channel="test", agent_id="ada", data=Happened(number=number)))


async def published(streams: EventStreams) -> list[int]:
    events = await streams.replay("test", after=FIRST_ID, limit=100)
    return [json.loads(event.body)["data"]["number"] for event in events]


async def waiting(unit: Unit) -> list[int]:
    async with unit(readonly=True) as uow:
        rows = await uow.outbox.after(0, limit=100)
    return [json.loads(row.body)["data"]["number"] for row in rows]


class TestOutbox:
    async def test_gives_what_is_behind_an_id_in_order_and_no_more_than_is_asked_for(
        self, unit: Unit
    ) -> None:
        await publish(unit, 1, 2, 3, 4)
        async with unit(readonly=True) as uow:
            ids = [row.id for row in await uow.outbox.after(0, limit=100)]
            assert ids == sorted(set(ids))
            assert [row.id for row in await uow.outbox.after(ids[0], limit=2)] == ids[1:3]
            assert list(await uow.outbox.after(ids[-1], limit=2)) == []

    async def test_forgets_what_is_published_and_nothing_behind_it(self, unit: Unit) -> None:
        await publish(unit, 1, 2, 3)
        async with unit() as uow:
            second = (await uow.outbox.after(0, limit=2))[-1].id
            await uow.outbox.remove_through(second)
        assert await waiting(unit) == [3]

    async def test_ids_go_on_without_a_gap_in_a_transaction_and_with_the_time(
        self, unit: Unit
    ) -> None:
        before = time.time() * 1_000_000
        await publish(unit, 1, 2, 3)
        async with unit(readonly=True) as uow:
            first, second, third = (row.id for row in await uow.outbox.after(0, limit=3))
        assert (second, third) == (first + 1, first + 2)
        assert before - 2 <= first <= time.time() * 1_000_000

    async def test_an_event_is_told_whole(self, unit: Unit, streams: EventStreams) -> None:
        await publish(unit, 7)
        async with unit(readonly=True) as uow:
            [row] = await uow.outbox.after(0, limit=1)
        told = json.loads(row.body)
        assert (row.channel, told["type"], told["agent_id"]) == ("test", "test.happened", "ada")
        assert told["data"]["number"] == 7

    async def test_the_last_id_is_that_of_the_newest_event_or_nothing(self, unit: Unit) -> None:
        async with unit(readonly=True) as uow:
            assert await uow.outbox.last_id() == 0
        await publish(unit, 1, 2)
        async with unit(readonly=True) as uow:
            ids = [row.id for row in await uow.outbox.after(0, limit=2)]
            assert await uow.outbox.last_id() == ids[-1]


class TestPublishing:
    @pytest.mark.parametrize("count", [0, 1, 2, 4, 5])
    async def test_says_how_many_it_published_however_many_wait(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay, count: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(outbox_relay, "BATCH", 2)
        await publish(unit, *range(count))
        assert await relay.publish_waiting() == count
        assert await published(streams) == [*range(count)]
        assert await relay.publish_waiting() == 0

    async def test_what_is_published_is_removed_now_and_then(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        """Not after each event, for on SQLite that takes the one write lock."""
        monkeypatch.setattr(outbox_relay, "TRIM_SECONDS", HANG_SECONDS)
        await publish(unit, 1)
        await relay.publish_waiting()
        assert await waiting(unit) == []
        await publish(unit, 2)
        await relay.publish_waiting()
        assert (await published(streams), await waiting(unit)) == ([1, 2], [2])
        monkeypatch.setattr(relay, "_trim_at", 0.0)
        await relay.publish_waiting()
        assert await waiting(unit) == []

    async def test_nothing_is_written_where_nothing_was_published(
        self, unit: Unit, streams: EventStreams, redis: Redis
    ) -> None:
        writes: list[dict[str, Any]] = []

        def counted(**options: Any) -> UnitOfWork:
            if not options.get("readonly"):
                writes.append(options)
            return unit(**options)

        relay = OutboxRelay(counted, streams, redis)
        await relay.run_once()
        assert writes == []
        await publish(unit, 1)
        await relay.run_once()
        await relay.run_once()
        assert len(writes) == 1

    async def test_it_does_not_wait_for_who_is_writing(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay
    ) -> None:
        await publish(unit, 1)
        relay._trim_at = time.monotonic() + HANG_SECONDS  # pyright: ignore[reportPrivateUsage]
        async with unit() as uow:
            await uow.outbox.remove_through(0)  # SQLite has one writer at a time, and this is it
            async with asyncio.timeout(HANG_SECONDS):
                assert await relay.publish_waiting() == 1


class TestTakingTurns:
    async def test_who_stood_aside_publishes_what_waits_once_it_is_its_turn(
        self, unit: Unit, streams: EventStreams, redis: Redis
    ) -> None:
        first, second = (OutboxRelay(unit, streams, redis) for _ in range(2))
        await publish(unit, 1)
        assert await first.publish_waiting() == 1
        assert await second.publish_waiting() == 0
        await first.run_once()  # it ends, and lets go
        await publish(unit, 2)
        assert await second.publish_waiting() == 1
        assert await first.publish_waiting() == 0
        await second.run_once()
        await publish(unit, 3)
        assert await first.publish_waiting() == 1
        assert await published(streams) == [1, 2, 3]

    async def test_what_another_one_left_is_published_again_and_shown_once(
        self, unit: Unit, streams: EventStreams, redis: Redis
    ) -> None:
        """It may have died before it removed that; the stream refuses what it has."""
        first, second = (OutboxRelay(unit, streams, redis) for _ in range(2))
        assert await first.publish_waiting() == 0  # from now on it holds the lease
        await publish(unit, 1)
        assert await first.publish_waiting() == 1
        assert await waiting(unit) == [1]
        await redis.delete(LEASE_KEY)
        assert await second.publish_waiting() == 1
        assert (await published(streams), await waiting(unit)) == ([1], [])


class TestLease:
    async def test_lasts_longer_than_its_holder_needs_to_renew_it(self, redis: Redis) -> None:
        lease = RelayLease(redis)
        assert await lease.take() is True
        assert RENEW_SECONDS * 1_000 < await redis.pttl(LEASE_KEY) <= LEASE_SECONDS * 1_000

    async def test_is_not_asked_for_again_before_that(self, redis: Redis) -> None:
        lease = RelayLease(redis)
        await lease.take()
        await redis.delete(LEASE_KEY)
        assert await lease.take() is True
        assert await redis.get(LEASE_KEY) is None

    async def test_is_renewed_in_time(self, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
        lease = RelayLease(redis)
        await lease.take()
        await redis.pexpire(LEASE_KEY, 2_500)
        later = time.monotonic() + RENEW_SECONDS + 0.1
        monkeypatch.setattr(outbox_relay.time, "monotonic", lambda: later)
        assert await lease.take() is True
        assert await redis.pttl(LEASE_KEY) > 2_500

    async def test_of_a_process_that_lives_is_left_to_it(self, redis: Redis) -> None:
        assert await RelayLease(redis).take()
        held = await redis.get(LEASE_KEY)
        lease = RelayLease(redis)
        assert await lease.take() is False
        await lease.release()
        assert await redis.get(LEASE_KEY) == held

    async def test_taken_over_is_as_good_as_new(self, redis: Redis) -> None:
        await redis.set(LEASE_KEY, f"{this_host()}:999999:x")
        lease = RelayLease(redis)
        assert await lease.take() is True
        assert str(await redis.get(LEASE_KEY)).startswith(f"{this_host()}:")
        assert 0 < await redis.pttl(LEASE_KEY) <= LEASE_SECONDS * 1_000
        await lease.release()
        assert await redis.get(LEASE_KEY) is None

    async def test_once_lost_is_asked_for_each_time(self, redis: Redis) -> None:
        lease = RelayLease(redis)
        await redis.set(LEASE_KEY, "elsewhere/1:1:x")
        assert await lease.take() is False
        assert await lease.take() is False
        await redis.delete(LEASE_KEY)
        assert await lease.take() is True


class TestRunning:
    @pytest.mark.parametrize(
        "trouble",
        [RedisConnectionError("away"), TimeoutError(), DatabaseUnavailableError("It is away.")],
    )
    async def test_goes_on_when_redis_or_the_database_is_back(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay, trouble: Exception,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr(outbox_relay, "PAUSE_SECONDS", 0.01)
        troubles = [trouble, trouble]
        next_batch = relay._next_batch  # pyright: ignore[reportPrivateUsage]

        async def with_trouble() -> Any:
            if troubles:
                raise troubles.pop()
            return await next_batch()

        monkeypatch.setattr(relay, "_next_batch", with_trouble)
        await publish(unit, 1)
        running = asyncio.ensure_future(relay.run())
        try:
            async with asyncio.timeout(HANG_SECONDS):
                while await published(streams) != [1]:
                    await asyncio.sleep(0.01)
        finally:
            await end(running)

    async def test_ends_at_once_although_redis_hangs(
        self, relay: OutboxRelay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outbox_relay, "PAUSE_SECONDS", 0.01)
        begun = asyncio.Event()

        async def hang() -> None:
            await asyncio.Event().wait()

        async def begin() -> None:
            begun.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(relay, "_publish_when_woken", begin)
        monkeypatch.setattr(relay._lease, "release", hang)  # pyright: ignore[reportPrivateUsage]
        running = asyncio.ensure_future(relay.run())
        await begun.wait()
        async with asyncio.timeout(HANG_SECONDS):
            await end(running)
