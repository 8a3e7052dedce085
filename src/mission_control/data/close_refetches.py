"""What webhooks of Close have named and nobody has read again yet."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import String, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.words import RefetchKind
from mission_control.data.base import Base
from mission_control.data.upserts import insert_into


class Refetch(NamedTuple):
    """What is to be read again, by Close's id."""

    kind: RefetchKind
    close_id: str


class PendingRefetch(Base):
    """`times` counts how often it was named: what is named while it is read is read once more."""

    __tablename__ = "close_refetches"

    kind: Mapped[RefetchKind] = mapped_column(primary_key=True)
    close_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    times: Mapped[int] = mapped_column(default=1)
    requested_at: Mapped[datetime] = mapped_column(default=utc_now, index=True)


class CloseRefetchRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, wanted: Sequence[Refetch]) -> None:
        rows = [
            {"kind": each.kind, "close_id": each.close_id, "times": 1, "requested_at": utc_now()}
            for each in sorted(wanted)
        ]
        insert = insert_into(self._session, PendingRefetch)
        again = {"times": PendingRefetch.times + 1}
        await self._session.execute(
            insert.on_conflict_do_update(index_elements=["kind", "close_id"], set_=again), rows
        )

    async def pending(self, *, limit: int) -> Sequence[PendingRefetch]:
        """Longest waiting first."""
        in_order = select(PendingRefetch).order_by(
            PendingRefetch.requested_at, PendingRefetch.close_id
        )
        return (await self._session.scalars(in_order.limit(limit))).all()

    async def remove(self, read: Sequence[PendingRefetch]) -> None:
        """Those that were read, unless they have been named again since."""
        for each in read:
            await self._session.execute(
                delete(PendingRefetch)
                .where(
                    PendingRefetch.kind == each.kind,
                    PendingRefetch.close_id == each.close_id,
                    PendingRefetch.times == each.times,
                )
                .execution_options(synchronize_session=False)
            )
