"""What the memory servers say; where one is silent, what it said last, marked with its age."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from pydantic import JsonValue

from mission_control.api.memory.snapshots import MemorySnapshots, Snapshot
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.integrations.memory.items import (
    ConversationHit,
    Item,
    Memory,
    SearchHit,
    ServerAnswer,
)
from mission_control.integrations.memory.ranking import by_shared_words, ranked
from mission_control.integrations.memory.selection import (
    by_time,
    checked_query,
    checked_tier,
    is_for,
    is_of_tier,
)

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class ServerContribution:
    """What one server contributed. `stale_since`: it is silent, and this is what it said then."""

    answer: ServerAnswer
    count: int
    more: bool
    stale_since: datetime | None = None

    @property
    def is_missing(self) -> bool:
        """It is silent, and nothing is known of what it holds."""
        return self.answer.problem is not None and self.stale_since is None


@dataclass(frozen=True, slots=True)
class Read(Generic[ItemT]):
    """One answer from all servers."""

    items: tuple[ItemT, ...]
    servers: tuple[ServerContribution, ...]

    @property
    def stale(self) -> frozenset[str]:
        """The servers whose items are from a snapshot."""
        return frozenset(each.answer.server for each in self.servers if each.stale_since)


# -------------------------------------------------------------------- memories


async def memories(
    resources: Resources, *, tier: str = "all", as_of: datetime | None = None
) -> Read[Memory]:
    """What is remembered now, or was true at a time. Of the past there are no snapshots.

    Raises UnknownTierError.
    """
    wanted = checked_tier(tier)
    found = await resources.memory.get_temporal_memory(wanted, as_of)
    if as_of is not None:
        return Read(found.items, tuple(_fresh(each) for each in found.servers))
    if wanted == "all":
        await _keep(resources, found.servers, found.items)
    return await _filled(
        resources,
        found.servers,
        found.items,
        lambda each: isinstance(each, Memory) and is_of_tier(each, wanted, asked_for_tier=False),
    )


async def memories_for(
    resources: Resources, agent_id: str, *, within: float | None = None
) -> Read[Memory]:
    """What is remembered now for this agent and for all agents.

    A server that takes longer than `within` seconds is as good as silent.
    """
    found = await resources.memory.get_agent_context(agent_id, within=within)
    items = (*found.facts, *found.preferences, *found.context, *found.other)
    return await _filled(
        resources,
        found.servers,
        items,
        lambda each: isinstance(each, Memory) and is_for(each, agent_id) and is_current(each),
    )


def is_current(memory: Memory) -> bool:
    """Believed and true at this moment, as far as it says."""
    now = utc_now()
    begun = memory.valid_from is None or memory.valid_from <= now
    return (
        begun and memory.expired_at is None and (memory.valid_to is None or memory.valid_to > now)
    )


async def _filled(
    resources: Resources,
    answers: Sequence[ServerAnswer],
    items: Sequence[Memory],
    is_wanted: Callable[[Item], bool],
) -> Read[Memory]:
    """With the last snapshot of every server that is silent, or broke off."""
    snapshots = await _last(resources, answers)
    contributions, chosen = list[ServerContribution](), list[Memory]()
    for answer in answers:
        snapshot = snapshots.get(answer.server)
        if snapshot is None:
            contributions.append(_fresh(answer))
            chosen += [each for each in items if each.server == answer.server]
            continue
        kept = [each for each in snapshot.items if isinstance(each, Memory) and is_wanted(each)]
        contributions.append(ServerContribution(answer, len(kept), snapshot.more, snapshot.at))
        chosen += kept
    return Read(tuple(sorted(chosen, key=by_time)), tuple(contributions))


# -------------------------------------------------------------------- conversations


async def recent_conversations(resources: Resources, *, limit: int) -> Read[ConversationHit]:
    """The newest, newest first."""
    found = await resources.memory.get_recent_conversations(limit)
    snapshots = await _last(resources, found.servers)
    kept = [
        each
        for snapshot in snapshots.values()
        for each in snapshot.items
        if isinstance(each, ConversationHit)
    ]
    fresh = [each for each in found.items if each.server not in snapshots]
    items = sorted([*fresh, *kept], key=lambda each: _newest(each.at))[:limit]
    return Read(tuple(items), _contributions(found.servers, snapshots, kept))


async def search_conversations(
    resources: Resources, query: str, *, agent_id: str | None, limit: int
) -> Read[ConversationHit]:
    """Best first; what comes from snapshots comes last. Raises MemoryQueryError."""
    found = await resources.memory.search_hybrid_intelligence(query, agent=agent_id, limit=limit)
    snapshots = await _last(resources, found.servers)
    kept = [
        each
        for each in _in_snapshots(query, snapshots)
        if isinstance(each, ConversationHit) and (agent_id is None or is_for(each, agent_id))
    ]
    fresh = [each for each in found.items if each.server not in snapshots]
    return Read((*fresh, *kept)[:limit], _contributions(found.servers, snapshots, kept))


@dataclass(frozen=True, slots=True)
class StatsRead:
    stats: dict[str, JsonValue]
    servers: tuple[ServerContribution, ...]


async def statistics(resources: Resources) -> StatsRead:
    """What the servers say of their indexes."""
    found = await resources.memory.get_hybrid_intelligence_stats()
    snapshots = MemorySnapshots(resources.redis)
    stats, contributions = dict(found.stats), list[ServerContribution]()
    for answer in found.servers:
        if answer.problem is None:
            await snapshots.keep_stats(answer.server, stats[answer.server])
            contributions.append(_fresh(answer))
            continue
        last = await snapshots.last_stats(answer.server)
        if last is not None:
            stats[answer.server] = last.stats
        contributions.append(
            ServerContribution(
                answer, int(last is not None), more=False, stale_since=last and last.at
            )
        )
    return StatsRead(stats, tuple(contributions))


# -------------------------------------------------------------------- searching everything


async def search(resources: Resources, query: str, *, limit: int) -> Read[SearchHit]:
    """One ranked answer from every server; what comes from snapshots comes last.

    Raises MemoryQueryError.
    """
    text = checked_query(query)
    found = await resources.memory.search(text, limit=limit)
    snapshots = await _last(resources, found.servers)
    kept = _in_snapshots(text, snapshots)
    by_server = {name: [each for each in kept if each.server == name] for name in snapshots}
    known = {hit.item.text for hit in found.hits}
    stale = [
        hit
        for hit in ranked(text, by_server, weights={}, limit=limit)
        if hit.item.text not in known
    ]
    return Read((*found.hits, *stale)[:limit], _contributions(found.servers, snapshots, kept))


# -------------------------------------------------------------------- snapshots


async def _keep(
    resources: Resources, answers: Iterable[ServerAnswer], items: Sequence[Item]
) -> None:
    snapshots = MemorySnapshots(resources.redis)
    for answer in answers:
        if answer.problem is None:
            its_own = [each for each in items if each.server == answer.server]
            await snapshots.keep(answer.server, its_own, more=answer.more)


async def _last(resources: Resources, answers: Iterable[ServerAnswer]) -> dict[str, Snapshot]:
    """The snapshots of those that did not answer, or not wholly."""
    silent = [each.server for each in answers if each.problem is not None]
    snapshots = MemorySnapshots(resources.redis)
    found = await asyncio.gather(*(snapshots.last(name) for name in silent))
    return {name: each for name, each in zip(silent, found, strict=True) if each is not None}


def _in_snapshots(query: str, snapshots: dict[str, Snapshot]) -> list[Item]:
    items = [each for snapshot in snapshots.values() for each in snapshot.items]
    return by_shared_words(query, items)


def _contributions(
    answers: Iterable[ServerAnswer], snapshots: dict[str, Snapshot], kept: Sequence[Item]
) -> tuple[ServerContribution, ...]:
    contributions = list[ServerContribution]()
    for answer in answers:
        snapshot = snapshots.get(answer.server)
        if snapshot is None:
            contributions.append(_fresh(answer))
        else:
            count = sum(each.server == answer.server for each in kept)
            contributions.append(ServerContribution(answer, count, snapshot.more, snapshot.at))
    return tuple(contributions)


def _fresh(answer: ServerAnswer) -> ServerContribution:
    return ServerContribution(answer, answer.count, answer.more)


def _newest(at: datetime | None) -> float:
    return -at.timestamp() if at is not None else 0.0
