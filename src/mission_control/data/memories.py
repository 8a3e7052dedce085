"""Memories: what was true when, and since when and until when we believed it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Index,
    String,
    Text,
    and_,
    func,
    literal,
    or_,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.words import MemoryKind
from mission_control.data.base import Base

WRITE_LOCK = 742_109_332  # any number, the same in every process
TICK = timedelta(microseconds=1)


class Memory(Base):
    """One statement, never changed but for `expired_at`, which is set once.

    `valid_*` is the world's time, `recorded_at` and `expired_at` are ours: the row is what we
    believed from the one until the other. Rows of one lineage tell one story, in which at any
    moment at most one thing is true.
    """

    __tablename__ = "memories"
    __table_args__ = (
        Index("ix_memories_lineage_id_recorded_at", "lineage_id", "recorded_at"),
        Index("ix_memories_recorded_at_id", "recorded_at", "id"),
        Index("ix_memories_expired_at", "expired_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    lineage_id: Mapped[UUID]
    agent: Mapped[str | None] = mapped_column(String(64), default=None)  # null: for every agent
    kind: Mapped[MemoryKind]
    tier: Mapped[int]  # 1 (important) to 3
    subject: Mapped[str | None] = mapped_column(String(200), default=None)
    content: Mapped[str] = mapped_column(Text)
    search_text: Mapped[str] = mapped_column(Text)  # subject and content, folded
    valid_from: Mapped[datetime]
    valid_to: Mapped[datetime | None] = mapped_column(default=None)
    recorded_at: Mapped[datetime]
    expired_at: Mapped[datetime | None] = mapped_column(default=None)
    supersedes_id: Mapped[UUID | None] = mapped_column(default=None)
    reason: Mapped[str | None] = mapped_column(String(500), default=None)  # why it was retracted
    source: Mapped[dict[str, Any]] = mapped_column(default=dict)


@dataclass(frozen=True, slots=True)
class Moment:
    """What was true at `true_at`, as far as we knew at `known_at`."""

    true_at: datetime
    known_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFilter:
    """What a list of memories is narrowed to. None: any."""

    agent: str | None = None  # its own, and those for every agent
    kind: MemoryKind | None = None
    tier: int | None = None


@dataclass(frozen=True, slots=True)
class MemoryTally:
    """Memories that are alike and true now."""

    kind: MemoryKind
    tier: int
    agent: str | None
    memories: int


class MemoryRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # ------------------------------------------------------------ writing

    async def begin_writing(self) -> datetime:
        """Wait for other writers, and return the time at which this one records.

        Times are given in the order in which writers commit, so that what was visible at one of
        them stays so for ever. SQLite has one writer at a time anyway.
        """
        if self._session.get_bind().dialect.name == "postgresql":
            lock = text("SELECT pg_advisory_xact_lock(:lock)")
            await self._session.execute(lock, {"lock": WRITE_LOCK})
        last = await self.last_change()
        return utc_now() if last is None else max(utc_now(), last + TICK)

    def add(self, memory: Memory) -> None:
        self._session.add(memory)

    # ------------------------------------------------------------ reading

    async def last_change(self) -> datetime | None:
        """The newest of our times; None when nothing was ever remembered."""
        newest: list[datetime | None] = [
            await self._session.scalar(
                select(column).where(column.is_not(None)).order_by(column.desc()).limit(1)
            )
            for column in (Memory.recorded_at, Memory.expired_at)
        ]
        return max((each for each in newest if each is not None), default=None)

    async def get(self, memory_id: UUID) -> Memory | None:
        return await self._session.get(Memory, memory_id, populate_existing=True)

    async def lineage(self, lineage_id: UUID) -> Sequence[Memory]:
        """Everything ever recorded of it, in the order in which it was recorded."""
        statement = (
            select(Memory)
            .where(Memory.lineage_id == lineage_id)
            .order_by(Memory.recorded_at, Memory.valid_from, Memory.id)
        )
        return (await self._session.scalars(statement)).all()

    async def at(
        self,
        moment: Moment,
        wanted: MemoryFilter,
        *,
        limit: int,
        after: tuple[datetime, UUID] | None = None,
    ) -> Sequence[Memory]:
        """The latest recorded first; `after` is `(recorded_at, id)` of the last one seen."""
        statement = select(Memory).where(_stood_at(moment), *_conditions(wanted))
        if after is not None:
            key = tuple_(Memory.recorded_at, Memory.id)
            seen = tuple_(
                literal(after[0], Memory.recorded_at.type), literal(after[1], Memory.id.type)
            )
            statement = statement.where(key < seen)
        statement = statement.order_by(Memory.recorded_at.desc(), Memory.id.desc()).limit(limit)
        return (await self._session.scalars(statement)).all()

    async def holding(
        self, words: Sequence[str], moment: Moment, wanted: MemoryFilter, *, limit: int
    ) -> Sequence[Memory]:
        """Those with any of the (folded) words in subject or content, latest recorded first."""
        says = or_(*(Memory.search_text.contains(word, autoescape=True) for word in words))
        statement = (
            select(Memory)
            .where(_stood_at(moment), *_conditions(wanted), says)
            .order_by(Memory.recorded_at.desc(), Memory.id.desc())
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()

    async def tallies(self, moment: Moment) -> Sequence[MemoryTally]:
        groups = (Memory.kind, Memory.tier, Memory.agent)
        statement = select(*groups, func.count()).where(_stood_at(moment)).group_by(*groups)
        rows = (await self._session.execute(statement.order_by(*groups))).all()
        return [MemoryTally(*row) for row in rows]

    async def counts(self) -> tuple[int, int, int]:
        """How many rows were ever recorded, how many of them expired, and how many lineages."""
        statement = select(
            func.count(), func.count(Memory.expired_at), func.count(Memory.lineage_id.distinct())
        )
        row = (await self._session.execute(statement)).one()
        return row[0], row[1], row[2]


def _stood_at(moment: Moment) -> ColumnElement[bool]:
    return and_(
        Memory.valid_from <= moment.true_at,
        or_(Memory.valid_to.is_(None), Memory.valid_to > moment.true_at),
        Memory.recorded_at <= moment.known_at,
        or_(Memory.expired_at.is_(None), Memory.expired_at > moment.known_at),
    )


def _conditions(wanted: MemoryFilter) -> list[ColumnElement[bool]]:
    ours = or_(Memory.agent.is_(None), Memory.agent == wanted.agent)
    return [
        ours if wanted.agent is not None else true(),
        Memory.kind == wanted.kind if wanted.kind is not None else true(),
        Memory.tier == wanted.tier if wanted.tier is not None else true(),
    ]
