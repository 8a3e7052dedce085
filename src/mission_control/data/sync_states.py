"""How far each mirror of the outside world has been read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import String, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.data.base import Base


class SyncState(Base):
    """`name` is `vapi.calls`, `close.leads` … `position` is enough to go on after a crash."""

    __tablename__ = "sync_states"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    position: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # The newest moment up to which everything is mirrored; null: never read to the end.
    complete_until: Mapped[datetime | None] = mapped_column(default=None)
    error: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class SyncStateRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, name: str) -> SyncState:
        """The state with this name, locked until this transaction ends; a new one if need be."""
        found = await self._session.get(SyncState, name, with_for_update=True)
        if found is not None:
            return found
        row: dict[str, Any] = {"name": name, "position": {}, "updated_at": utc_now()}
        is_sqlite = self._session.get_bind().dialect.name == "sqlite"
        insert = sqlite_insert(SyncState) if is_sqlite else postgresql_insert(SyncState)
        await self._session.execute(insert.values(row).on_conflict_do_nothing())
        return await self._session.get_one(SyncState, name, with_for_update=True)

    async def all(self) -> Sequence[SyncState]:
        return (await self._session.scalars(select(SyncState))).all()

    async def seen(self, name: str) -> SyncState | None:
        """The state with this name, only to look at."""
        return await self._session.get(SyncState, name)
