"""What the hybrid intelligence answers, and what it takes in."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

Mode = Literal["fused", "lexical", "dense"]


# Without slots: the MCP SDK takes a slot for a default, and makes no schema then.


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A conversation, and the turn of it that answers best. `score` compares within one answer.

    `turns_found`: how many of its turns were among the best.
    """

    id: str
    conversation_id: str
    agent: str | None
    at: str
    speaker: str | None
    text: str
    summary: str | None
    score: float | None
    source: dict[str, JsonValue]
    turns_found: int = 1


@dataclass(frozen=True, kw_only=True)
class Hits:
    """`mode`: how it was searched. `notes`: why not as it was asked for."""

    items: list[Hit]
    mode: Mode
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class RecentConversations:
    items: list[Hit]
    next_cursor: str | None


@dataclass(frozen=True, kw_only=True)
class SpokenItem:
    position: int
    speaker: str | None
    text: str
    at: str | None


@dataclass(frozen=True, kw_only=True)
class ConversationItem:
    """`turns` from `offset` on; ask with `next_offset` for the rest."""

    id: str
    agent: str | None
    at: str
    title: str | None
    summary: str | None
    source: dict[str, JsonValue]
    turn_count: int
    turns: list[SpokenItem]
    next_offset: int | None


@dataclass(frozen=True, kw_only=True)
class DenseStats:
    """`texts`: turns and summaries. Those without a vector are found by their words only."""

    model: str
    texts: int
    with_vector: int
    without_vector: int


@dataclass(frozen=True, kw_only=True)
class IndexStats:
    """`dense` null: no embedding model is set, and the search goes by words alone."""

    conversations: int
    turns: int
    by_source: dict[str, int]
    by_agent: dict[str, int]
    last_indexed_at: str | None
    dense: DenseStats | None
    weights: dict[str, float]
    k: float


@dataclass(frozen=True, kw_only=True)
class GivenTurn:
    text: str
    speaker: str | None = None
    at: str | None = None


@dataclass(frozen=True, kw_only=True)
class GivenConversation:
    """A transcript to index: its turns, or a text whose lines are `Speaker: words`.

    `external_id` is its own id at home; the same one again replaces it.
    """

    external_id: str
    started_at: str
    agent: str | None = None
    title: str | None = None
    summary: str | None = None
    turns: list[GivenTurn] = field(default_factory=list[GivenTurn])
    transcript: str | None = None
    source: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])


@dataclass(frozen=True, kw_only=True)
class Indexed:
    """How many conversations were new, read otherwise than before, or as they were."""

    new: int
    changed: int
    unchanged: int
