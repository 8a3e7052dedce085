"""Calls of Close whose transcript may yet come, and how often each was asked for."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import String, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.data.base import Base
from mission_control.data.upserts import insert_into


class PendingTranscript(Base):
    __tablename__ = "pending_transcripts"

    call_id: Mapped[str] = mapped_column(String(64), primary_key=True)  # Close's
    call_created_at: Mapped[datetime]
    times_asked: Mapped[int] = mapped_column(default=0)


class PendingTranscriptRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, created_at: Mapping[str, datetime]) -> None:
        """`{call_id: when the call was created}`. Those that wait already stay as they are."""
        rows = [
            {"call_id": call_id, "call_created_at": at, "times_asked": 0}
            for call_id, at in sorted(created_at.items())
        ]
        if rows:
            insert = insert_into(self._session, PendingTranscript)
            await self._session.execute(insert.on_conflict_do_nothing(), rows)

    async def all(self) -> Sequence[PendingTranscript]:
        return (await self._session.scalars(select(PendingTranscript))).all()

    async def locked(self) -> Sequence[PendingTranscript]:
        """All of them, oldest call first; nobody else may ask for them meanwhile."""
        in_order = select(PendingTranscript).order_by(
            PendingTranscript.call_created_at, PendingTranscript.call_id
        )
        return (await self._session.scalars(in_order.with_for_update())).all()

    async def remove(self, call_ids: Collection[str]) -> None:
        await self._session.execute(
            delete(PendingTranscript).where(PendingTranscript.call_id.in_(call_ids))
        )

    async def remove_asked(self, times: int) -> None:
        """Give up those that were asked for so often."""
        await self._session.flush()
        await self._session.execute(
            delete(PendingTranscript).where(PendingTranscript.times_asked >= times)
        )
