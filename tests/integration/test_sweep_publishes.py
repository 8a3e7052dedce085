"""Where no API runs, the sweep publishes what transactions have left in the outbox."""

import asyncio
import json
import sys

import pytest

from mission_control.api.resources import Resources
from mission_control.core.events import Event
from mission_control.core.settings import Settings
from mission_control.data.event_streams import FIRST_ID
from mission_control.data.outbox_relay import LEASE_KEY
from tests.builders import Happened

SWEEP = "from mission_control.api.jobs.tasks import sweep; sweep()"


@pytest.fixture
def settings(settings: Settings, database_url: str) -> Settings:
    return settings.model_copy(update={"database_url": database_url})


async def test_a_sweep_publishes_once_and_leaves_the_work_to_whoever_comes(
    resources: Resources,
) -> None:
    await resources.redis.delete(LEASE_KEY)  # of another test's relay
    async with resources.unit_of_work() as uow:
        for number in range(3):
            uow.publish(Event(channel="sweep", data=Happened(number=number)))

    for _ in range(2):  # the second has nothing left to do
        environment = resources.settings.environment()
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", SWEEP, env=environment)
        assert await worker.wait() == 0

    events = await resources.streams.replay("sweep", after=FIRST_ID)
    assert [json.loads(each.body)["data"]["number"] for each in events] == [0, 1, 2]
    async with resources.unit_of_work(readonly=True) as uow:
        assert await uow.outbox.after(0, limit=10) == []
    assert await resources.redis.get(LEASE_KEY) is None
