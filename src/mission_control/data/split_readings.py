"""The ledger of the test split: what was read of it, by what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.words import ReadingKind
from mission_control.data.base import Record


class SplitReading(Record):
    """A comparison counts at once; an evaluation counts when the agent is edited after it.

    It outlives its agent: who deletes one and imports it again has read what was read.
    """

    __tablename__ = "split_readings"
    __table_args__ = (Index("ix_split_readings_agent_id_counted_at", "agent_id", "counted_at"),)

    agent_id: Mapped[str] = mapped_column(String(64))
    job_id: Mapped[UUID] = mapped_column(unique=True)
    kind: Mapped[ReadingKind]
    # Which reading it was since the split was last fresh; None: read, and nothing chosen by it yet.
    number: Mapped[int | None] = mapped_column(default=None)
    counted_at: Mapped[datetime | None] = mapped_column(default=None)
    edited_version: Mapped[int | None] = mapped_column(default=None)
    # The inputs that were read here and had never been read before.
    questions: Mapped[list[dict[str, Any]]]


class SplitReadingRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, reading: SplitReading) -> None:
        self._session.add(reading)

    async def of_job(self, job_id: UUID) -> SplitReading | None:
        return await self._session.scalar(select(SplitReading).where(SplitReading.job_id == job_id))

    async def counted(self, agent_id: str) -> Sequence[SplitReading]:
        """Those that have a number, newest first."""
        statement = select(SplitReading).where(
            SplitReading.agent_id == agent_id, SplitReading.number.is_not(None)
        )
        ordered = statement.order_by(SplitReading.counted_at.desc(), SplitReading.id.desc())
        return (await self._session.scalars(ordered)).all()

    async def uncounted(self, agent_id: str) -> Sequence[SplitReading]:
        """Evaluations that no edit has followed."""
        statement = select(SplitReading).where(
            SplitReading.agent_id == agent_id, SplitReading.number.is_(None)
        )
        return (await self._session.scalars(statement)).all()

    async def counted_elsewhere(self, agent_id: str) -> Sequence[SplitReading]:
        """Those of other agents, also of agents that are no more."""
        statement = select(SplitReading).where(
            SplitReading.agent_id != agent_id, SplitReading.number.is_not(None)
        )
        return (await self._session.scalars(statement)).all()
