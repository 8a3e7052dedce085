"""MCP over a child's input and output, refusing what no server may say there."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import (
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)

from mission_control.core.tasks import end
from mission_control.integrations.memory.connection.child import Child
from mission_control.integrations.memory.connection.envelopes import shortened
from mission_control.integrations.memory.connection.wire import Allowance, Wire

MOST_OTHER_LINES = 200  # a banner is forgiven, a log on stdout is not
UNASKED_AT_ONCE, UNASKED_PER_SECOND = 1_000, 200

Streams = tuple[
    MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]
]


@asynccontextmanager
async def over_stdio(child: Child, wire: Wire, ended: asyncio.Event) -> AsyncGenerator[Streams]:
    """The two streams that the MCP client drives. `ended` is set when no more can come."""
    heard, to_client = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    from_client, to_say = anyio.create_memory_object_stream[SessionMessage](0)
    conversation = _Conversation(child, wire)
    listening = asyncio.create_task(conversation.listen(heard, ended))
    speaking = asyncio.create_task(conversation.speak(to_say))
    try:
        yield to_client, from_client
    finally:
        await end(listening, speaking)
        for stream in (heard, to_client, from_client, to_say):
            stream.close()


class _Conversation:
    """Both directions, so that an answer can be told from what nobody asked for."""

    def __init__(self, child: Child, wire: Wire) -> None:
        self._child = child
        self._wire = wire
        self._open_questions = 0
        self._other_lines = 0
        self._unasked = Allowance(at_once=UNASKED_AT_ONCE, per_second=UNASKED_PER_SECOND)

    async def listen(
        self, heard: MemoryObjectSendStream[SessionMessage | Exception], ended: asyncio.Event
    ) -> None:
        try:
            with heard:
                while self._wire.broken is None and (line := await self._next_line()):
                    message = self._understood(line)
                    if message is not None:
                        await heard.send(SessionMessage(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # the session is over
        finally:
            ended.set()

    async def speak(self, to_say: MemoryObjectReceiveStream[SessionMessage]) -> None:
        with to_say:
            async for each in to_say:
                self._open_questions += isinstance(each.message, JSONRPCRequest)
                text = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                try:
                    await self._child.write_line(text.encode())
                except ConnectionError:
                    return  # the listener finds out why

    async def _next_line(self) -> bytes:
        try:
            line = await self._child.read_line()
        except ValueError:
            self._wire.too_large = True
            self._wire.broken = "it sent more in one message than is allowed"
            return b""
        if line.endswith(b"\n"):
            return line
        await self._child.note_exit()  # a server that was killed may have said half a line
        return b""

    def _understood(self, line: bytes) -> JSONRPCMessage | None:
        try:
            message = jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValueError:
            self._note_other_line(line)
            return None
        if isinstance(message, JSONRPCResponse | JSONRPCError) and self._open_questions > 0:
            self._open_questions -= 1
        elif not self._unasked.take():
            self._wire.broken = "it floods us with messages that nobody asked for"
            return None
        return message

    def _note_other_line(self, line: bytes) -> None:
        self._other_lines += 1
        if self._other_lines > MOST_OTHER_LINES:
            said = shortened(line[:200].decode(errors="replace"))
            self._wire.broken = f"it writes what is not MCP to its output: {said}"
