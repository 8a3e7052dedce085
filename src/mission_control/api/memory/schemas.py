"""Wire shapes of the memory."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.agent_context import ContextSettings
from mission_control.core.request_values import MomentOrDay, RequestBody
from mission_control.core.words import MemoryKind

# PostgreSQL stores no text that holds NUL.
Content = Annotated[
    str, StringConstraints(max_length=100_000, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")
]
Word = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")]
ServerName = Annotated[str, Field(max_length=64, examples=["temporal-memory"])]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
ServerStatus = Literal["connected", "connecting", "unreachable", "non-conforming", "unauthorised"]


# -------------------------------------------------------------------- servers


class ServerTold(BaseModel):
    """What one server contributed to an answer.

    `stale_since`: it is silent, and this is what it said then. With an error and without
    `stale_since`, nothing of it is in the answer.
    """

    server: str
    count: int
    duration_ms: int
    error: ErrorRead | None
    stale_since: datetime | None
    age_seconds: int | None = Field(description="Of what is stale.")
    more: bool = Field(description="It holds more than was read.")
    notes: list[str]


class ServerRead(BaseModel):
    """A memory server as it was last known; nothing is asked."""

    name: ServerName
    role: Literal["temporal", "hybrid", "both"]
    transport: Literal["stdio", "http", "embedded"]
    status: ServerStatus
    reason: str | None
    since: datetime
    tools: list[str]
    writes: list[Literal["add", "supersede", "correct"]]


class ServerList(BaseModel):
    servers: list[ServerRead]


# -------------------------------------------------------------------- memories


class MemoryRead(BaseModel):
    """One thing remembered. `ref` names it among all servers."""

    ref: str
    server: str
    id: str
    content: str
    kind: MemoryKind | None
    tier: int | None = Field(description="Importance: 1 (important) to 3.")
    agent: str | None = Field(description="null: for every agent, or not said")
    subject: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    recorded_at: datetime | None
    expired_at: datetime | None
    supersedes: str | None
    source: JsonValue
    stale: bool


class MemoryCounts(BaseModel):
    """Of everything that answers the question, not only of what is shown."""

    all: int
    by_kind: dict[str, int] = Field(examples=[{"fact": 26, "preference": 26, "context": 5}])
    by_tier: dict[str, int] = Field(examples=[{"1": 9, "2": 31, "unknown": 17}])


class TemporalRead(BaseModel):
    """In time order, oldest first; those without a date come last."""

    items: list[MemoryRead]
    counts: MemoryCounts
    servers: list[ServerTold]


class ConversationRead(BaseModel):
    """A turn or a conversation. `score` is its server's own, of its own scale."""

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
    stale: bool


class HybridRead(BaseModel):
    """Without a query the newest conversations, with one the best first."""

    items: list[ConversationRead]
    stats: dict[str, JsonValue] = Field(description="By server, in its own words.")
    servers: list[ServerTold]


# -------------------------------------------------------------------- searching


class SearchRequest(RequestBody):
    """What to look for, in a few words."""

    query: str = Field(
        max_length=4_000, pattern=r"[^\s\x00]", examples=["when do callers like to be called"]
    )
    limit: int = Field(default=20, ge=1, le=200)


class FoundAtRead(BaseModel):
    """A place where a hit was found: its rank there, from 1, and the server's own score."""

    server: str
    id: str
    rank: int
    score: float | None


class HitRead(BaseModel):
    """One answer, however many servers hold it. One of `memory` and `conversation` is given."""

    memory: MemoryRead | None
    conversation: ConversationRead | None
    score: float = Field(description="It only orders the hits of one search.")
    found: list[FoundAtRead]


class SearchRead(BaseModel):
    """Best first; what comes from snapshots of silent servers comes last."""

    hits: list[HitRead]
    servers: list[ServerTold]


# -------------------------------------------------------------------- writing


class MemoryCreate(RequestBody):
    """Something to remember, at the named server or at the first that can."""

    content: Content
    kind: Annotated[MemoryKind, Field(strict=False)] = MemoryKind.FACT
    subject: Word | None = None
    tier: Annotated[int, Field(ge=1, le=3)] | None = None
    agent_id: Slug | None = Field(default=None, description="null: for every agent")
    valid_from: MomentOrDay | None = Field(default=None, description="Left out: from now on.")
    source: Word | None = Field(default=None, description="Where this is known from.")
    server: ServerName | None = None


class MemorySupersede(RequestBody):
    """What is true instead, from a time on. What was true before stays remembered."""

    server: ServerName
    content: Content
    valid_from: MomentOrDay | None = Field(default=None, description="Left out: from now on.")
    source: Word | None = None


class MemoryCorrect(RequestBody):
    """What was true all along. What we believed before stays visible in the past."""

    server: ServerName
    content: Content
    source: Word | None = None


class WrittenRead(BaseModel):
    """A change that a server confirmed. `id`: of what it made, where it says so."""

    server: str
    id: str | None


# -------------------------------------------------------------------- context


class ContextWrite(RequestBody):
    """`based_on`: the number that was read; given, nothing is saved if there is a newer one."""

    settings: ContextSettings
    note: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$")
    based_on: int | None = Field(default=None, ge=0, description="0: there was none.")


class ContextPreview(RequestBody):
    settings: ContextSettings


class ContextLine(BaseModel):
    """A memory as the prompt says it."""

    memory: MemoryRead
    text: str
    tokens: int
    pinned: bool


class ContextRead(BaseModel):
    """What is loaded into an agent, chosen now.

    `number`: null while nothing is saved, or after a reset: then nothing is loaded, and what is
    shown is what the usual settings would load.
    """

    agent_id: str
    number: int | None
    latest: int = Field(description="The newest version, resets too; 0: none. For `based_on`.")
    note: str
    created_at: datetime | None
    settings: ContextSettings
    items: list[ContextLine]
    text: str = Field(description="All of it, as it stands in the prompt.")
    tokens: int = Field(description="An estimate: 4 characters are one token.")
    left_out: int = Field(description="Wanted too, but beyond the budget.")
    servers: list[ServerTold]


class ContextVersion(BaseModel):
    """`settings` null: a reset."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    settings: ContextSettings | None
    note: str
    created_at: datetime


class ContextVersionPage(BaseModel):
    items: list[ContextVersion]
    next_cursor: str | None


class ContextExport(BaseModel):
    """An agent's context as a document: its settings, and what they choose at this moment."""

    exported_at: datetime
    context: ContextRead
