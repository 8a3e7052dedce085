"""Commits an event, or publishes what waits, and is killed with SIGKILL at one moment of it.

    python -m tests.killed_publishers before_publishing|before_removing DATABASE_URL REDIS_URL COUNT

A process of its own, as nobody survives this signal.
"""

import asyncio
import os
import signal
import sys
from functools import partial

from mission_control.core.events import Event
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.event_streams import EventStreams, open_redis
from mission_control.data.outbox import Outbox
from mission_control.data.outbox_relay import OutboxRelay
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import Happened

CHANNEL = "test"


async def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def commit_and_die(unit_of_work: "partial[UnitOfWork]", count: int) -> None:
    """Between the commit and the publishing."""
    async with unit_of_work(wake_relay=die) as uow:
        for number in range(count):
            uow.publish(Event(channel=CHANNEL, data=Happened(number=number)))


async def publish_and_die(relay: OutboxRelay) -> None:
    """Between the publishing and the removing."""
    Outbox.remove_through = die  # type: ignore[method-assign]
    await relay.run_once()


async def main(moment: str, database_url: str, redis_url: str, count: int) -> None:
    redis = open_redis(redis_url)
    unit_of_work = partial(UnitOfWork, create_sessions(create_engine(database_url)))
    if moment == "before_publishing":
        await commit_and_die(unit_of_work, count)
    else:
        await publish_and_die(OutboxRelay(unit_of_work, EventStreams(redis), redis))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))  # type: ignore[misc]
