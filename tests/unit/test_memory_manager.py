"""The memory manager over servers in this process: what it puts together, and what it says of it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from mission_control.integrations.errors import IntegrationRejectedError
from mission_control.integrations.memory.answers import CHOSEN_HERE, PLACED_HERE
from mission_control.integrations.memory.config.reading import embedded_only, load_configuration
from mission_control.integrations.memory.errors import (
    MemoryOperationMissingError,
    MemoryQueryError,
    UnknownMemoryServerError,
    UnknownTierError,
)
from mission_control.integrations.memory.items import SyncProgress
from mission_control.integrations.memory.one_server import SEARCHED_HERE
from mission_control.integrations.memory.selection import in_utc
from mission_control.integrations.memory_manager import MemoryManager
from tests.services import HANG_SECONDS

Json = dict[str, Any]


def a_memory(number: int, **given: object) -> Json:
    return {
        "id": f"m{number}", "kind": "fact", "tier": 2, "agent": None, "content": f"fact {number}",
        "valid_from": f"2026-01-{number % 28 + 1:02}T00:00:00Z", **given,
    }  # fmt: skip


def temporal_server(memories: list[Json], asked: list[Json]) -> MCPServer:
    server = MCPServer("temporal-memory")

    @server.tool()
    def list_memories(
        tier: str = "all", agent: str | None = None, as_of: str | None = None,
        limit: int = 200, cursor: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        asked.append({"tier": tier, "agent": agent, "as_of": as_of, "cursor": cursor})
        start = int(cursor or 0)
        page = memories[start : start + limit]
        more = start + limit < len(memories)
        return {"items": page, "next_cursor": str(start + limit) if more else None}

    @server.tool()
    def search_memories(query: str, limit: int = 20) -> dict[str, Any]:
        return {"items": [m for m in memories if query.lower() in m["content"].lower()][:limit]}

    @server.tool()
    def add_memory(kind: str, content: str, subject: str | None = None) -> dict[str, Any]:
        if not subject:
            raise ToolError("A subject is needed.")
        memories.append(a_memory(len(memories), kind=kind, content=content, subject=subject))
        return memories[-1]

    return server


def hybrid_server() -> MCPServer:
    server = MCPServer("hybrid-intelligence")

    @server.tool()
    def search_conversations(query: str, limit: int = 20) -> dict[str, Any]:
        hit = {"id": "t1", "conversation_id": "c1", "agent": "remus", "at": "2026-11-01T10:00:00Z"}
        return {"items": [{**hit, "speaker": "caller", "text": f"about {query}", "score": 0.7}]}

    @server.tool()
    def index_stats() -> dict[str, Any]:
        return {"conversations": 3, "turns": 9}

    @server.tool()
    def recent_conversations(limit: int = 20, cursor: str | None = None) -> dict[str, Any]:
        return {"items": [{"id": "c1", "summary": "A call about dogs"}], "next_cursor": "again"}

    return server


class World:
    def __init__(self) -> None:
        self.memories = [a_memory(number) for number in range(3)]
        self.asked: list[Json] = []
        self.servers = {
            "temporal-memory": temporal_server(self.memories, self.asked),
            "hybrid-intelligence": hybrid_server(),
        }


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def memory(world: World) -> AsyncIterator[MemoryManager]:
    async with MemoryManager(embedded_only(), embedded=world.servers) as manager:
        yield manager


def test_importing_it_does_not_load_the_protocol() -> None:
    script = (
        "import mission_control.integrations.memory_manager, sys; assert 'mcp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


class TestTemporalMemory:
    async def test_is_read_page_by_page_and_given_in_time_order(
        self, memory: MemoryManager, world: World
    ) -> None:
        world.memories[:] = [a_memory(n) for n in range(450)]
        answer = await memory.get_temporal_memory()
        assert len({m.id for m in answer.items}) == 450
        assert [m.valid_from for m in answer.items] == sorted(
            m.valid_from for m in answer.items if m.valid_from
        )
        assert [each["cursor"] for each in world.asked] == [None, "200", "400"]
        [said] = answer.servers
        assert (said.server, said.count, said.problem, said.more) == (
            "temporal-memory", 450, None, False,
        )  # fmt: skip

    async def test_tells_the_server_tier_and_time(
        self, memory: MemoryManager, world: World
    ) -> None:
        at = datetime(2026, 5, 1, tzinfo=UTC)
        answer = await memory.get_temporal_memory("preference", as_of=at)
        assert world.asked[0]["tier"] == "preference"
        assert world.asked[0]["as_of"] == "2026-05-01T00:00:00+00:00"
        assert answer.servers[0].notes == ()
        assert answer.items == ()  # they say of themselves that they are facts

    @pytest.mark.parametrize("tier", ["", "important", "4", 0])
    async def test_an_unknown_tier_is_refused(self, memory: MemoryManager, tier: str | int) -> None:
        with pytest.raises(UnknownTierError, match="all, fact, preference, context, 1, 2, 3"):
            await memory.get_temporal_memory(tier)

    async def test_chooses_itself_where_the_server_cannot(
        self, tmp_path: Path, world: World
    ) -> None:
        world.memories[:] = [
            a_memory(1, kind="fact", valid_from="2026-01-01", valid_to="2026-03-01"),
            a_memory(2, kind="fact", valid_from="2026-03-01"),
            a_memory(3, kind="preference", valid_from="2025-01-01"),
            a_memory(4, kind=None, valid_from="2025-01-01"),
            a_memory(5, valid_from=None),
        ]
        file = tmp_path / "memory.toml"
        file.write_text(
            '[servers.temporal-memory]\ntransport = "embedded"\nrole = "temporal"\n'
            '[servers.temporal-memory.list]\ntool = "list_memories"'
        )
        async with MemoryManager(load_configuration(file), embedded=world.servers) as memory:
            answer = await memory.get_temporal_memory("fact", as_of=datetime(2026, 2, 1))  # noqa: DTZ001
            assert [m.id for m in answer.items] == ["m1"]
            assert answer.servers[0].notes == (CHOSEN_HERE, PLACED_HERE)
            found = await memory.search("FACT 3!")
            assert found.hits[0].item.id == "m3"
            assert found.servers[0].notes == (SEARCHED_HERE,)


class TestAgentContext:
    async def test_holds_what_is_for_the_agent_and_for_all(
        self, memory: MemoryManager, world: World
    ) -> None:
        world.memories[:] = [
            a_memory(1),
            a_memory(2, agent="remus", kind="preference"),
            a_memory(3, agent="scout"),
            a_memory(4, agent="REMUS", kind="rumour"),
        ]
        context = await memory.get_agent_context("remus")
        assert [m.id for m in context.facts] == ["m1"]
        assert [m.id for m in context.preferences] == ["m2"]
        assert [m.id for m in context.other] == ["m4"]
        assert context.context == ()
        assert world.asked[0]["agent"] == "remus"


class TestHybridIntelligence:
    async def test_hits_keep_what_the_server_said(self, memory: MemoryManager) -> None:
        answer = await memory.search_hybrid_intelligence("dogs")
        [hit] = answer.items
        assert (hit.text, hit.speaker, hit.score) == ("about dogs", "caller", 0.7)
        assert (hit.conversation_id, hit.at) == ("c1", datetime(2026, 11, 1, 10, tzinfo=UTC))
        assert answer.is_complete

    async def test_stats_are_the_servers_own(self, memory: MemoryManager) -> None:
        answer = await memory.get_hybrid_intelligence_stats()
        assert answer.stats == {"hybrid-intelligence": {"conversations": 3, "turns": 9}}

    async def test_stats_hold_nothing_that_cannot_be_written(self) -> None:
        server = MCPServer("hybrid-intelligence")

        @server.tool(structured_output=False)
        def index_stats() -> str:
            return '{"named": "\\ud83d", "nested": ' + "[" * 600 + "]" * 600 + "}"

        own = {"hybrid-intelligence": server}
        async with MemoryManager(embedded_only(), embedded=own) as manager:
            answer = await manager.get_hybrid_intelligence_stats()
        told = cast("Json", answer.stats["hybrid-intelligence"])
        assert told["named"] == "\ufffd"
        assert len(json.dumps(told["nested"])) < 300

    @pytest.mark.parametrize("query", ["", " \n\t", "\x00", "x" * 5_000])
    async def test_a_query_that_is_none_is_refused(self, memory: MemoryManager, query: str) -> None:
        with pytest.raises(MemoryQueryError):
            await memory.search_hybrid_intelligence(query)
        with pytest.raises(MemoryQueryError):
            await memory.search(query)

    async def test_a_query_is_nothing_but_text(self, memory: MemoryManager) -> None:
        odd = '"; DROP TABLE x; -- NEAR( * \ud83d {limit}'
        [hit] = (await memory.search_hybrid_intelligence(odd)).items
        assert hit.text == 'about "; DROP TABLE x; -- NEAR( * ? {limit}'


class TestSearch:
    async def test_asks_every_server(self, memory: MemoryManager) -> None:
        answer = await memory.search("fact 1")
        assert {hit.found[0].server for hit in answer.hits} == {
            "temporal-memory",
            "hybrid-intelligence",
        }
        assert {each.server: each.count for each in answer.servers} == {
            "temporal-memory": 1,
            "hybrid-intelligence": 1,
        }


class TestSync:
    async def test_reads_everything_and_stops_at_a_cursor_that_repeats(
        self, memory: MemoryManager
    ) -> None:
        heard: list[SyncProgress] = []

        async def report(progress: SyncProgress) -> None:
            heard.append(progress)

        synced = await memory.sync_all(report)
        assert synced.status == "completed"
        assert {each.server: len(each.items) for each in synced.servers} == {
            "temporal-memory": 3,
            "hybrid-intelligence": 1,
        }
        assert {(each.server, each.phase) for each in heard if each.phase != "reading"} == {
            ("temporal-memory", "completed"),
            ("hybrid-intelligence", "completed"),
        }

    async def test_what_is_cut_off_is_no_success(self, tmp_path: Path, world: World) -> None:
        file = tmp_path / "memory.toml"
        file.write_text(
            '[servers.temporal-memory]\ntransport = "embedded"\npreset = "temporal-memory"\nmax_items = 2\n'
            '[servers.gone]\ntransport = "embedded"\npreset = "temporal-memory"'
        )
        async with MemoryManager(load_configuration(file), embedded=world.servers) as memory:
            synced = await memory.sync_all()
        assert synced.status == "partial"
        statuses = {each.server: (each.status, len(each.items)) for each in synced.servers}
        assert statuses == {"temporal-memory": ("partial", 2), "gone": ("failed", 0)}
        gone = next(each.answer.problem for each in synced.servers if each.server == "gone")
        assert gone is not None
        assert "gone is not part of this process" in gone.message


class TestWriting:
    async def test_what_is_added_is_remembered(self, memory: MemoryManager) -> None:
        written = await memory.add_memory("has a dog", kind="preference", subject="Hopper")
        listed = await memory.get_temporal_memory("preference")
        assert [(m.id, m.content) for m in listed.items] == [(written.id, "has a dog")]

    async def test_the_servers_refusal_is_quoted(self, memory: MemoryManager) -> None:
        with pytest.raises(IntegrationRejectedError, match="A subject is needed"):
            await memory.add_memory("has a dog")

    async def test_what_a_server_cannot_do_is_refused(self, memory: MemoryManager) -> None:
        with pytest.raises(MemoryOperationMissingError, match="it has no tool supersede_memory"):
            await memory.supersede_memory("m1", "new", server="temporal-memory")
        with pytest.raises(MemoryOperationMissingError, match="has no correct in its mapping"):
            await memory.correct_memory("m1", "new", server="hybrid-intelligence")
        with pytest.raises(UnknownMemoryServerError, match="temporal-memory"):
            await memory.add_memory("x", server="nowhere")

    def test_who_can_be_written_to(self) -> None:
        manager = MemoryManager(embedded_only())
        assert manager.writable() == {"temporal-memory": ("add", "supersede", "correct")}


class TestStates:
    async def test_begin_as_connecting_and_are_told_without_asking(
        self, memory: MemoryManager
    ) -> None:
        first = memory.states()
        assert [(s.name, s.status, s.tools) for s in first] == [
            ("temporal-memory", "connecting", ()),
            ("hybrid-intelligence", "connecting", ()),
        ]
        memory.connect()
        async with asyncio.timeout(HANG_SECONDS):
            while any(s.status != "connected" for s in memory.states()):
                await asyncio.sleep(0.01)
        after = memory.states()[0]
        assert after.tools == ("list_memories", "search_memories", "add_memory")
        assert after.since >= first[0].since

    async def test_the_check_tells_what_works_and_why_not(self, memory: MemoryManager) -> None:
        temporal, hybrid = await memory.check_servers()
        assert temporal.state.status == "connected"
        told = {each.operation: (each.works, each.count) for each in temporal.operations}
        assert told == {
            "list": (True, 3), "search": (True, 0), "context": (True, 3), "stats": (False, None),
            "add": (None, None), "supersede": (False, None), "correct": (False, None),
        }  # fmt: skip
        why = {each.operation: each.why for each in temporal.operations}
        assert "it has no tool memory_stats" in (why["stats"] or "")
        assert {each.operation: each.works for each in hybrid.operations} == {
            "list": True, "search": True, "stats": True,
        }  # fmt: skip

    async def test_a_closed_manager_answers_that_it_is_closed(self, memory: MemoryManager) -> None:
        await memory.get_temporal_memory()
        await memory.aclose()
        answer = await memory.get_temporal_memory()
        assert answer.silent == ("temporal-memory",)
        json.dumps([each.problem and each.problem.message for each in answer.servers])


async def test_what_was_too_slow_once_is_not_unreachable_for_ever(memory: MemoryManager) -> None:
    def state() -> tuple[str, str | None]:
        temporal = next(each for each in memory.states() if each.role == "temporal")
        return temporal.status, temporal.reason

    for works_again in (memory.get_temporal_memory, memory.look):
        await memory.get_temporal_memory()
        await memory.look(within=0)
        assert state()[0] == "unreachable"
        await works_again()
        assert state() == ("connected", None)


@pytest.mark.parametrize("year", [1, 9999])
def test_a_time_at_the_end_of_the_calendar_is_still_a_time(year: int) -> None:
    east, west = timezone(timedelta(hours=5)), timezone(-timedelta(hours=5))
    at = datetime(1, 1, 1, tzinfo=east) if year == 1 else datetime(9999, 12, 31, 23, tzinfo=west)
    found = in_utc(at)
    assert found is not None
    assert (found.year, found.tzinfo) == (year, UTC)
