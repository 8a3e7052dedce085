"""All memory servers as one memory: what is remembered, found, kept in step and written."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Self, TypeVar, cast

import structlog
from pydantic import JsonValue

from mission_control.integrations.memory.answers import (
    all_items,
    answers_of,
    chosen,
    conversations_in,
    memories_in,
    of_kind,
)
from mission_control.integrations.memory.checking import check
from mission_control.integrations.memory.config.configuration import MemoryConfiguration
from mission_control.integrations.memory.config.operations import WRITES, OperationName
from mission_control.integrations.memory.connection.server import MemoryServer
from mission_control.integrations.memory.errors import (
    MemoryOperationMissingError,
    UnknownMemoryServerError,
)
from mission_control.integrations.memory.items import (
    AgentContext,
    CheckedServer,
    ConversationHit,
    HybridAnswer,
    HybridStats,
    Item,
    Kind,
    Report,
    SearchAnswer,
    ServerState,
    SyncReport,
    TemporalMemory,
    Written,
)
from mission_control.integrations.memory.mapping.mapped_server import MappedServer, Read
from mission_control.integrations.memory.one_server import search_one, stats_of, sync_one
from mission_control.integrations.memory.ranking import ranked
from mission_control.integrations.memory.selection import (
    by_time,
    checked_query,
    checked_tier,
    in_utc,
    is_for,
)

if TYPE_CHECKING:
    from mcp.server import MCPServer

log = structlog.get_logger(__name__)
T = TypeVar("T")
Role = Literal["temporal", "hybrid"]


class MemoryManager:
    """The only thing that the rest of the product knows of memory servers.

    It belongs to one process and one event loop, connects when it is first needed, and is closed
    with `aclose()` or `async with`. A read never fails as a whole: what each server gave, and why
    one did not, is in the answer's `servers`.
    """

    def __init__(
        self,
        configuration: MemoryConfiguration,
        *,
        embedded: "Mapping[str, MCPServer | Callable[[], MCPServer]] | None" = None,
    ) -> None:
        """`embedded`: the servers of this process, by name, for `transport = "embedded"`.

        One that is given as a function is made when it is first connected, in a thread.
        """
        ours = embedded or {}
        self._servers = {
            name: MappedServer(MemoryServer(server, embedded=ours.get(name)))
            for name, server in configuration.servers.items()
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave every server; the processes started here end with all that they started."""
        await asyncio.gather(*(each.server.aclose() for each in self._servers.values()))

    # ---------------------------------------------------------------- states

    def connect(self) -> None:
        """Begin to connect to every server, without waiting."""
        for each in self._servers.values():
            each.server.connect()

    def states(self) -> tuple[ServerState, ...]:
        """As last known; nothing is asked."""
        return tuple(each.server.state for each in self._servers.values())

    async def look(self, *, within: float = 3.0) -> tuple[ServerState, ...]:
        """Ask every server whether it is there, for at most so many seconds."""
        looks = (each.server.look(within=within) for each in self._servers.values())
        return tuple(await asyncio.gather(*looks))

    async def check_servers(self) -> tuple[CheckedServer, ...]:
        """Connect, list the tools, try every mapped read and look up every mapped write."""
        return tuple(await asyncio.gather(*(check(each) for each in self._servers.values())))

    # ---------------------------------------------------------------- reading

    async def get_temporal_memory(
        self, tier: str | int = "all", as_of: datetime | None = None
    ) -> TemporalMemory:
        """What is remembered, of a kind or an importance, now or as it was at a time.

        Raises:
            UnknownTierError: The tier is none of all, fact, preference, context, 1, 2 and 3.
        """
        wanted, at = checked_tier(tier), in_utc(as_of)
        values: dict[str, JsonValue] = {"tier": wanted, "as_of": at and at.isoformat()}
        reads = await self._read_all(self._that("temporal", "list"), "list", values)
        found = [(read, chosen(read, wanted, at)) for read in reads]
        return TemporalMemory(
            servers=answers_of(found),
            items=tuple(sorted(all_items(found), key=by_time)),
        )

    async def search_hybrid_intelligence(
        self, query: str, *, agent: str | None = None, limit: int = 20
    ) -> HybridAnswer:
        """Conversations and calls that answer a query, best first.

        Raises:
            MemoryQueryError: The query is empty or too long.
        """
        text = checked_query(query)
        values: dict[str, JsonValue] = {"query": text, "agent": agent}
        servers = self._that("hybrid", "search")
        reads = await self._read_all(servers, "search", values, at_most=limit)
        found = [(read, conversations_in(read, agent)) for read in reads]
        lists = {read.server: cast("list[Item]", items) for read, items in found}
        hits = ranked(text, lists, weights=self._weights, limit=limit)
        return HybridAnswer(
            servers=answers_of(found),
            items=tuple(hit.item for hit in hits if isinstance(hit.item, ConversationHit)),
        )

    async def get_recent_conversations(self, limit: int = 20) -> HybridAnswer:
        """The newest conversations and calls, as far as the servers list them newest first."""
        servers = self._that("hybrid", "list")
        reads = await self._read_all(servers, "list", {"tier": "all"}, at_most=limit)
        found = [(read, conversations_in(read, None)) for read in reads]
        return HybridAnswer(servers=answers_of(found), items=tuple(all_items(found)))

    async def get_hybrid_intelligence_stats(self) -> HybridStats:
        """What the servers say of their indexes, each in its own words."""
        servers = self._that("hybrid", "stats")
        statistics = await asyncio.gather(*(stats_of(each) for each in servers))
        return HybridStats(
            servers=tuple(answer for answer, _ in statistics),
            stats={answer.server: stats for answer, stats in statistics if answer.problem is None},
        )

    async def get_agent_context(
        self, agent_name: str, *, within: float | None = None
    ) -> AgentContext:
        """What is remembered for this agent and for all agents, in time order.

        `within`: seconds each server has; left out: its own `call_timeout_seconds`.
        """
        asking = [each for each in self._of("temporal") if each.has("context") or each.has("list")]
        values: dict[str, JsonValue] = {"agent": agent_name, "tier": "all"}
        reads = await asyncio.gather(
            *(
                each.read("context" if each.has("context") else "list", values, within=within)
                for each in asking
            )
        )
        found = [
            (read, [each for each in memories_in(read) if is_for(each, agent_name)])
            for read in reads
        ]
        items = sorted(all_items(found), key=by_time)
        return AgentContext(
            servers=answers_of(found),
            agent=agent_name,
            facts=of_kind(items, "fact"),
            preferences=of_kind(items, "preference"),
            context=of_kind(items, "context"),
            other=of_kind(items, None),
        )

    async def search(self, query: str, *, limit: int = 20) -> SearchAnswer:
        """One ranked answer from every server: the same text once, with every place it was found.

        Raises:
            MemoryQueryError: The query is empty or too long.
        """
        text = checked_query(query)
        asking = [e for e in self._servers.values() if e.has("search") or e.has("list")]
        found = await asyncio.gather(*(search_one(each, text, limit) for each in asking))
        hits = ranked(
            text,
            {read.server: items for read, items in found},
            weights=self._weights,
            limit=limit,
        )
        return SearchAnswer(servers=answers_of(found), hits=hits)

    async def sync_all(self, report: Report | None = None) -> SyncReport:
        """Read everything that every server holds; `report` hears how each gets on.

        A server that fails, or breaks off, is told by name and never taken for a success.
        """
        reading = [each for each in self._servers.values() if each.has("list")]
        synced = await asyncio.gather(*(sync_one(each, report) for each in reading))
        return SyncReport(tuple(synced))

    # ---------------------------------------------------------------- writing

    async def add_memory(
        self,
        content: str,
        *,
        kind: Kind = "fact",
        subject: str | None = None,
        tier: int | None = None,
        agent: str | None = None,
        valid_from: datetime | None = None,
        source: JsonValue = None,
        server: str | None = None,
    ) -> Written:
        """Remember something at the named server, or at the first that can.

        Raises:
            UnknownMemoryServerError: There is no server of that name.
            MemoryOperationMissingError: It cannot, or none can.
            IntegrationAmbiguousError: No answer came; it may or may not be remembered.
            IntegrationError: It was refused; nothing was changed.
        """
        at = in_utc(valid_from)
        values: dict[str, JsonValue] = {
            "content": content,
            "kind": kind,
            "subject": subject,
            "tier": tier,
            "agent": agent,
            "valid_from": at and at.isoformat(),
            "source": source,
        }
        return await self._that_writes("add", server).write("add", values)

    async def supersede_memory(
        self,
        memory_id: str,
        content: str,
        *,
        server: str,
        valid_from: datetime | None = None,
        source: JsonValue = None,
    ) -> Written:
        """Say what is true instead, from a time on. Raises as `add_memory` does."""
        at = in_utc(valid_from)
        values: dict[str, JsonValue] = {
            "id": memory_id,
            "content": content,
            "valid_from": at and at.isoformat(),
            "source": source,
        }
        return await self._that_writes("supersede", server).write("supersede", values)

    async def correct_memory(
        self, memory_id: str, content: str, *, server: str, source: JsonValue = None
    ) -> Written:
        """Say what was true all along. Raises as `add_memory` does."""
        values: dict[str, JsonValue] = {"id": memory_id, "content": content, "source": source}
        return await self._that_writes("correct", server).write("correct", values)

    def writable(self) -> Mapping[str, tuple[str, ...]]:
        """The servers that can be written to, and what each can do."""
        able = {
            name: tuple(write for write in WRITES if each.has(write))
            for name, each in self._servers.items()
        }
        return {name: writes for name, writes in able.items() if writes}

    # ---------------------------------------------------------------- choosing servers

    @property
    def _weights(self) -> Mapping[str, float]:
        return {name: each.configuration.weight for name, each in self._servers.items()}

    def _of(self, role: Role) -> list[MappedServer]:
        return [e for e in self._servers.values() if e.configuration.role in {role, "both"}]

    def _that(self, role: Role, operation: OperationName) -> list[MappedServer]:
        return [each for each in self._of(role) if each.has(operation)]

    def _that_writes(self, operation: OperationName, name: str | None) -> MappedServer:
        if name is not None:
            if name not in self._servers:
                raise UnknownMemoryServerError(
                    "There is no memory server of this name. Nothing was changed; "
                    f"use one of {', '.join(self._servers) or 'none'}.",
                )
            return self._servers[name]  # it refuses what it cannot do
        able = [each for each in self._servers.values() if each.has(operation)]
        if not able:
            raise MemoryOperationMissingError(
                f"No memory server can {operation} a memory. Nothing was changed; "
                "map it in memory.toml.",
                operation=operation,
            )
        return able[0]

    async def _read_all(
        self,
        servers: Iterable[MappedServer],
        operation: OperationName,
        values: Mapping[str, JsonValue],
        *,
        at_most: int | None = None,
    ) -> list[Read]:
        reads = (each.read(operation, values, at_most=at_most) for each in servers)
        return await asyncio.gather(*reads)
