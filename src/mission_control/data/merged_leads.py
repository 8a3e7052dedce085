"""Which leads have become part of which: calls go on naming the lead that they were made for."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import String, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.data.base import Base
from mission_control.data.upserts import insert_into


class MergedLead(Base):
    """`into_id` is the lead that it is by now, not the one it was merged into at first."""

    __tablename__ = "merged_leads"

    lead_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    into_id: Mapped[str] = mapped_column(String(64), index=True)
    merged_at: Mapped[datetime] = mapped_column(default=utc_now)


async def note_merged(session: AsyncSession, source_id: str, destination_id: str) -> str:
    """Remember it. Returns the lead that both are by now: merges are told late and in any order."""
    found = await merged_into(session, [destination_id])
    now = found.get(destination_id, destination_id)
    if now == source_id:  # a merge and its reverse: one of them is no news
        return now
    await session.execute(
        update(MergedLead)
        .where(MergedLead.into_id == source_id)
        .values(into_id=now)
        .execution_options(synchronize_session=False)
    )
    insert = insert_into(session, MergedLead)
    await session.execute(
        insert.values(lead_id=source_id, into_id=now, merged_at=utc_now()).on_conflict_do_update(
            index_elements=["lead_id"], set_={"into_id": insert.excluded.into_id}
        )
    )
    return now


async def merged_into(session: AsyncSession, lead_ids: Collection[str]) -> dict[str, str]:
    """For those of these leads that became part of another one: its id."""
    if not lead_ids:
        return {}
    statement = select(MergedLead.lead_id, MergedLead.into_id).where(
        MergedLead.lead_id.in_(lead_ids)
    )
    rows = await session.execute(statement)
    return dict(rows.all())
