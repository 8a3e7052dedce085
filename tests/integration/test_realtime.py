"""What one socket sends, with the real Redis: the snapshot, then each event once and in order."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from mission_control.api import realtime
from mission_control.api.realtime import Hub, Subscriber, TooSlowError
from mission_control.api.resources import Resources
from mission_control.core.events import Event
from mission_control.core.tasks import end
from mission_control.data.event_streams import FIRST_ID, StoredEvent
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import Happened
from tests.services import HANG_SECONDS

CHANNEL = "system"


class State(BaseModel):
    known: str = "what the database says"


class Socket:
    """The server's end of a WebSocket, and all that was sent on it."""

    def __init__(self, resources: Resources, hub: Hub) -> None:
        self.app = SimpleNamespace(state=SimpleNamespace(resources=resources, hub=hub))
        self.sent: list[dict[str, Any]] = []

    async def send_text(self, text: str) -> None:
        self.sent.append(json.loads(text))

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while not true():
                await asyncio.sleep(0.005)

    @property
    def numbers(self) -> list[int]:
        return [each["data"]["number"] for each in self.sent if each["type"] == "test.happened"]


@pytest.fixture
async def hub(resources: Resources) -> AsyncIterator[Hub]:
    hub = Hub(resources.streams)
    reading = asyncio.ensure_future(hub.run())
    yield hub
    await end(reading)


@asynccontextmanager
async def sending(
    socket: Socket,
    *,
    after: str | None = None,
    meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None,
) -> AsyncGenerator[None]:
    async def snapshot(_: UnitOfWork) -> State:
        if meanwhile is not None:
            await meanwhile()
        return State()

    work = realtime._send_all(socket, None, CHANNEL, snapshot, after)  # type: ignore[arg-type]
    serving = asyncio.ensure_future(work)
    try:
        yield
        assert not serving.done()
    finally:
        await end(serving)


async def append(resources: Resources, *numbers: int) -> None:
    async with resources.unit_of_work() as uow:
        for each in numbers:
            uow.publish(Event(channel=CHANNEL, data=Happened(number=each)))
    await resources.relay.publish_waiting()


async def test_an_event_during_the_snapshot_is_sent_once(resources: Resources, hub: Hub) -> None:
    """It is in the stream behind the snapshot, and it was handed to the socket as well."""
    socket = Socket(resources, hub)

    async def meanwhile() -> None:
        await append(resources, 1, 2)
        [subscriber] = hub._subscribers[CHANNEL]  # pyright: ignore[reportPrivateUsage]
        await socket.until(lambda: subscriber._queue.qsize() == 2)  # pyright: ignore[reportPrivateUsage]

    async with sending(socket, meanwhile=meanwhile):
        await socket.until(lambda: len(socket.numbers) >= 2)
        await append(resources, 3)
        await socket.until(lambda: 3 in socket.numbers)
    assert socket.sent[0]["type"] == "snapshot"
    assert socket.sent[0]["data"] == {"known": "what the database says"}
    assert socket.numbers == [1, 2, 3]


async def test_a_cut_is_resumed_where_it_was(resources: Resources, hub: Hub) -> None:
    seen, after = list[int](), FIRST_ID
    for first in range(0, 12, 3):
        await append(resources, first, first + 1)
        socket = Socket(resources, hub)
        async with sending(socket, after=after):
            await append(resources, first + 2)
            await socket.until(lambda socket=socket: len(socket.numbers) >= 3)  # type: ignore[misc]
        seen += socket.numbers
        after = socket.sent[-1]["id"]
    assert seen == [*range(12)]


@pytest.mark.parametrize(
    "after", ["99999999999999999-0", "99999999999999999999-9999999999999999999"]
)
async def test_behind_an_id_that_was_never_given_nothing_is_missed_in_silence(
    resources: Resources, hub: Hub, after: str
) -> None:
    await append(resources, 1)
    socket = Socket(resources, hub)
    async with sending(socket, after=after):
        await socket.until(lambda: len(socket.sent) == 1)
        await append(resources, 2)
        await socket.until(lambda: socket.numbers == [2])
    assert socket.sent[0]["complete"] is False
    assert socket.sent[0]["id"] != after


async def test_events_that_went_with_an_emptied_redis_are_said_to_be_missing(
    resources: Resources, hub: Hub
) -> None:
    await append(resources, 1)
    seen = await resources.streams.last_id(CHANNEL)
    await append(resources, 2)
    await resources.redis.flushdb()  # pyright: ignore[reportUnknownMemberType]
    await append(resources, 3)
    socket = Socket(resources, hub)
    async with sending(socket, after=seen):
        await socket.until(lambda: socket.numbers == [3])
    assert socket.sent[0]["complete"] is False


async def test_as_many_come_at_once_as_there_are(resources: Resources, hub: Hub) -> None:
    sockets = [Socket(resources, hub) for _ in range(300)]
    async with AsyncExitStack() as open_sockets:
        for socket in sockets:
            await open_sockets.enter_async_context(sending(socket))
        for socket in sockets:
            await socket.until(lambda socket=socket: len(socket.sent) == 1)  # type: ignore[misc]
        await append(resources, 1, 2)
        for socket in sockets:
            await socket.until(lambda socket=socket: socket.numbers == [1, 2])  # type: ignore[misc]


async def test_what_is_handed_out_again_is_left_out(resources: Resources, hub: Hub) -> None:
    event = StoredEvent(id="5-0", body="{}")
    async with hub.subscribe("quiet") as subscriber:
        for again in (event, event, StoredEvent(id="4-0", body="{}")):
            hub._hand_out("quiet", again)  # pyright: ignore[reportPrivateUsage]
        assert subscriber._queue.qsize() == 1  # pyright: ignore[reportPrivateUsage]


async def test_who_does_not_take_its_events_is_told_so() -> None:
    subscriber = Subscriber()
    for number in range(realtime.QUEUE_LENGTH + 1):
        subscriber.offer(StoredEvent(id=f"{number}-0", body="{}"))
    with pytest.raises(TooSlowError):
        await subscriber.next()


async def test_when_nothing_happens_there_is_a_heartbeat(
    resources: Resources, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realtime, "HEARTBEAT_SECONDS", 0.05)
    await append(resources, 1)
    socket = Socket(resources, hub)
    async with sending(socket, after=FIRST_ID):
        await socket.until(
            lambda: socket.sent[-1:] != [] and socket.sent[-1]["type"] == "heartbeat"
        )
    assert socket.sent[-1]["id"] == socket.sent[1]["id"]
