"""Tries a memory server's mapping, so that a person sees what works and why something does not."""

import asyncio

from pydantic import JsonValue

from mission_control.integrations.errors import IntegrationError
from mission_control.integrations.memory.config.operations import WRITES, OperationName
from mission_control.integrations.memory.errors import MemoryOperationMissingError
from mission_control.integrations.memory.items import CheckedOperation, CheckedServer
from mission_control.integrations.memory.mapping.mapped_server import MappedServer, Read

TRIED_WITH = "hello"
MOST_ITEMS = 50


async def check(server: MappedServer) -> CheckedServer:
    """Connect and try every mapped read; a write is held against the tools and not tried."""
    seconds = server.configuration.connect_timeout_seconds
    await server.server.look(within=seconds)
    names = server.configuration.operations
    operations = [await _checked(server, name) for name in names]
    return CheckedServer(server.server.state, tuple(operations))


async def _checked(server: MappedServer, name: OperationName) -> CheckedOperation:
    until = asyncio.get_running_loop().time() + server.configuration.call_timeout_seconds
    try:
        _, fitted = await server.fitted(name, until=until)
    except (IntegrationError, MemoryOperationMissingError) as exc:
        return _outcome(server, name, None, works=False, why=exc.message)
    if name in WRITES:
        return _outcome(
            server, name, fitted.tool, works=None, why="not tried: it would change something"
        )
    return await _tried(server, name, fitted.tool)


async def _tried(server: MappedServer, name: OperationName, tool: str) -> CheckedOperation:
    if name == "stats":
        read = Read(server.name)
        try:
            await server.value(name, {})
        except (IntegrationError, MemoryOperationMissingError) as exc:
            read.problem = exc
        read.end()
        items, unread = 1, 0
    else:
        values: dict[str, JsonValue] = {"query": TRIED_WITH, "tier": "all", "agent": TRIED_WITH}
        read = await server.read(name, values, at_most=MOST_ITEMS)
        found = read.items(as_conversations=server.configuration.role == "hybrid")
        items, unread = len(found), sum(not each.parsed for each in found)
    answer = read.answer(items)
    why = answer.problem.message if answer.problem else None
    if unread:
        why = f"{unread} of {items} items could not be taken apart; correct items and fields"
    return CheckedOperation(
        server=server.name,
        operation=name,
        tool=tool,
        works=answer.problem is None,
        count=items if answer.problem is None else None,
        duration_ms=answer.duration_ms,
        why=why,
    )


def _outcome(
    server: MappedServer, name: OperationName, tool: str | None, *, works: bool | None, why: str
) -> CheckedOperation:
    return CheckedOperation(server.name, name, tool, works, None, None, why)
