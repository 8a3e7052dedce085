"""One open MCP session over any transport. Importing it loads the MCP SDK: 0.8 s of work."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from anyio import ClosedResourceError
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from mcp.types import CallToolResult, EmbeddedResource, TextContent, TextResourceContents
from pydantic import JsonValue

from mission_control.integrations.memory.config.configuration import ServerConfiguration
from mission_control.integrations.memory.connection.bounded_http import BoundedHttp
from mission_control.integrations.memory.connection.child import running
from mission_control.integrations.memory.connection.diagnosis import diagnose
from mission_control.integrations.memory.connection.envelopes import ToolAnswer
from mission_control.integrations.memory.connection.stdio import Streams, over_stdio
from mission_control.integrations.memory.connection.trouble import TroubledError
from mission_control.integrations.memory.connection.wire import EXCHANGE, Exchange, Wire

MOST_TOOLS = 1_000
MOST_TOOL_PAGES = 20


class NeverEndingListError(Exception):
    """A server whose list of tools goes on for ever."""


class Session:
    """A connected server. `schemas`: the input schema of every tool that it has."""

    def __init__(
        self,
        client: Client,
        schemas: Mapping[str, dict[str, JsonValue]],
        server: ServerConfiguration,
        wire: Wire,
    ) -> None:
        self.schemas = schemas
        self.protocol = client.protocol_version
        self._client = client
        self._server = server
        self._wire = wire

    async def call(self, tool: str, arguments: Mapping[str, JsonValue]) -> ToolAnswer:
        """Belongs into a task of its own. Raises TroubledError."""
        exchange = _begin_exchange()
        try:
            return _answer(await self._client.call_tool(tool, dict(arguments)))
        except Exception as exc:
            found = diagnose(exc, self._server, self._wire, exchange)
            raise TroubledError(found, sent=True) from exc

    async def look(self) -> None:
        """Ask for something small, in a task of its own. Raises TroubledError."""
        exchange = _begin_exchange()
        try:
            await self._client.list_tools()
        except Exception as exc:
            found = diagnose(exc, self._server, self._wire, exchange)
            raise TroubledError(found, sent=True) from exc


def _begin_exchange() -> Exchange:
    exchange = Exchange()
    EXCHANGE.set(exchange)
    return exchange


async def hold(
    server: ServerConfiguration,
    embedded: MCPServer | None,
    wire: Wire,
    *,
    on_connected: Callable[[Session], None],
    leave: asyncio.Event,
) -> None:
    """Connect, list the tools, and stay connected until told to leave.

    Raises:
        TroubledError: It could not be connected, or the server left first.
    """
    ended, exchange = asyncio.Event(), _begin_exchange()
    try:
        # No cache: what we ask twice we ask because it may have changed.
        async with Client(_target(server, embedded, wire, ended), cache=None) as client:
            on_connected(Session(client, await _schemas(client), server, wire))
            await _first_of(leave, ended)
    except Exception as exc:
        raise TroubledError(diagnose(exc, server, wire, exchange)) from exc
    if not leave.is_set():
        raise TroubledError(diagnose(ClosedResourceError(), server, wire, Exchange()))


def _target(
    server: ServerConfiguration, embedded: MCPServer | None, wire: Wire, ended: asyncio.Event
) -> Any:
    match server.transport:
        case "stdio":
            return _child(server, wire, ended)
        case "http":
            return _web(server)
        case "embedded":
            return embedded


async def _first_of(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


@asynccontextmanager
async def _child(
    server: ServerConfiguration, wire: Wire, ended: asyncio.Event
) -> AsyncGenerator[Streams]:
    assert server.command is not None
    child = running(
        (server.command, *server.args),
        environment=server.environment,
        directory=server.cwd,
        longest_line=server.max_result_bytes,
        wire=wire,
    )
    async with child as process, over_stdio(process, wire, ended) as streams:
        yield streams


@asynccontextmanager
async def _web(server: ServerConfiguration) -> AsyncGenerator[object]:
    assert server.url is not None
    url = server.url.get_secret_value()
    http = BoundedHttp(
        url,
        headers={name: value.get_secret_value() for name, value in server.headers.items()},
        max_bytes=server.max_result_bytes,
    )
    transport = streamable_http_client(
        url, http_client=http, max_sse_event_size=server.max_result_bytes
    )
    async with http, transport as streams:
        yield streams


async def _schemas(client: Client) -> dict[str, dict[str, JsonValue]]:
    schemas: dict[str, dict[str, JsonValue]] = {}
    cursor: str | None = None
    for _ in range(MOST_TOOL_PAGES):
        listed = await client.list_tools(cursor=cursor)
        schemas |= {tool.name: tool.input_schema for tool in listed.tools}
        cursor = listed.next_cursor
        if not cursor or len(schemas) >= MOST_TOOLS:
            return schemas
    raise NeverEndingListError(f"its list of tools has no end (over {MOST_TOOL_PAGES} pages)")


def _answer(result: CallToolResult) -> ToolAnswer:
    return ToolAnswer(
        structured=cast("JsonValue", result.structured_content),
        texts=tuple(text for block in result.content if (text := _text(block)) is not None),
        is_error=result.is_error,
    )


def _text(block: object) -> str | None:
    match block:
        case TextContent():
            return block.text
        case EmbeddedResource(resource=TextResourceContents() as resource):
            return resource.text
        case _:
            return None  # pictures and sounds are no memories that we could show
