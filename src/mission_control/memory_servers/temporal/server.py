"""The temporal memory as an MCP server."""

from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field, JsonValue

from mission_control.memory_servers.temporal.items import (
    FoundMemories,
    MemoryHistory,
    MemoryItem,
    MemoryList,
    MemoryStats,
)
from mission_control.memory_servers.temporal.service import TemporalMemory
from mission_control.memory_servers.tools import READS, WRITES, told
from mission_control.memory_servers.units import UnitsOfWork

NAME = "temporal-memory"
INSTRUCTIONS = """\
Facts, preferences and context, with the times at which they were true. Nothing is ever \
overwritten: supersede_memory says what is true from a time on, correct_memory what was true all \
along, retract_memory that something is not believed any more. All of it stays in the history, and \
as_of and known_at ask how things were. Times are RFC 3339 with a zone, or dates."""

Tier = Annotated[str | int, Field(description="all, fact, preference, context, 1, 2 or 3")]
Agent = Annotated[str | None, Field(description="An agent's id: its own, and those for everyone")]
Time = Annotated[str | None, Field(description="2026-11-23T10:00:00Z or 2026-11-23; now if absent")]
Id = Annotated[str, Field(description="As lists and searches give it")]
Source = Annotated[
    dict[str, JsonValue] | str | None, Field(description="Where it comes from: a call, a person …")
]


def build_temporal_server(units: UnitsOfWork) -> MCPServer:
    """A server over this database, to be run over any transport."""
    memory = TemporalMemory(units)
    server = MCPServer(NAME, title="Temporal memory", instructions=INSTRUCTIONS)
    _add_reading(server, memory)
    _add_writing(server, memory)
    return server


def _add_reading(server: MCPServer, memory: TemporalMemory) -> None:
    @server.tool(annotations=READS, structured_output=True)
    @told
    async def list_memories(
        tier: Tier = "all",
        agent: Agent = None,
        as_of: Time = None,
        known_at: Time = None,
        limit: int = 200,
        cursor: str | None = None,
    ) -> MemoryList:
        """What was true at as_of as far as it was known at known_at, latest recorded first."""
        return await memory.memories(
            tier, agent=agent, as_of=as_of, known_at=known_at, limit=limit, cursor=cursor
        )

    @server.tool(annotations=READS, structured_output=True)
    @told
    async def search_memories(
        query: str, agent: Agent = None, tier: Tier = "all", limit: int = 20
    ) -> FoundMemories:
        """What is true now and holds the words of the query, best first."""
        return await memory.search(query, agent=agent, tier=tier, limit=limit)

    @server.tool(annotations=READS, structured_output=True)
    @told
    async def memory_history(id: Id) -> MemoryHistory:  # the tool's contract
        """Everything ever recorded of one story: superseded, corrected and retracted."""
        return await memory.history(id)

    @server.tool(annotations=READS, structured_output=True)
    @told
    async def memory_stats() -> MemoryStats:
        """How much is remembered: now by kind, tier and agent; and ever."""
        return await memory.stats()


def _add_writing(server: MCPServer, memory: TemporalMemory) -> None:
    @server.tool(annotations=WRITES, structured_output=True)
    @told
    async def add_memory(
        kind: Annotated[str, Field(description="fact, preference or context")],
        content: str,
        subject: str | None = None,
        tier: Annotated[int, Field(description="1 (important), 2 or 3")] = 2,
        agent: Annotated[str | None, Field(description="An agent's id; absent: everyone")] = None,
        valid_from: Time = None,
        source: Source = None,
    ) -> MemoryItem:
        """Remember something new."""
        return await memory.add(
            kind,
            content,
            subject=subject,
            tier=tier,
            agent=agent,
            valid_from=valid_from,
            source=source,
        )

    @server.tool(annotations=WRITES, structured_output=True)
    @told
    async def supersede_memory(
        id: Id,
        content: str,
        valid_from: Time = None,
        source: Source = None,
    ) -> MemoryItem:
        """Say what is true instead, from a time on. Refused when somebody else was first."""
        return await memory.supersede(id, content, valid_from=valid_from, source=source)

    @server.tool(annotations=WRITES, structured_output=True)
    @told
    async def correct_memory(id: Id, content: str, source: Source = None) -> MemoryItem:
        """Say what was true all along: the same times, another content."""
        return await memory.correct(id, content, source=source)

    @server.tool(annotations=WRITES, structured_output=True)
    @told
    async def retract_memory(id: Id, reason: str) -> MemoryItem:
        """Stop believing it, and say why."""
        return await memory.retract(id, reason)
