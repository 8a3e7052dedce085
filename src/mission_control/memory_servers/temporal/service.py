"""Remembering: nothing is overwritten, and every answer can be had again as it was given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from pydantic import JsonValue

from mission_control.core.clock import utc_now
from mission_control.core.text_folding import folded
from mission_control.data.memories import Memory, MemoryFilter, Moment
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.memory_servers import cursors, inputs
from mission_control.memory_servers.errors import (
    MemoryInputError,
    MemoryNotCurrentError,
    MemoryNotFoundError,
)
from mission_control.memory_servers.temporal.items import (
    FoundMemories,
    MemoryHistory,
    MemoryItem,
    MemoryList,
    MemoryStats,
    item_of,
)
from mission_control.memory_servers.times import said
from mission_control.memory_servers.units import UnitsOfWork
from mission_control.memory_servers.words import words_of

BEFORE_EVERYTHING = datetime(1900, 1, 1, tzinfo=UTC)
MOST_RANKED = 2_000  # memories that hold a word of the question, the latest recorded first

Source = Mapping[str, JsonValue] | str | None


@dataclass(frozen=True, slots=True)
class TemporalMemory:
    """The rules of bi-temporal memory, over the database.

    Raises, from every method: MemoryInputError, MemoryNotFoundError, MemoryNotCurrentError,
    MemoryCursorError; nothing was stored then.
    """

    units: UnitsOfWork

    # ------------------------------------------------------------ reading

    async def memories(
        self,
        tier: str | int | None = "all",
        *,
        agent: str | None = None,
        as_of: str | None = None,
        known_at: str | None = None,
        limit: int = inputs.MOST_ITEMS,
        cursor: str | None = None,
    ) -> MemoryList:
        """What was true at `as_of`, as far as it was known at `known_at`; both now if left out."""
        wanted = _wanted(agent, tier)
        most = inputs.limit_of(limit)
        true_at, known = inputs.time_of("as_of", as_of), inputs.time_of("known_at", known_at)
        after = None
        if cursor:
            (true_at, known, last), last_id = cursors.decode(cursor, times=3)
            after = (last, last_id)
        async with self.units(readonly=True) as uow:
            moment = await _moment(uow, true_at, known)
            found = await uow.memories.at(moment, wanted, limit=most + 1, after=after)
        items = found[:most]
        has_more = len(found) > most
        return MemoryList(
            items=[item_of(each) for each in items],
            next_cursor=_cursor_after(moment, items[-1]) if has_more else None,
            as_of=said(moment.true_at),
            known_at=said(moment.known_at),
        )

    async def search(
        self,
        query: str,
        *,
        agent: str | None = None,
        tier: str | int | None = "all",
        limit: int = 20,
    ) -> FoundMemories:
        """What is true now and holds most of the words asked for; the important and the new first."""
        words = words_of(inputs.text_of("query", query, longest=inputs.LONGEST_QUERY))
        wanted, most = _wanted(agent, tier), inputs.limit_of(limit)
        if not words:
            return FoundMemories(items=[])
        async with self.units(readonly=True) as uow:
            moment = await _moment(uow, None, None)
            found = await uow.memories.holding(words, moment, wanted, limit=MOST_RANKED)
        scored = [(_score(each, words), each) for each in found]
        # The sort is stable: among equals the latest recorded stays first.
        scored.sort(key=lambda each: (-each[0], each[1].tier))
        return FoundMemories(items=[item_of(each, score=score) for score, each in scored[:most]])

    async def history(self, memory_id: str) -> MemoryHistory:
        async with self.units(readonly=True) as uow:
            memory = await _found(uow, memory_id)
            rows = await uow.memories.lineage(memory.lineage_id)
        return MemoryHistory(
            lineage_id=str(memory.lineage_id), items=[item_of(row) for row in rows]
        )

    async def stats(self) -> MemoryStats:
        async with self.units(readonly=True) as uow:
            tallies = await uow.memories.tallies(await _moment(uow, None, None))
            recorded, expired, lineages = await uow.memories.counts()
            last = await uow.memories.last_change()
        by_agent = [(each.agent, each.memories) for each in tallies]
        return MemoryStats(
            current=sum(each.memories for each in tallies),
            by_kind=_summed([(each.kind.value, each.memories) for each in tallies]),
            by_tier=_summed([(str(each.tier), each.memories) for each in tallies]),
            by_agent=_summed([(agent, count) for agent, count in by_agent if agent is not None]),
            for_every_agent=sum(count for agent, count in by_agent if agent is None),
            recorded=recorded,
            expired=expired,
            lineages=lineages,
            last_change_at=said(last),
        )

    # ------------------------------------------------------------ writing

    async def add(
        self,
        kind: str,
        content: str,
        *,
        subject: str | None = None,
        tier: int = 2,
        agent: str | None = None,
        valid_from: str | None = None,
        source: Source = None,
    ) -> MemoryItem:
        """Remember something new, true from `valid_from` on (left out: from now on)."""
        memory_id = uuid4()
        memory = Memory(
            id=memory_id,
            lineage_id=memory_id,
            kind=inputs.kind_of(kind),
            content=_content(content),
            subject=inputs.optional_text("subject", subject, longest=inputs.LONGEST_SUBJECT),
            tier=inputs.importance_of(tier),
            agent=inputs.agent_of(agent),
            source=inputs.source_of(source),
        )
        begins = inputs.time_of("valid_from", valid_from)
        async with self.units() as uow:
            memory.recorded_at = await uow.memories.begin_writing()
            memory.valid_from = begins or memory.recorded_at
            return await _kept(uow, memory)

    async def supersede(
        self,
        memory_id: str,
        content: str,
        *,
        valid_from: str | None = None,
        source: Source = None,
    ) -> MemoryItem:
        """Say what is true instead from `valid_from` on (left out: from now on).

        What was true until then stays so, with its end. A statement about earlier times is put
        where it belongs, and ends where the next one begins.
        """
        text, came_from = _content(content), inputs.source_of(source)
        begins = inputs.time_of("valid_from", valid_from)
        async with self.units() as uow:
            now = await uow.memories.begin_writing()
            told = await _current(uow, memory_id)
            story = _believed(await uow.memories.lineage(told.lineage_id))
            if told is not story[-1]:
                raise _superseded(story[-1])
            starts = begins or now
            following = [each for each in story if each.valid_from > starts]
            for each in story:
                if each.valid_from <= starts and (each.valid_to is None or each.valid_to > starts):
                    await _end(uow, each, at=starts, now=now)
            new = _successor(told, text, came_from, now)
            new.valid_from = starts
            new.valid_to = following[0].valid_from if following else None
            return await _kept(uow, new)

    async def correct(self, memory_id: str, content: str, *, source: Source = None) -> MemoryItem:
        """Say what was true all along: the same times, another content."""
        text = _content(content)
        came_from = None if source is None else inputs.source_of(source)
        async with self.units() as uow:
            now = await uow.memories.begin_writing()
            wrong = await _current(uow, memory_id)
            wrong.expired_at = now
            new = _successor(wrong, text, wrong.source if came_from is None else came_from, now)
            new.valid_from, new.valid_to = wrong.valid_from, wrong.valid_to
            return await _kept(uow, new)

    async def retract(self, memory_id: str, reason: str) -> MemoryItem:
        """Stop believing it. What came before it stays ended; what was answered, stays answered."""
        why = inputs.text_of("reason", reason, longest=inputs.LONGEST_REASON)
        async with self.units() as uow:
            now = await uow.memories.begin_writing()
            memory = await _current(uow, memory_id)
            memory.expired_at, memory.reason = now, why
            await uow.flush()
            return item_of(memory)


# -------------------------------------------------------------------- the rules


async def _found(uow: UnitOfWork, memory_id: str) -> Memory:
    found = await uow.memories.get(inputs.id_of(memory_id))
    if found is None:
        raise MemoryNotFoundError("There is no memory with this id; nothing was changed.")
    return found


async def _current(uow: UnitOfWork, memory_id: str) -> Memory:
    """The memory, if it is still believed. Raises MemoryNotCurrentError, telling what stands now."""
    found = await _found(uow, memory_id)
    if found.expired_at is None:
        return found
    story = _believed(await uow.memories.lineage(found.lineage_id))
    if not story:
        raise MemoryNotCurrentError(
            "This memory was retracted, and nothing has taken its place; nothing was changed. "
            "Add a new one.",
            newer=None,
        )
    raise _superseded(story[-1])


def _superseded(newer: Memory) -> MemoryNotCurrentError:
    return MemoryNotCurrentError(
        f"Somebody changed this memory meanwhile; nothing was changed now. The newest version is "
        f"{newer.id}: read it, and change that one if need be.",
        newer=str(newer.id),
    )


def _believed(lineage: Sequence[Memory]) -> list[Memory]:
    """In the order of the world's time. They never overlap."""
    standing = [each for each in lineage if each.expired_at is None]
    return sorted(standing, key=lambda each: each.valid_from)


async def _end(uow: UnitOfWork, memory: Memory, *, at: datetime, now: datetime) -> None:
    """Believe from now on that it was true until then only."""
    memory.expired_at = now
    if memory.valid_from < at:
        closed = _successor(memory, memory.content, memory.source, now)
        closed.supersedes_id = memory.supersedes_id  # it says the same, so it stands where that did
        closed.valid_from, closed.valid_to = memory.valid_from, at
        uow.memories.add(closed)


def _successor(
    memory: Memory, content: str, source: Mapping[str, JsonValue], now: datetime
) -> Memory:
    return Memory(
        id=uuid4(),
        lineage_id=memory.lineage_id,
        agent=memory.agent,
        kind=memory.kind,
        tier=memory.tier,
        subject=memory.subject,
        content=content,
        search_text=_search_text(memory.subject, content),
        recorded_at=now,
        supersedes_id=memory.id,
        source=dict(source),
    )


async def _kept(uow: UnitOfWork, memory: Memory) -> MemoryItem:
    memory.search_text = _search_text(memory.subject, memory.content)
    uow.memories.add(memory)
    await uow.flush()
    return item_of(memory)


def _content(content: str) -> str:
    return inputs.text_of("content", content, longest=inputs.LONGEST_CONTENT)


def _search_text(subject: str | None, content: str) -> str:
    return folded(f"{subject or ''}\n{content}")


# -------------------------------------------------------------------- reading


def _wanted(agent: str | None, tier: str | int | None) -> MemoryFilter:
    kind, importance = inputs.tier_of(tier)
    return MemoryFilter(agent=inputs.agent_of(agent), kind=kind, tier=importance)


async def _moment(uow: UnitOfWork, true_at: datetime | None, known_at: datetime | None) -> Moment:
    """What is asked for, known no later than the last change that can be seen here.

    Whoever writes at this moment gets a later time than that, so what is answered now is what will
    be answered for the same moment ever after.
    """
    now = utc_now()
    last = await uow.memories.last_change() or BEFORE_EVERYTHING
    # Never earlier than what was just recorded: clocks differ, and some are set back.
    if known_at is not None and known_at > max(now, last):
        raise MemoryInputError("known_at", "It lies in the future; what will be known is unknown.")
    # Left out means now.
    return Moment(true_at or max(now, last), min(known_at or last, last))


def _cursor_after(moment: Moment, last: Memory) -> str:
    return cursors.encode(moment.true_at, moment.known_at, last.recorded_at, last.id)


def _score(memory: Memory, words: Sequence[str]) -> float:
    """The share of the words asked for that it holds."""
    return round(sum(word in memory.search_text for word in words) / len(words), 4)


def _summed(counts: Sequence[tuple[str, int]]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for name, count in counts:
        summed[name] = summed.get(name, 0) + count
    return dict(sorted(summed.items()))
