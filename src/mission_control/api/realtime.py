"""The WebSockets: a snapshot from the database, then every event exactly once, in order."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Literal
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import BaseModel, Field, SerializeAsAny
from redis.exceptions import RedisError

from mission_control.api.evaluate import events as evaluate_events
from mission_control.api.evaluate import queries as evaluate
from mission_control.api.optimize import events as optimize_events
from mission_control.api.optimize import queries as optimize
from mission_control.api.resources import Resources
from mission_control.api.system import queries as system
from mission_control.core.errors import MissionControlError, NotReadyError
from mission_control.core.events import SYSTEM_CHANNEL
from mission_control.core.tasks import end
from mission_control.data.event_streams import EventStreams, StoredEvent, id_order
from mission_control.data.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)
router = APIRouter()

HEARTBEAT_SECONDS = 20.0
READ_BLOCK_MS = 200
QUEUE_LENGTH = 1_000

# Close codes of our own (4000–4999 are free for applications).
CLOSE_TOO_SLOW = 4008
CLOSE_UNKNOWN_AGENT = 4004
CLOSE_FORBIDDEN_ORIGIN = 4003
CLOSE_UNKNOWN_PARAMETER = 4422
CLOSE_UNAVAILABLE = 4503

EVENT_ID = "^[0-9]{1,20}-[0-9]{1,19}$"  # no more than a stream takes
Snapshot = Callable[[UnitOfWork], Awaitable[BaseModel]]


class SnapshotMessage(BaseModel):
    """The first message: what is known. Every event behind `id` follows."""

    type: Literal["snapshot"] = "snapshot"
    id: str = Field(pattern=EVENT_ID)
    agent_id: str | None
    complete: bool = Field(
        description="False: events behind `after` are gone; the snapshot has what came of them."
    )
    data: SerializeAsAny[BaseModel]


class HeartbeatMessage(BaseModel):
    """Nothing has happened for a while, and the connection lives."""

    type: Literal["heartbeat"] = "heartbeat"
    id: str = Field(pattern=EVENT_ID, description="Of the last event that was sent.")


class TooSlowError(Exception):
    """The client does not take its events; it may come back with `after`."""


class Subscriber:
    """One socket's share of a channel."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[StoredEvent] = asyncio.Queue(QUEUE_LENGTH)
        self._overflowed = False

    def offer(self, event: StoredEvent) -> None:
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self._overflowed = True

    async def next(self) -> StoredEvent:
        if self._overflowed:
            raise TooSlowError
        return await self._queue.get()


class Hub:
    """One reader of Redis for the whole process, and a bounded queue for each socket."""

    def __init__(self, streams: EventStreams) -> None:
        self._streams = streams
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._positions: dict[str, str] = {}
        self._wanted = asyncio.Event()

    @asynccontextmanager
    async def subscribe(self, channel: str) -> AsyncGenerator[Subscriber]:
        subscriber = Subscriber()
        if channel not in self._positions:
            newest = await self._streams.last_id(channel)
            # Another first subscriber may have come meanwhile; what it waits for must not be skipped.
            self._positions.setdefault(channel, newest)
        self._subscribers.setdefault(channel, set()).add(subscriber)
        self._wanted.set()
        try:
            yield subscriber
        finally:
            self._subscribers[channel].discard(subscriber)
            if not self._subscribers[channel]:
                del self._subscribers[channel]
                self._positions.pop(channel, None)

    async def run(self) -> None:
        """Read on for ever. A Redis that is away for a while only delays."""
        while True:
            if not self._positions:
                self._wanted.clear()
                await self._wanted.wait()
            try:
                found = await self._streams.wait(dict(self._positions), block_ms=READ_BLOCK_MS)
            except (RedisError, TimeoutError):
                log.warning("event_reader_waits_for_redis")
                await asyncio.sleep(0.5)
                continue
            for channel, event in found:
                self._hand_out(channel, event)

    def _hand_out(self, channel: str, event: StoredEvent) -> None:
        position = self._positions.get(channel)
        if position is None or id_order(event.id) <= id_order(position):
            return  # nobody is there any more, or a new first subscriber started behind it
        self._positions[channel] = event.id
        for subscriber in tuple(self._subscribers.get(channel, ())):
            subscriber.offer(event)


After = Annotated[
    str | None, Query(pattern=EVENT_ID, description="Resume behind the event with this id.")
]


@router.websocket("/ws/optimize/{agent_id}")
async def watch_optimization(websocket: WebSocket, agent_id: str, after: After = None) -> None:
    """Live events of an agent's optimizations."""
    channel = optimize_events.channel(agent_id)
    snapshot = partial(optimize.snapshot, agent_id=agent_id)
    await _serve(websocket, channel, snapshot, agent_id=agent_id, after=after)


@router.websocket("/ws/evaluate/{agent_id}")
async def watch_evaluation(websocket: WebSocket, agent_id: str, after: After = None) -> None:
    """Live events of an agent's evaluations."""
    channel = evaluate_events.channel(agent_id)
    snapshot = partial(evaluate.snapshot, agent_id=agent_id)
    await _serve(websocket, channel, snapshot, agent_id=agent_id, after=after)


@router.websocket("/ws/system")
async def watch_system(websocket: WebSocket, after: After = None) -> None:
    """Live events of deployments, drift, syncs, calls and memory contexts of all agents."""
    await _serve(websocket, SYSTEM_CHANNEL, system.snapshot, agent_id=None, after=after)


async def _serve(
    websocket: WebSocket,
    channel: str,
    snapshot: Snapshot,
    *,
    agent_id: str | None,
    after: str | None,
) -> None:
    sending = partial(_send_all, websocket, agent_id, channel, snapshot, after)
    with suppress(WebSocketDisconnect, RuntimeError):  # the client left while we were sending
        await websocket.accept()
        if not _is_our_page(websocket):
            await websocket.close(CLOSE_FORBIDDEN_ORIGIN, "origin_not_allowed")
        elif [name for name, _ in websocket.query_params.multi_items()] not in ([], ["after"]):
            await websocket.close(CLOSE_UNKNOWN_PARAMETER, "query_parameter_unknown")
        else:
            await _send_until_left(websocket, sending)


async def _send_until_left(websocket: WebSocket, sending: Callable[[], Awaitable[None]]) -> None:
    serving = asyncio.ensure_future(sending())
    leaving = asyncio.ensure_future(_until_left(websocket))
    try:
        await asyncio.wait({serving, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
    except NotReadyError as error:
        await websocket.close(CLOSE_UNAVAILABLE, error.code)
    except MissionControlError as error:
        await websocket.close(CLOSE_UNKNOWN_AGENT, error.code)
    except TooSlowError:
        await websocket.close(CLOSE_TOO_SLOW, "too_slow")
    except RedisError:
        await websocket.close(CLOSE_UNAVAILABLE, "events_unavailable")
    finally:
        await end(serving, leaving)


async def _until_left(websocket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.receive_text()


async def _send_all(
    websocket: WebSocket,
    agent_id: str | None,
    channel: str,
    snapshot: Snapshot,
    after: str | None,
) -> None:
    hub: Hub = websocket.app.state.hub
    resources: Resources = websocket.app.state.resources
    async with hub.subscribe(channel) as subscriber:
        # Subscribed first, then the position, then the database: nothing can fall between them.
        last = await resources.streams.last_id(channel)
        async with resources.unit_of_work(readonly=True) as uow:
            state = await snapshot(uow)
            newest = await uow.outbox.last_id()
        # An id that was never given is of another installation: nothing would ever come behind it.
        is_ours = after is None or id_order(after)[0] <= newest
        if after is not None and is_ours:
            last = after
        complete = is_ours and await resources.streams.is_complete_after(channel, last)
        first = SnapshotMessage(id=last, agent_id=agent_id, complete=complete, data=state)
        await websocket.send_text(first.model_dump_json())
        last = await _replay(websocket, resources.streams, channel, last)
        await _follow(websocket, subscriber, last)


async def _replay(websocket: WebSocket, streams: EventStreams, channel: str, last: str) -> str:
    while events := await streams.replay(channel, after=last):
        for event in events:
            await websocket.send_text(frame(event))
            last = event.id
    return last


async def _follow(websocket: WebSocket, subscriber: Subscriber, last: str) -> None:
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                event = await subscriber.next()
        except TimeoutError:
            await websocket.send_text(HeartbeatMessage(id=last).model_dump_json())
            continue
        if id_order(event.id) > id_order(last):
            await websocket.send_text(frame(event))
            last = event.id


def frame(event: StoredEvent) -> str:
    """The envelope with its id, as JSON text."""
    return json.dumps({"id": event.id, **json.loads(event.body)})


def _is_our_page(websocket: WebSocket) -> bool:
    """Browsers let any page open a socket to us: only pages of our own host may."""
    origin = websocket.headers.get("origin")
    if origin is None:
        return True  # not a browser
    settings = websocket.app.state.resources.settings
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host in {"127.0.0.1", "localhost", "::1", settings.mc_host}
