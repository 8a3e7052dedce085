"""Conversations: what was said in calls and imported transcripts, indexed for search."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.text_folding import all_words
from mission_control.core.words import ConversationSource
from mission_control.data.base import Base, Record
from mission_control.data.calls import Call, CallContent, batched
from mission_control.data.turn_search import ConversationFilter, TurnSearch

WRITE_LOCK = 742_109_333  # any number, the same in every process
SUMMARY_POSITION = -1  # where a summary stands, so that it is found as what was said is


class Conversation(Record):
    """`created_at` is when it was indexed, `started_at` when it took place."""

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_conversations_started_at_id", "started_at", "id"),
        Index("ix_conversations_agent_started_at", "agent", "started_at"),
        Index("ix_conversations_call_id", "call_id", unique=True),
    )

    source: Mapped[ConversationSource]
    external_id: Mapped[str] = mapped_column(String(200))
    # What the call loses, the index loses.
    call_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("calls.id", ondelete="CASCADE"), default=None
    )
    agent: Mapped[str | None] = mapped_column(String(64), default=None)
    started_at: Mapped[datetime]
    title: Mapped[str | None] = mapped_column(String(200), default=None)
    summary: Mapped[str | None] = mapped_column(Text, default=None)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)  # where it came from
    turn_count: Mapped[int]
    content_hash: Mapped[str] = mapped_column(String(64))  # of what is searched
    seen_at: Mapped[datetime]  # up to when its source was read, by the source's own clock
    indexed_at: Mapped[datetime] = mapped_column(default=utc_now)


class Turn(Base):
    """One thing said. Triggers keep the search over it in step: rebuild the table, and remake them."""

    __tablename__ = "conversation_turns"
    # Ids are never used again: a vector held in memory must not come to stand for another text.
    __table_args__ = (
        UniqueConstraint("conversation_id", "position"),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    conversation_id: Mapped[UUID] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE")
    )
    position: Mapped[int]
    speaker: Mapped[str | None] = mapped_column(String(64), default=None)
    text: Mapped[str] = mapped_column(Text)
    # The same as it is searched: folded, and without spaces cut into pairs; see `text_folding`.
    words: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime | None] = mapped_column(default=None)


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    text: str
    speaker: str | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFacts:
    """One conversation as its source has it."""

    source: ConversationSource
    external_id: str
    started_at: datetime
    turns: Sequence[SpokenTurn]
    content_hash: str
    seen_at: datetime
    call_id: UUID | None = None
    agent: str | None = None
    title: str | None = None
    summary: str | None = None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """How many conversations were new, changed, or as they were."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0

    @property
    def count(self) -> int:
        return self.new + self.changed + self.unchanged

    def __add__(self, other: "Stored") -> "Stored":
        return Stored(
            self.new + other.new, self.changed + other.changed, self.unchanged + other.unchanged
        )


@dataclass(frozen=True, slots=True)
class IndexCounts:
    conversations: int
    turns: int
    by_source: dict[str, int]
    by_agent: dict[str, int]  # those of no agent are not in it
    last_indexed_at: datetime | None


class ConversationRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # ------------------------------------------------------------ storing

    async def store(self, found: Sequence[ConversationFacts]) -> Stored:
        """Index what is new, and again what reads otherwise than before. One writer at a time."""
        if self._session.get_bind().dialect.name == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(:lock)")
            await self._session.execute(lock, {"lock": WRITE_LOCK})
        told = {(each.source, each.external_id): each for each in found}
        known = await self._known(list(told))
        fresh = [each for key, each in told.items() if key not in known]
        others = [(known[key], each) for key, each in told.items() if key in known]
        rewritten = [(row, each) for row, each in others if row.content_hash != each.content_hash]
        changed = sum(_differs(row, each) for row, each in others)
        await self._forget_turns([row.id for row, _ in rewritten])
        for row, each in others:
            _update(row, each)
        rows = [(_row_of(each), each) for each in fresh]
        self._session.add_all([row for row, _ in rows])
        await self._session.flush()
        await self._write_turns([*rows, *rewritten])
        await self._note_indexed(found)
        return Stored(len(fresh), changed, len(others) - changed)

    async def forget_removed_calls(self) -> int:
        """Drop the conversations whose call lost its content at its source. Returns how many."""
        removed = select(Call.id).where(Call.content_removed_at.is_not(None))
        gone = await self._session.execute(
            delete(Conversation).where(Conversation.call_id.in_(removed)).returning(Conversation.id)
        )
        return len(gone.all())

    async def _known(
        self, keys: Sequence[tuple[ConversationSource, str]]
    ) -> dict[tuple[ConversationSource, str], Conversation]:
        known: dict[tuple[ConversationSource, str], Conversation] = {}
        for source in ConversationSource:
            for ids in batched([external for each, external in keys if each is source]):
                statement = select(Conversation).where(
                    Conversation.source == source, Conversation.external_id.in_(ids)
                )
                rows = await self._session.scalars(statement.with_for_update())
                known |= {(row.source, row.external_id): row for row in rows}
        return known

    async def _forget_turns(self, ids: Sequence[UUID]) -> None:
        for some in batched(ids):
            await self._session.execute(delete(Turn).where(Turn.conversation_id.in_(some)))

    async def _write_turns(self, found: Sequence[tuple[Conversation, ConversationFacts]]) -> None:
        rows = [turn for row, facts in found for turn in _turns_of(row.id, facts)]
        if rows:
            await self._session.execute(insert(Turn), rows)

    # ------------------------------------------------------------ calls that wait to be indexed

    async def calls_to_index(self, *, limit: int) -> Sequence[tuple[Call, CallContent | None]]:
        """Ended calls in which something was said, and which changed since they were indexed."""
        statement = (
            select(Call, CallContent)
            .outerjoin(CallContent, CallContent.call_id == Call.id)
            .where(Call.to_index)
            .order_by(Call.updated_at, Call.id)
            .limit(limit)
        )
        rows = (await self._session.execute(statement)).all()
        return [(row[0], row[1]) for row in rows]

    async def _note_indexed(self, found: Sequence[ConversationFacts]) -> None:
        """These calls wait no more, but for those that have changed since they were read."""
        seen = {facts.call_id: facts.seen_at for facts in found if facts.call_id is not None}
        for some in batched(list(seen)):
            # Locked in the order in which calls are stored: nobody waits for each other.
            waiting = (
                select(Call.id, Call.updated_at)
                .where(Call.id.in_(some), Call.to_index)
                .order_by(Call.source, Call.external_id)
                .with_for_update()
            )
            rows = (await self._session.execute(waiting)).all()
            known = [call_id for call_id, updated_at in rows if updated_at <= seen[call_id]]
            await self._session.execute(
                update(Call)
                .where(Call.id.in_(known))
                .values(to_index=False, updated_at=Call.updated_at)
                .execution_options(synchronize_session=False)
            )

    # ------------------------------------------------------------ searching

    async def search(
        self, words: Sequence[str], wanted: ConversationFilter, *, limit: int
    ) -> list[tuple[int, float]]:
        """Turns with any of the words: `(id, score)`, best first. Words are letters and digits."""
        return await TurnSearch(self._session, wanted).best(words, limit=limit)

    async def turns_within(self, wanted: ConversationFilter) -> Sequence[int]:
        """The ids of every turn in the conversations wanted."""
        agent, since, until = wanted.agent, wanted.since, wanted.until
        statement = select(Turn.id).join(Conversation)
        if agent is not None:
            statement = statement.where(Conversation.agent == agent)
        if since is not None:
            statement = statement.where(Conversation.started_at >= since)
        if until is not None:
            statement = statement.where(Conversation.started_at < until)
        return (await self._session.scalars(statement)).all()

    async def turns(self, ids: Sequence[int]) -> Sequence[tuple[Turn, Conversation]]:
        statement = select(Turn, Conversation).join(Conversation).where(Turn.id.in_(ids))
        return [(row[0], row[1]) for row in (await self._session.execute(statement)).all()]

    # ------------------------------------------------------------ reading

    async def get(self, conversation_id: UUID) -> Conversation | None:
        return await self._session.get(Conversation, conversation_id)

    async def spoken(self, conversation_id: UUID, *, offset: int, limit: int) -> Sequence[Turn]:
        """The turns from a position on, in order; the summary is none of them."""
        statement = (
            select(Turn)
            .where(Turn.conversation_id == conversation_id, Turn.position >= offset)
            .order_by(Turn.position)
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()

    async def recent(
        self, *, limit: int, after: tuple[datetime, UUID] | None = None
    ) -> Sequence[Conversation]:
        """The latest first; `after` is `(started_at, id)` of the last one seen."""
        statement = select(Conversation)
        if after is not None:
            key = tuple_(Conversation.started_at, Conversation.id)
            seen = tuple_(
                literal(after[0], Conversation.started_at.type),
                literal(after[1], Conversation.id.type),
            )
            statement = statement.where(key < seen)
        order = (Conversation.started_at.desc(), Conversation.id.desc())
        return (await self._session.scalars(statement.order_by(*order).limit(limit))).all()

    async def first_words(self, ids: Sequence[UUID]) -> dict[UUID, str]:
        """How each of these conversations begins."""
        statement = select(Turn.conversation_id, Turn.text).where(
            Turn.conversation_id.in_(ids), Turn.position == 0
        )
        return {row[0]: row[1] for row in (await self._session.execute(statement)).all()}

    async def counts(self) -> IndexCounts:
        by_source = await self._counted(Conversation.source)
        by_agent = await self._counted(Conversation.agent)
        turns = select(func.count()).select_from(Turn).where(Turn.position >= 0)
        return IndexCounts(
            conversations=sum(by_source.values()),
            turns=await self._session.scalar(turns) or 0,
            by_source={str(name.value): count for name, count in by_source.items()},
            by_agent={name: count for name, count in by_agent.items() if name is not None},
            last_indexed_at=await self._session.scalar(select(func.max(Conversation.indexed_at))),
        )

    async def _counted(self, column: Any) -> dict[Any, int]:
        statement = select(column, func.count()).group_by(column).order_by(column)
        return {row[0]: row[1] for row in (await self._session.execute(statement)).all()}


_TOLD = ("agent", "started_at", "title", "summary", "details", "call_id")


def _differs(row: Conversation, facts: ConversationFacts) -> bool:
    told = any(getattr(row, name) != getattr(facts, name) for name in _TOLD)
    return told or row.content_hash != facts.content_hash


def _update(row: Conversation, facts: ConversationFacts) -> None:
    if _differs(row, facts):
        row.indexed_at = utc_now()
    for name in (*_TOLD, "content_hash", "seen_at"):
        setattr(row, name, getattr(facts, name))
    row.turn_count = len(facts.turns)


def _row_of(facts: ConversationFacts) -> Conversation:
    told = {name: getattr(facts, name) for name in _TOLD}
    return Conversation(
        id=uuid4(),
        source=facts.source,
        external_id=facts.external_id,
        content_hash=facts.content_hash,
        seen_at=facts.seen_at,
        turn_count=len(facts.turns),
        **told,
    )


def _turns_of(conversation_id: UUID, facts: ConversationFacts) -> list[dict[str, Any]]:
    said = [(position, turn) for position, turn in enumerate(facts.turns)]
    if facts.summary:
        said.insert(0, (SUMMARY_POSITION, SpokenTurn(facts.summary, "summary")))
    return [
        {
            "conversation_id": conversation_id,
            "position": position,
            "speaker": turn.speaker,
            "text": turn.text,
            "words": " ".join(all_words(turn.text)),
            "at": turn.at,
        }
        for position, turn in said
    ]
