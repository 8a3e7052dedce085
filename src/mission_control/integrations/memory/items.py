"""What memory servers hold and answer, in our types; the server's own item travels along as `raw`."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import JsonValue

Kind = Literal["fact", "preference", "context"]
Status = Literal["connected", "connecting", "unreachable", "non-conforming", "unauthorised"]


@dataclass(frozen=True, slots=True)
class Memory:
    """One thing remembered. `parsed` is False when the server answered in prose, kept whole.

    `id` is the server's; where it has none, a digest of the content. `tier` is 1 (important) to 3.
    """

    server: str
    id: str
    content: str
    kind: Kind | None
    tier: int | None
    agent: str | None
    subject: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    recorded_at: datetime | None
    expired_at: datetime | None
    supersedes: str | None
    source: JsonValue
    score: float | None
    parsed: bool
    raw: JsonValue

    @property
    def text(self) -> str:
        return self.content

    @property
    def happened_at(self) -> datetime | None:
        return self.valid_from or self.recorded_at


@dataclass(frozen=True, slots=True)
class ConversationHit:
    """A turn or a conversation that answers a query. `score` is the server's own, of its own scale."""

    server: str
    id: str
    text: str
    conversation_id: str | None
    agent: str | None
    at: datetime | None
    speaker: str | None
    summary: str | None
    score: float | None
    source: JsonValue
    parsed: bool
    raw: JsonValue

    @property
    def happened_at(self) -> datetime | None:
        return self.at


Item = Memory | ConversationHit


@dataclass(frozen=True, slots=True)
class ServerProblem:
    """Why a server did not answer, or not wholly. `code` is an error's."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What one server contributed to an answer.

    `problem` is None when it answered wholly. `more`: it has more than was read. `notes`: what is
    to be known about how its answer came about.
    """

    server: str
    count: int
    duration_ms: int
    problem: ServerProblem | None = None
    more: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _FromServers:
    servers: tuple[ServerAnswer, ...]

    @property
    def silent(self) -> tuple[str, ...]:
        """The servers that did not answer, or not wholly."""
        return tuple(each.server for each in self.servers if each.problem is not None)

    @property
    def is_complete(self) -> bool:
        return not self.silent


@dataclass(frozen=True, slots=True)
class TemporalMemory(_FromServers):
    """Memories in time order, oldest first; those without a date come last."""

    items: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class HybridAnswer(_FromServers):
    """Best first."""

    items: tuple[ConversationHit, ...]


@dataclass(frozen=True, slots=True)
class HybridStats(_FromServers):
    """What each server says of its index, in its own words."""

    stats: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class AgentContext(_FromServers):
    """What is remembered for one agent and for all agents, in time order."""

    agent: str
    facts: tuple[Memory, ...]
    preferences: tuple[Memory, ...]
    context: tuple[Memory, ...]
    other: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class FoundAt:
    """Where a hit came from: the server, its id there, its rank (from 1) and the server's score."""

    server: str
    id: str
    rank: int
    score: float | None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One answer, however many servers hold it. `score` only orders the hits of one search."""

    item: Item
    score: float
    found: tuple[FoundAt, ...]


@dataclass(frozen=True, slots=True)
class SearchAnswer(_FromServers):
    """One ranked answer from every server, best first."""

    hits: tuple[SearchHit, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """A change that a server confirmed. `id`: of what it made, where it says so."""

    server: str
    id: str | None
    raw: JsonValue


@dataclass(frozen=True, slots=True)
class SyncedServer:
    """Everything that one server holds, or what was read of it before `problem`.

    `status`: `completed`, `partial` (something was read, not everything) or `failed`.
    """

    server: str
    status: Literal["completed", "partial", "failed"]
    items: tuple[Item, ...]
    answer: ServerAnswer


@dataclass(frozen=True, slots=True)
class SyncReport:
    servers: tuple[SyncedServer, ...]

    @property
    def status(self) -> Literal["completed", "partial", "failed"]:
        """`completed` only when every server was read wholly."""
        said = {each.status for each in self.servers}
        if said <= {"completed"}:
            return "completed"
        return "failed" if said == {"failed"} else "partial"


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """`phase`: `connecting`, `reading`, then `completed`, `partial` or `failed`."""

    server: str
    phase: Literal["connecting", "reading", "completed", "partial", "failed"]
    count: int
    problem: ServerProblem | None = None


Report = Callable[[SyncProgress], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ServerState:
    """`since`: when it came to this status. `tools`: found when it was last connected."""

    name: str
    role: Literal["temporal", "hybrid", "both"]
    transport: Literal["stdio", "http", "embedded"]
    status: Status
    reason: str | None
    since: datetime
    tools: tuple[str, ...]
    protocol: str | None


@dataclass(frozen=True, slots=True)
class CheckedOperation:
    """`works`: True, False, or None for a write, which is looked up and never tried."""

    server: str
    operation: str
    tool: str | None
    works: bool | None
    count: int | None
    duration_ms: int | None
    why: str | None


@dataclass(frozen=True, slots=True)
class CheckedServer:
    state: ServerState
    operations: tuple[CheckedOperation, ...]
