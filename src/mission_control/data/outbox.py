"""The outbox: events as rows, stored with what they tell of, until they are published."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, String, Text, case, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.events import Event
from mission_control.data.base import Base
from mission_control.data.upserts import insert_into

THE_ONE = 1


class OutboxEvent(Base):
    """An event that was committed and is, perhaps, not published yet."""

    __tablename__ = "outbox_events"

    # Microseconds since 1970, moved on where needed: ids rise in the order of the commits.
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    channel: Mapped[str] = mapped_column(String(120))
    body: Mapped[str] = mapped_column(Text)  # the envelope as JSON, without its id


class OutboxClock(Base):
    """One row: the last id that was given away. Its lock puts the commits in order."""

    __tablename__ = "outbox_clock"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_event_id: Mapped[int] = mapped_column(BigInteger)


class Outbox:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, events: Sequence[Event]) -> None:
        """Store these. The last statement before a commit: from here on, others wait for it."""
        last = await self._take_ids(len(events))
        self._session.add_all(
            OutboxEvent(
                id=last - len(events) + number,
                channel=event.channel,
                body=event.model_dump_json(),
            )
            for number, event in enumerate(events, start=1)
        )
        await self._session.flush()

    async def _take_ids(self, count: int) -> int:
        """The last of `count` new ids, all greater than any that was committed before.

        Whoever takes the next ones waits until this transaction is over. Without that a transaction
        with greater ids could be seen and published first, and the smaller ones would be too late.
        """
        now = int(utc_now().timestamp() * 1_000_000)
        following = OutboxClock.last_event_id + count
        statement = (
            insert_into(self._session, OutboxClock)
            .values(id=THE_ONE, last_event_id=now)
            .on_conflict_do_update(
                index_elements=["id"],
                set_={"last_event_id": case((following > now, following), else_=now)},
            )
            .returning(OutboxClock.last_event_id)
        )
        return (await self._session.execute(statement)).scalar_one()

    async def last_id(self) -> int:
        """The newest id that was given to an event; 0 where there was none."""
        return await self._session.scalar(select(OutboxClock.last_event_id)) or 0

    async def after(self, event_id: int, *, limit: int) -> Sequence[OutboxEvent]:
        """What waits behind this id, in the order of the commits."""
        statement = (
            select(OutboxEvent)
            .where(OutboxEvent.id > event_id)
            .order_by(OutboxEvent.id)
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()

    async def remove_through(self, event_id: int) -> None:
        """Forget what is published, up to and with this id."""
        await self._session.execute(delete(OutboxEvent).where(OutboxEvent.id <= event_id))
