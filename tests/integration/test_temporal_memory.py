"""Temporal memory on both databases: nothing is lost, and no answer ever changes afterwards."""

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client
from sqlalchemy import text

from mission_control.core.clock import utc_now
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.memory.config.reading import embedded_only
from mission_control.integrations.memory_manager import MemoryManager
from mission_control.memory_servers.errors import (
    MemoryCursorError,
    MemoryInputError,
    MemoryNotCurrentError,
    MemoryNotFoundError,
)
from mission_control.memory_servers.hybrid.server import build_hybrid_server
from mission_control.memory_servers.temporal.items import MemoryItem
from mission_control.memory_servers.temporal.server import build_temporal_server
from mission_control.memory_servers.temporal.service import TemporalMemory

DAY = timedelta(days=1)
START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: float) -> str:
    return (START + number * DAY).isoformat()


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[TemporalMemory]:
    engine = create_engine(url)
    try:
        yield TemporalMemory(partial(UnitOfWork, create_sessions(engine)))
    finally:
        await engine.dispose()


@pytest.fixture
async def memory(database_url: str) -> AsyncGenerator[TemporalMemory]:
    async with opened(database_url) as found:
        yield found


async def contents(memory: TemporalMemory, **asked: Any) -> set[str]:
    return {each.content for each in (await memory.memories(**asked)).items}


class TestSuperseding:
    async def test_what_was_true_stays_true_until_then(self, memory: TemporalMemory) -> None:
        old = await memory.add("fact", "The fee is 10 EUR", valid_from=day(0), subject="fee")
        new = await memory.supersede(old.id, "The fee is 12 EUR", valid_from=day(10))

        assert new.supersedes == old.id
        assert new.lineage_id == old.lineage_id
        assert await contents(memory) == {"The fee is 12 EUR"}
        assert await contents(memory, as_of=day(5)) == {"The fee is 10 EUR"}
        assert await contents(memory, as_of=day(-1)) == set()
        # What we believed before we heard of it: that it was still 10.
        before = {"as_of": day(20), "known_at": old.recorded_at}
        assert await contents(memory, **before) == {"The fee is 10 EUR"}

    async def test_a_late_fact_is_born_closed(self, memory: TemporalMemory) -> None:
        new = await memory.add("fact", "lives in Bonn", valid_from=day(10))
        late = await memory.supersede(new.id, "lives in Ulm", valid_from=day(2))

        assert late.valid_to == new.valid_from
        assert await contents(memory) == {"lives in Bonn"}
        assert await contents(memory, as_of=day(3)) == {"lives in Ulm"}
        # The newer one was not touched: its id can still be superseded.
        await memory.supersede(new.id, "lives in Kiel", valid_from=day(20))
        assert await contents(memory, as_of=day(15)) == {"lives in Bonn"}

    async def test_a_contradiction_from_the_same_moment_replaces(
        self, memory: TemporalMemory
    ) -> None:
        one = await memory.add("fact", "closed on Mondays", valid_from=day(0))
        await memory.supersede(one.id, "closed on Fridays", valid_from=day(0))

        assert await contents(memory, as_of=day(1)) == {"closed on Fridays"}
        history = await memory.history(one.id)
        assert [each.content for each in history.items] == [
            "closed on Mondays", "closed on Fridays",
        ]  # fmt: skip
        assert history.items[0].expired_at is not None

    async def test_of_two_writers_one_is_told_the_newer_version(
        self, memory: TemporalMemory
    ) -> None:
        old = await memory.add("fact", "as it was")
        results = await asyncio.gather(
            *(memory.supersede(old.id, f"writer {n}") for n in range(4)), return_exceptions=True
        )
        won = [each for each in results if isinstance(each, MemoryItem)]
        lost = [each for each in results if isinstance(each, MemoryNotCurrentError)]
        assert (len(won), len(lost)) == (1, 3)
        assert {each.newer for each in lost} == {won[0].id}
        assert all(won[0].id in each.message for each in lost)
        assert await contents(memory) == {won[0].content}

    async def test_two_processes_write_at_once(self, database_url: str) -> None:
        """Each with an engine of its own, as two servers have."""
        async with opened(database_url) as one, opened(database_url) as other:
            old = await one.add("fact", "as it was")
            results = await asyncio.gather(
                one.supersede(old.id, "one"), other.supersede(old.id, "other"),
                return_exceptions=True,
            )  # fmt: skip
            assert sorted(type(each).__name__ for each in results) == [
                "MemoryItem", "MemoryNotCurrentError",
            ]  # fmt: skip


class TestCorrectingAndRetracting:
    async def test_a_correction_keeps_the_times_and_where_it_came_from(
        self, memory: TemporalMemory
    ) -> None:
        wrong = await memory.add(
            "preference", "prefers tee", valid_from=day(0), source={"call": "c1"}, agent="remus"
        )
        right = await memory.correct(wrong.id, "prefers tea")

        assert (right.valid_from, right.valid_to) == (wrong.valid_from, None)
        assert (right.source, right.agent, right.kind) == ({"call": "c1"}, "remus", "preference")
        assert await contents(memory, as_of=day(1)) == {"prefers tea"}
        with pytest.raises(MemoryNotCurrentError) as refused:
            await memory.correct(wrong.id, "prefers coffee")
        assert refused.value.newer == right.id

    async def test_what_is_retracted_is_gone_now_and_stays_in_the_past(
        self, memory: TemporalMemory
    ) -> None:
        one = await memory.add("context", "campaign runs")
        before = await memory.memories()
        gone = await memory.retract(one.id, "It was another company.")

        assert gone.reason == "It was another company."
        assert await contents(memory) == set()
        asked = {"as_of": before.as_of, "known_at": before.known_at}
        assert await contents(memory, **asked) == {"campaign runs"}
        with pytest.raises(MemoryNotCurrentError, match="retracted"):
            await memory.supersede(one.id, "campaign ended")


class TestReading:
    async def test_tiers_agents_and_pages(self, memory: TemporalMemory) -> None:
        for number in range(7):
            kind, agent = ("fact", "preference")[number % 2], (None, "remus", "scout")[number % 3]
            await memory.add(kind, f"number {number}", tier=number % 3 + 1, agent=agent)

        assert await contents(memory, tier="preference") == {"number 1", "number 3", "number 5"}
        assert await contents(memory, tier=2) == {"number 1", "number 4"}
        assert await contents(memory, agent="remus") == {f"number {n}" for n in (0, 1, 3, 4, 6)}
        first = await memory.memories(limit=3)
        await memory.add("fact", "came in between")
        second = await memory.memories(limit=3, cursor=first.next_cursor)
        third = await memory.memories(limit=3, cursor=second.next_cursor)
        read = [each.content for page in (first, second, third) for each in page.items]
        assert read == [f"number {n}" for n in range(6, -1, -1)]
        assert third.next_cursor is None

    async def test_search_finds_words_in_any_case_the_most_of_them_first(
        self, memory: TemporalMemory
    ) -> None:
        await memory.add("fact", "The Übersee warehouse opens at nine")
        await memory.add("fact", "warehouse rent", tier=1)
        await memory.add("fact", "100% cotton_shirt")
        found = await memory.search("when does the ÜBERSEE WAREHOUSE open?")
        assert [each.content for each in found.items] == [
            "The Übersee warehouse opens at nine", "warehouse rent",
        ]  # fmt: skip
        assert (await memory.search("% _ ' \" AND (")).items == []
        assert len((await memory.search("cotton")).items) == 1

    async def test_stats_count_what_is_there(self, memory: TemporalMemory) -> None:
        one = await memory.add("fact", "a", agent="remus")
        await memory.supersede(one.id, "b")
        await memory.add("preference", "c", tier=1)
        stats = await memory.stats()
        assert (stats.current, stats.recorded, stats.expired, stats.lineages) == (2, 4, 1, 2)
        assert (stats.by_kind, stats.by_agent) == ({"fact": 1, "preference": 1}, {"remus": 1})
        assert stats.for_every_agent == 1


REFUSED: list[tuple[str, dict[str, Any], type[Exception]]] = [
    ("add", {"kind": "rumour", "content": "x"}, MemoryInputError),
    ("add", {"kind": "fact", "content": " "}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x" * 10_000_000}, MemoryInputError),
    ("add", {"kind": "fact", "content": "a\x00b"}, MemoryInputError),
    ("add", {"kind": "fact", "content": "half \ud800"}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x", "tier": 4}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x", "agent": "../etc"}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x", "valid_from": "yesterday"}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x", "valid_from": "2026-02-30"}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x", "valid_from": "2026-02-03T10:00"}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x", "valid_from": "9999-12-31"}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x", "source": {"a": "\x00"}}, MemoryInputError),
    ("add", {"kind": "fact", "content": "x", "source": {"a": float("nan")}}, MemoryInputError),
    ("supersede", {"memory_id": "nobody", "content": "x"}, MemoryNotFoundError),
    ("memories", {"tier": "secret"}, MemoryInputError),
    ("memories", {"limit": 0}, MemoryInputError),
    ("memories", {"cursor": "!!!"}, MemoryCursorError),
    ("memories", {"cursor": "WzEsMiwzLDRd"}, MemoryCursorError),
    ("memories", {"known_at": "2999-01-01"}, MemoryInputError),
    ("search", {"query": "word " * 10_000}, MemoryInputError),
]


async def test_a_clock_that_was_set_back_breaks_off_no_list(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sqlite_url) as memory:
        with monkeypatch.context() as ahead:
            ahead.setattr("mission_control.data.memories.utc_now", lambda: utc_now() + DAY)
            for content in ("one", "two"):
                await memory.add("fact", content)
        first = await memory.memories(limit=1)
        second = await memory.memories(limit=1, cursor=first.next_cursor)
        assert [each.content for each in (*first.items, *second.items)] == ["two", "one"]


async def test_bad_input_is_named_and_nothing_is_stored(sqlite_url: str) -> None:
    async with opened(sqlite_url) as memory:
        for method, given_, error in REFUSED:
            with pytest.raises(error):
                await getattr(memory, method)(**given_)
        assert (await memory.stats()).recorded == 0


async def test_the_tools_answer_with_objects_and_say_why_they_refuse(sqlite_url: str) -> None:
    async with opened(sqlite_url) as memory, Client(build_temporal_server(memory.units)) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {
            "list_memories", "search_memories", "add_memory", "supersede_memory", "correct_memory",
            "retract_memory", "memory_history", "memory_stats",
        }  # fmt: skip
        added = await client.call_tool(
            "add_memory", {"kind": "fact", "content": "x", "source": "y"}
        )
        assert added.structured_content is not None
        assert added.structured_content["source"] == {"note": "y"}
        listed = await client.call_tool("list_memories", {"tier": 2})
        assert listed.structured_content is not None
        assert [each["content"] for each in listed.structured_content["items"]] == ["x"]
        refused = await client.call_tool("list_memories", {"tier": "secret"})
        assert refused.is_error
        assert "memory_input_invalid: tier: It is none of all, fact" in refused.content[0].text  # type: ignore[union-attr]


async def test_the_memory_manager_reads_and_writes_it_as_its_preset_says(database_url: str) -> None:
    async with opened(database_url) as memory:
        ours = {
            "temporal-memory": build_temporal_server(memory.units),
            "hybrid-intelligence": build_hybrid_server(memory.units),
        }
        async with MemoryManager(embedded_only(), embedded=ours) as manager:
            written = await manager.add_memory(
                "likes tea", kind="preference", agent="remus", tier=1
            )
            assert written.id is not None
            await manager.supersede_memory(written.id, "likes coffee", server="temporal-memory")
            now = await manager.get_temporal_memory("preference")
            assert [each.content for each in now.items] == ["likes coffee"]
            assert now.is_complete
            found = await manager.search("coffee")
            assert [hit.item.text for hit in found.hits] == ["likes coffee"]
            synced = await manager.sync_all()
            assert {each.status for each in synced.servers} == {"completed"}
            problems = {
                each.operation: each.why
                for server in await manager.check_servers()
                for each in server.operations
                if each.works is False or each.tool is None
            }
            assert problems == {}


# -------------------------------------------------------------------- for any story

steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "supersede", "supersede", "correct", "retract"]),
        st.integers(0, 5),  # which of the memories there are
        st.one_of(st.none(), st.integers(-5, 40)),  # from which day on; None: now
    ),
    min_size=3,
    max_size=10,
)


class TestForAnyStory:
    """The first answer to a question is the answer for ever, and one story never says two things."""

    @given(story=steps)
    @settings(
        max_examples=int(os.environ.get("MEMORY_EXAMPLES", "8")), deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )  # fmt: skip
    def test_on_sqlite(self, story: list[Any], migrated_sqlite: Path, tmp_path: Path) -> None:
        place = tmp_path / "story"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(migrated_sqlite, place)
        run(told(story, f"sqlite+aiosqlite:///{place / 'database.db'}"))

    @given(story=steps)
    @settings(
        max_examples=int(os.environ.get("MEMORY_EXAMPLES", "8")), deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )  # fmt: skip
    def test_on_postgres(self, story: list[Any], postgres_url: str) -> None:
        run(told(story, postgres_url))


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def told(story: list[tuple[str, int, int | None]], url: str) -> None:
    async with opened(url) as memory:
        async with memory.units() as uow:
            await uow.memories._session.execute(text("DELETE FROM memories"))
        ids: list[str] = []
        answered: dict[tuple[str, str], list[MemoryItem]] = {}
        for number, (what, which, since) in enumerate(story):
            await step(memory, ids, what, which, since, f"statement {number}")
            for at in (None, day(-10), day(7.5), day(20)):
                page = await memory.memories(as_of=at)
                answered.setdefault((page.as_of, page.known_at), page.items)
        for (as_of, known_at), items in answered.items():
            again = await memory.memories(as_of=as_of, known_at=known_at)
            assert told_by(again.items) == told_by(items)
            lineages = [each.lineage_id for each in items]
            assert len(lineages) == len(set(lineages))
        for memory_id in ids:
            await check_history(memory, memory_id)


async def step(
    memory: TemporalMemory, ids: list[str], what: str, which: int, since: int | None, content: str
) -> None:
    at = None if since is None else day(since)
    if what == "add" or not ids:
        ids.append((await memory.add("fact", content, valid_from=at)).id)
        return
    known = ids[which % len(ids)]
    try:
        if what == "supersede":
            ids.append((await memory.supersede(known, content, valid_from=at)).id)
        elif what == "correct":
            ids.append((await memory.correct(known, content)).id)
        else:
            await memory.retract(known, "no longer believed")
    except MemoryNotCurrentError as refused:
        if refused.newer is not None:
            ids.append(refused.newer)


def told_by(items: list[MemoryItem]) -> list[tuple[str, str, str, str | None]]:
    return [(each.id, each.content, each.valid_from, each.valid_to) for each in items]


async def check_history(memory: TemporalMemory, memory_id: str) -> None:
    items = (await memory.history(memory_id)).items
    assert memory_id in {each.id for each in items}
    believed = sorted((e for e in items if e.expired_at is None), key=lambda e: e.valid_from)
    for one, following in pairwise(believed):
        assert one.valid_to is not None
        assert one.valid_to <= following.valid_from
    assert all(each.valid_to is None or each.valid_from < each.valid_to for each in items)
    assert all(each.expired_at is None or each.recorded_at < each.expired_at for each in items)
