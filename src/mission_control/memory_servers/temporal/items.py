"""What the temporal memory answers."""

from dataclasses import dataclass

from pydantic import JsonValue

from mission_control.data.memories import Memory
from mission_control.memory_servers.times import said

# Without slots: the MCP SDK takes a slot for a default, and makes no schema then.


@dataclass(frozen=True, kw_only=True)
class MemoryItem:
    """`valid_*`: when it is true. `recorded_at`, `expired_at`: when it was believed. RFC 3339, UTC.

    `agent` null: for every agent. `tier`: 1 (important) to 3. `reason`: why it was retracted.
    """

    id: str
    lineage_id: str
    kind: str
    tier: int
    agent: str | None
    subject: str | None
    content: str
    valid_from: str
    valid_to: str | None
    recorded_at: str
    expired_at: str | None
    supersedes: str | None
    reason: str | None
    source: dict[str, JsonValue]
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class MemoryList:
    """Asking again with this `as_of` and `known_at` gives the same answer for ever."""

    items: list[MemoryItem]
    next_cursor: str | None
    as_of: str
    known_at: str


@dataclass(frozen=True, kw_only=True)
class FoundMemories:
    items: list[MemoryItem]


@dataclass(frozen=True, kw_only=True)
class MemoryHistory:
    """Everything ever recorded of one story, in the order in which it was recorded."""

    lineage_id: str
    items: list[MemoryItem]


@dataclass(frozen=True, kw_only=True)
class MemoryStats:
    """`current`: true now. `recorded`: all rows there are, `expired` ones among them."""

    current: int
    by_kind: dict[str, int]
    by_tier: dict[str, int]
    by_agent: dict[str, int]
    for_every_agent: int
    recorded: int
    expired: int
    lineages: int
    last_change_at: str | None


def item_of(memory: Memory, *, score: float | None = None) -> MemoryItem:
    return MemoryItem(
        id=str(memory.id),
        lineage_id=str(memory.lineage_id),
        kind=memory.kind.value,
        tier=memory.tier,
        agent=memory.agent,
        subject=memory.subject,
        content=memory.content,
        valid_from=said(memory.valid_from),
        valid_to=said(memory.valid_to),
        recorded_at=said(memory.recorded_at),
        expired_at=said(memory.expired_at),
        supersedes=str(memory.supersedes_id) if memory.supersedes_id else None,
        reason=memory.reason,
        source=memory.source,
        score=score,
    )
