"""From the commit of a transaction to the socket: through the outbox, and appended after the commit.

    .venv/bin/python -m benchmarks.live_events [--events 400]

Both ways are measured in turn, event by event, in one run: the same database, the same Redis, the
same reader, which hands events to sockets as the API does. A writer commits a row and an event; the
time runs from the end of the commit until the event is in the socket's queue. Exits with 1 when the
outbox adds more than 10 ms at the median.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from mission_control.api.realtime import Hub, Subscriber
from mission_control.core.events import Event, EventData
from mission_control.core.tasks import end
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.event_streams import EventStreams, WaitingEvent, open_redis
from mission_control.data.migrate import upgrade
from mission_control.data.outbox_relay import OutboxRelay
from mission_control.data.unit_of_work import UnitOfWork
from tests import services

MOST_ADDED_MS = 10.0
THROUGH, DIRECTLY = "outbox", "appended after the commit"


class Measured(EventData):
    type = "event.measured"
    number: int


class Writer:
    """Commits a row and, this way or that, an event."""

    def __init__(self, sessions: Any, streams: EventStreams) -> None:
        self._sessions = sessions
        self._streams = streams
        self._last_id = 0

    async def through_the_outbox(self, channel: str, number: int) -> float:
        committed = 0.0

        async def wake() -> None:
            nonlocal committed
            committed = time.perf_counter()
            await self._streams.wake_relay()

        async with UnitOfWork(self._sessions, wake_relay=wake) as uow:
            await uow.sync_states.of("benchmark")
            uow.publish(Event(channel=channel, data=Measured(number=number)))
        return committed

    async def directly(self, channel: str, number: int) -> float:
        async with UnitOfWork(self._sessions) as uow:
            await uow.sync_states.of("benchmark")
        committed = time.perf_counter()
        body = Event(channel=channel, data=Measured(number=number)).model_dump_json()
        self._last_id = max(self._last_id + 1, time.time_ns() // 1_000)
        await self._streams.append([WaitingEvent(id=self._last_id, channel=channel, body=body)])
        return committed


async def arrived(subscriber: Subscriber, number: int) -> float:
    event = await subscriber.next()
    at = time.perf_counter()
    if json.loads(event.body)["data"]["number"] != number:
        raise AssertionError("another event came, or one came twice")
    return at


async def measure(database: str, redis_url: str, events: int) -> dict[str, list[float]]:
    engine, redis = create_engine(database), open_redis(redis_url)
    streams, sessions = EventStreams(redis), create_sessions(engine)
    writer, hub = Writer(sessions, streams), Hub(streams)
    relay = OutboxRelay(lambda **options: UnitOfWork(sessions, **options), streams, redis)
    tasks = [asyncio.ensure_future(each) for each in (hub.run(), relay.run())]
    taken: dict[str, list[float]] = {THROUGH: [], DIRECTLY: []}
    async with hub.subscribe(f"bench:{THROUGH}") as first, hub.subscribe("bench:direct") as second:
        await asyncio.sleep(1.0)
        for number in range(events):
            arrival = asyncio.ensure_future(arrived(first, number))
            committed = await writer.through_the_outbox(f"bench:{THROUGH}", number)
            taken[THROUGH].append((await arrival - committed) * 1000)
            arrival = asyncio.ensure_future(arrived(second, number))
            committed = await writer.directly("bench:direct", number)
            taken[DIRECTLY].append((await arrival - committed) * 1000)
    await end(*tasks)
    await redis.aclose()
    await engine.dispose()
    return taken


def shown(database: str, taken: dict[str, list[float]], table: Table) -> float:
    for way in (DIRECTLY, THROUGH):
        times = taken[way]
        p95 = statistics.quantiles(times, n=20)[-1]
        table.add_row(database, way, f"{statistics.median(times):.2f}", f"{p95:.2f}")
    added = statistics.median(taken[THROUGH]) - statistics.median(taken[DIRECTLY])
    table.add_row(database, "added at the median", f"{added:.2f}", "")
    return added


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=400)
    options = parser.parse_args()
    table = Table("database", "way", "p50 ms", "p95 ms", title="From the commit to the socket")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="live-events-")))
        redis = stack.enter_context(services.redis_server(directory))
        postgres = stack.enter_context(services.postgres_server())
        postgres.create("events")
        sqlite = f"sqlite+aiosqlite:///{directory / 'database.db'}"
        added: list[float] = []
        for name, url in (("SQLite", sqlite), ("PostgreSQL", postgres.url("events"))):
            upgrade(url)
            taken = asyncio.run(measure(url, redis, options.events))
            added.append(shown(name, taken, table))
    Console().print(table)
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    Console().print(f"{options.events} events each way; {os.cpu_count()} cores, load {load}")
    return int(max(added) > MOST_ADDED_MS)


if __name__ == "__main__":
    sys.exit(main())
