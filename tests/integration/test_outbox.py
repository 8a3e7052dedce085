"""Each event once and in order, whatever dies between the commit and the stream."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from sqlalchemy import delete
from structlog.testing import capture_logs

from mission_control.core.clock import utc_now
from mission_control.core.events import Event
from mission_control.core.lease_owners import this_host
from mission_control.core.tasks import end
from mission_control.data import event_streams
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.event_streams import FIRST_ID, EventStreams, WaitingEvent, open_redis
from mission_control.data.outbox import OutboxClock
from mission_control.data.outbox_relay import LEASE_KEY, OutboxRelay, RelayLease
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import Happened, a_waiting_event
from tests.services import HANG_SECONDS

Unit = Callable[..., UnitOfWork]
TOGETHER = 12


@pytest.fixture
async def unit(database_url: str) -> AsyncIterator[Unit]:
    engine = create_engine(database_url)
    yield partial(UnitOfWork, create_sessions(engine))
    await engine.dispose()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = open_redis(redis_url)
    await redis.delete(LEASE_KEY)
    yield redis
    await redis.aclose()


@pytest.fixture
def streams(redis: Redis) -> EventStreams:
    return EventStreams(redis)


@pytest.fixture
def relay(unit: Unit, streams: EventStreams, redis: Redis) -> OutboxRelay:
    return OutboxRelay(unit, streams, redis)


async def publish(unit: Unit, *numbers: int, channel: str = "test") -> None:
    async with unit() as uow:
        for number in numbers:
            uow.publish(Event(channel=channel, data=Happened(number=number)))


async def published(streams: EventStreams, channel: str = "test") -> list[int]:
    events = await streams.replay(channel, after=FIRST_ID, limit=5_000)
    return [json.loads(event.body)["data"]["number"] for event in events]


async def waiting(unit: Unit) -> int:
    async with unit(readonly=True) as uow:
        return len(await uow.outbox.after(0, limit=5_000))


async def killed(moment: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.killed_publishers", moment, *arguments
    )
    assert await process.wait() == -signal.SIGKILL


class TestKilled:
    async def test_between_the_commit_and_the_publishing(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay, database_url: str,
        redis_url: str,
    ) -> None:  # fmt: skip
        await killed("before_publishing", database_url, redis_url, "3")
        assert await published(streams) == []
        assert await waiting(unit) == 3
        await relay.run_once()
        assert await published(streams) == [0, 1, 2]
        assert await waiting(unit) == 0

    async def test_between_the_publishing_and_the_removing(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay, database_url: str,
        redis_url: str,
    ) -> None:  # fmt: skip
        await publish(unit, 0, 1, 2)
        await killed("before_removing", database_url, redis_url, "0")
        assert await published(streams) == [0, 1, 2]
        assert await waiting(unit) == 3
        await publish(unit, 3)
        await relay.run_once()  # at once: the holder of the lease is known to be gone
        assert await published(streams) == [0, 1, 2, 3]
        assert await waiting(unit) == 0

    async def test_again_and_again(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay, database_url: str,
        redis_url: str,
    ) -> None:  # fmt: skip
        for first in range(0, 9, 3):
            await publish(unit, first, first + 1, first + 2)
            await killed("before_removing", database_url, redis_url, "0")
        assert await published(streams) == [*range(9)]
        await relay.run_once()
        assert await published(streams) == [*range(9)]


class TestOrder:
    async def test_is_that_of_the_commits_also_when_many_commit_at_once(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay
    ) -> None:
        """Read meanwhile, as a relay does: an id that appears late would be too late."""
        seen: list[int] = []

        async def look() -> None:
            while True:
                async with unit(readonly=True) as uow:
                    found = [each.id for each in await uow.outbox.after(0, limit=5_000)]
                assert found[: len(seen)] == seen, "one came before another that was seen already"
                seen[:] = found

        looking = asyncio.ensure_future(look())
        await asyncio.gather(*(publish(unit, n, n + 100) for n in range(TOGETHER)))
        await asyncio.sleep(0)
        assert not looking.done() or looking.exception() is None
        await end(looking)
        await relay.run_once()
        numbers = await published(streams)
        assert sorted(numbers) == sorted([*range(TOGETHER), *range(100, 100 + TOGETHER)])
        for number in range(TOGETHER):
            assert numbers[numbers.index(number) + 1] == number + 100

    async def test_a_clock_that_is_set_back_does_not_turn_it_round(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay
    ) -> None:
        ahead = int(utc_now().timestamp() * 1_000_000) + 3_600_000_000
        async with unit() as uow:
            session = uow.outbox._session  # pyright: ignore[reportPrivateUsage]
            await session.execute(delete(OutboxClock))
            session.add(OutboxClock(id=1, last_event_id=ahead))
        await publish(unit, 1, 2)
        await publish(unit, 3)
        async with unit(readonly=True) as uow:
            assert [each.id - ahead for each in await uow.outbox.after(0, limit=9)] == [1, 2, 3]
        await relay.run_once()
        assert await published(streams) == [1, 2, 3]

    async def test_more_than_one_batch(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay
    ) -> None:
        await publish(unit, *range(1_203))
        await relay.run_once()
        assert await published(streams) == [*range(1_203)]
        assert await waiting(unit) == 0


class TestStreams:
    async def test_what_is_there_is_not_taken_again(self, streams: EventStreams) -> None:
        events = [a_waiting_event(number=number) for number in range(3)]
        await streams.append(events[:2])
        await streams.append(events)  # the answer was lost, so to speak
        await streams.append(events[:1])  # one that was asleep for long
        assert await published(streams) == [0, 1, 2]

    async def test_an_answer_that_is_lost_doubles_nothing(
        self, streams: EventStreams, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parse: Any = vars(Redis)["parse_response"]
        lost: list[Any] = []

        async def lose_the_first(*arguments: Any, **options: Any) -> Any:
            answer = await parse(*arguments, **options)
            if not lost and arguments[2:] == ("_",):
                lost.append(answer)
                raise RedisConnectionError("The answer is lost.")
            return answer

        monkeypatch.setattr(Redis, "parse_response", lose_the_first)
        from redis.asyncio.client import Pipeline

        monkeypatch.setattr(Pipeline, "parse_response", lose_the_first)
        await streams.append([a_waiting_event(number=1)])
        await streams.append([a_waiting_event(number=2)])
        assert lost, "no answer was lost"
        assert await published(streams) == [1, 2]

    async def test_another_refusal_is_not_taken_for_a_repetition(
        self, streams: EventStreams, redis: Redis
    ) -> None:
        await redis.set("mission-control:events:broken", "no stream")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await streams.append([a_waiting_event("broken")])

    async def test_an_emptied_redis_goes_on(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay, redis: Redis
    ) -> None:
        await publish(unit, 1)
        await relay.publish_waiting()
        await redis.flushdb()  # pyright: ignore[reportUnknownMemberType]
        await publish(unit, 2)
        await relay.publish_waiting()
        assert await published(streams) == [2]


class TestLease:
    async def test_one_publishes_at_a_time(
        self, unit: Unit, streams: EventStreams, redis: Redis
    ) -> None:
        first, second = (OutboxRelay(unit, streams, redis) for _ in range(2))
        await publish(unit, 1)
        assert await first.publish_waiting() == 1
        await publish(unit, 2)
        assert await second.publish_waiting() == 0
        assert await first.publish_waiting() == 1
        assert await published(streams) == [1, 2]

    async def test_is_taken_over_from_one_that_is_gone(self, redis: Redis) -> None:
        await redis.set(LEASE_KEY, f"{this_host()}:999999:x")
        assert await RelayLease(redis).take()

    async def test_is_left_to_one_on_another_machine_until_it_runs_out(self, redis: Redis) -> None:
        await redis.set(LEASE_KEY, "elsewhere/1:999999:x", px=60_000)
        lease = RelayLease(redis)
        assert not await lease.take()
        await redis.delete(LEASE_KEY)  # as when it runs out
        assert await lease.take()
        assert 0 < await redis.pttl(LEASE_KEY) <= 4_000

    async def test_is_given_back_only_by_its_holder(self, redis: Redis) -> None:
        mine, theirs = RelayLease(redis), RelayLease(redis)
        assert await mine.take()
        assert not await theirs.take()
        await theirs.release()
        assert not await theirs.take()
        await mine.release()
        assert await theirs.take()
        await mine.release()
        assert not await mine.take()

    async def test_two_that_hold_it_double_nothing(
        self, unit: Unit, streams: EventStreams, redis: Redis
    ) -> None:
        first, second = (OutboxRelay(unit, streams, redis) for _ in range(2))
        for number in range(20):
            await publish(unit, number)
            await redis.delete(LEASE_KEY)  # as if the other one had been asleep for longer
            second._lease._held_until = first._lease._held_until = 0.0  # pyright: ignore[reportPrivateUsage]
            await asyncio.gather(*(_although_held(each) for each in (first, second)))
        assert await published(streams) == [*range(20)]


async def _although_held(relay: OutboxRelay) -> None:
    async def take() -> bool:
        return True

    relay._lease.take = take  # type: ignore[method-assign]
    await relay.publish_waiting()


class TestRunning:
    async def test_is_woken_by_a_commit_and_keeps_its_table_small(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setattr("mission_control.data.outbox_relay.LOOK_AGAIN_SECONDS", 60.0)
        monkeypatch.setattr("mission_control.data.outbox_relay.TRIM_SECONDS", 0.0)
        running = asyncio.ensure_future(relay.run())
        try:
            async with asyncio.timeout(HANG_SECONDS):
                for number in range(5):
                    async with unit(wake_relay=streams.wake_relay) as uow:
                        event = Event(channel="test", data=Happened(number=number))
                        uow.publish(event)
                    while len(await published(streams)) <= number:
                        await asyncio.sleep(0.005)
                while await waiting(unit):
                    await asyncio.sleep(0.005)
        finally:
            await end(running)
        assert await published(streams) == [*range(5)]

    async def test_a_wake_up_that_is_lost_only_delays(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay
    ) -> None:
        running = asyncio.ensure_future(relay.run())
        try:
            await publish(unit, 1)  # nobody is told
            async with asyncio.timeout(HANG_SECONDS):
                while await published(streams) != [1]:
                    await asyncio.sleep(0.02)
        finally:
            await end(running)

    async def test_a_redis_that_hangs_costs_the_writer_nothing_and_no_error(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay, redis: Redis,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        async def hang(*_: object) -> None:
            await asyncio.Event().wait()

        with monkeypatch.context() as patch, capture_logs() as logs:
            patch.setattr(event_streams, "WAKE_SECONDS", 0.05)
            patch.setattr(redis, "publish", hang)
            async with unit(wake_relay=streams.wake_relay) as uow:
                uow.publish(Event(channel="test", data=Happened(number=1)))
        assert [(each["event"], each["log_level"]) for each in logs] == [
            ("relay_not_woken", "info")
        ]
        await relay.run_once()
        assert await published(streams) == [1]

    async def test_lets_another_one_go_on_when_it_ends(
        self, unit: Unit, streams: EventStreams, redis: Redis
    ) -> None:
        first, second = (OutboxRelay(unit, streams, redis) for _ in range(2))
        running = asyncio.ensure_future(first.run())
        await publish(unit, 1)
        while await published(streams) != [1]:
            await asyncio.sleep(0.005)
        await end(running)
        await publish(unit, 2)
        assert await second.publish_waiting() > 0
        assert await published(streams) == [1, 2]

    async def test_a_redis_that_refuses_costs_no_event(
        self, unit: Unit, streams: EventStreams, relay: OutboxRelay,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        append, refused = streams.append, asyncio.Event()

        async def refuse_once(events: list[WaitingEvent]) -> None:
            if not refused.is_set():
                refused.set()
                raise RedisConnectionError("away")
            await append(events)

        monkeypatch.setattr(streams, "append", refuse_once)
        running = asyncio.ensure_future(relay.run())
        try:
            await publish(unit, 1, 2)
            async with asyncio.timeout(HANG_SECONDS):
                while await published(streams) != [1, 2]:
                    await asyncio.sleep(0.02)
        finally:
            await end(running)
        assert refused.is_set()
