"""Leads: the mirror of what Close keeps, and what a lead's custom fields mean."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    delete,
    exists,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, defer, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.errors import NotFoundError
from mission_control.core.words import CallSource
from mission_control.data.base import Base
from mission_control.data.calls import Call
from mission_control.data.merged_leads import note_merged
from mission_control.data.pages import Cursor, Page, page_of


class Lead(Base):
    """Times are Close's own. `custom` is keyed by `cf_…`, and `document` is the lead as Close sent it."""

    __tablename__ = "leads"
    __table_args__ = (
        Index("ix_leads_created_at_id", "created_at", "id"),
        Index("ix_leads_status_id_created_at_id", "status_id", "created_at", "id"),
        Index("ix_leads_updated_at", "updated_at"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    name: Mapped[str] = mapped_column(Text)
    status_id: Mapped[str | None] = mapped_column(String(64), default=None)
    status_label: Mapped[str | None] = mapped_column(String(200), default=None)
    primary_phone: Mapped[str | None] = mapped_column(String(32), default=None)  # E.164
    primary_email: Mapped[str | None] = mapped_column(String(320), default=None)
    search_text: Mapped[str] = mapped_column(Text, default="")  # lower case: names, numbers, mail
    custom: Mapped[dict[str, Any]] = mapped_column(default=dict)
    document: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # When it was last seen in Close, whether it had changed or not.
    mirrored_at: Mapped[datetime] = mapped_column(default=utc_now)


class LeadPhone(Base):
    """A number that one of the lead's contacts answers. Several leads may share it."""

    __tablename__ = "lead_phones"
    __table_args__ = (Index("ix_lead_phones_phone_lead_id", "phone", "lead_id"),)

    lead_id: Mapped[str] = mapped_column(
        ForeignKey("leads.id", ondelete="CASCADE"), primary_key=True
    )
    phone: Mapped[str] = mapped_column(String(32), primary_key=True)  # E.164


class LeadField(Base):
    """What one custom field is: Close's definition."""

    __tablename__ = "lead_fields"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)  # cf_…
    name: Mapped[str] = mapped_column(String(200))
    type: Mapped[str] = mapped_column(String(32))
    accepts_multiple: Mapped[bool] = mapped_column(default=False)
    choices: Mapped[list[str]] = mapped_column(default=list)
    position: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFacts:
    """A lead as Close told of it at one moment."""

    id: str
    created_at: datetime
    updated_at: datetime
    name: str
    status_id: str | None
    status_label: str | None
    phones: Sequence[str]  # E.164, the first one first
    primary_email: str | None
    search_text: str
    custom: dict[str, Any]
    document: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFilter:
    """`custom`: pairs of a field and what it must hold, as text."""

    words: Sequence[str] = ()
    status_id: str | None = None
    status_label: str | None = None
    custom: Sequence[tuple[LeadField, str]] = ()


class LeadRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # ------------------------------------------------------------ storing

    async def store(self, found: Sequence[LeadFacts], *, seen_at: datetime) -> list[str]:
        """Insert what is new and update what differs and is not older. Returns the ids of both."""
        # In one order, so that two who store the same leads never wait for each other.
        facts = {one.id: one for one in sorted(found, key=lambda one: (one.id, one.updated_at))}
        if not facts:
            return []
        rows = [_row(one, seen_at) for one in facts.values()]
        insert = self._insert(Lead)
        new = insert.excluded
        differs = or_(
            Lead.document.is_distinct_from(new.document),
            Lead.search_text.is_distinct_from(new.search_text),
        )
        statement = insert.on_conflict_do_update(
            index_elements=[Lead.id],
            set_={name: new[name] for name in rows[0] if name != "id"},
            where=(Lead.updated_at <= new.updated_at) & differs,
        ).returning(Lead.id)
        changed = (await self._session.scalars(statement, rows)).all()
        await self._replace_phones([facts[lead_id] for lead_id in changed])
        return [*changed]

    async def saw(self, lead_ids: Collection[str], *, at: datetime) -> None:
        """Note that Close has these, changed or not."""
        await self._session.execute(
            update(Lead)
            .where(Lead.id.in_(lead_ids), Lead.mirrored_at < at)
            .values(mirrored_at=at)
            .execution_options(synchronize_session=False)
        )

    async def remove(self, lead_ids: Collection[str]) -> int:
        """Forget these leads. Their calls stay: they may belong to another one by now."""
        gone = await self._session.execute(
            delete(Lead)
            .where(Lead.id.in_(lead_ids))
            .returning(Lead.id)
            .execution_options(synchronize_session=False)
        )
        return len(gone.all())

    async def merge(self, source_id: str, destination_id: str) -> int:
        """One lead has become part of another: its calls move there. Returns 1 if it was here."""
        now = await note_merged(self._session, source_id, destination_id)
        if now == source_id:
            return 0
        await self._session.execute(
            update(Call)
            .where(Call.lead_id == source_id)
            .values(lead_id=now)
            .execution_options(synchronize_session=False)
        )
        return await self.remove([source_id])

    async def calls_of(self, lead_ids: Collection[str]) -> Sequence[str]:
        """Close's ids of the calls that it kept with these leads."""
        statement = select(Call.external_id).where(
            Call.source == CallSource.CLOSE, Call.lead_id.in_(lead_ids)
        )
        return (await self._session.scalars(statement)).all()

    async def give_calls(self, lead_id: str, external_ids: Collection[str]) -> None:
        """These calls of Close's belong to this lead now."""
        await self._session.execute(
            update(Call)
            .where(Call.source == CallSource.CLOSE, Call.external_id.in_(external_ids))
            .values(lead_id=lead_id)
            .execution_options(synchronize_session=False)
        )

    async def store_fields(self, fields: Sequence[LeadField]) -> None:
        """These are all there are."""
        await self._session.execute(
            delete(LeadField)
            .where(LeadField.id.not_in([field.id for field in fields]))
            .execution_options(synchronize_session=False)
        )
        if not fields:
            return
        names = [column.name for column in LeadField.__table__.columns]
        rows = [{name: getattr(field, name) for name in names} for field in fields]
        insert = self._insert(LeadField)
        await self._session.execute(
            insert.on_conflict_do_update(
                index_elements=[LeadField.id],
                set_={name: insert.excluded[name] for name in names if name != "id"},
            ),
            sorted(rows, key=lambda row: row["id"]),
        )

    async def _replace_phones(self, changed: Sequence[LeadFacts]) -> None:
        ids = [one.id for one in changed]
        if not ids:
            return
        await self._session.execute(
            delete(LeadPhone)
            .where(LeadPhone.lead_id.in_(ids))
            .execution_options(synchronize_session=False)
        )
        rows = [{"lead_id": one.id, "phone": phone} for one in changed for phone in one.phones]
        if rows:
            await self._session.execute(self._insert(LeadPhone).on_conflict_do_nothing(), rows)

    def _insert(self, table: type[Base]) -> Any:
        """Both databases upsert in the same words, each through its own dialect."""
        return sqlite_insert(table) if self._is_sqlite() else postgresql_insert(table)

    def _is_sqlite(self) -> bool:
        return self._session.get_bind().dialect.name == "sqlite"

    # ------------------------------------------------------------ reading

    async def get(self, lead_id: str) -> Lead:
        # A list loads leads without their documents.
        lead = await self._session.get(Lead, lead_id, populate_existing=True)
        if lead is None:
            raise NotFoundError("There is no lead with this id here.", lead_id=lead_id)
        return lead

    async def count(self, *, seen_since: datetime | None = None) -> int:
        statement = select(func.count()).select_from(Lead)
        if seen_since is not None:
            statement = statement.where(Lead.mirrored_at >= seen_since)
        return await self._session.scalar(statement) or 0

    async def oldest_created_at(self) -> datetime | None:
        return await self._session.scalar(
            select(Lead.created_at).order_by(Lead.created_at, Lead.id).limit(1)
        )

    async def present(self, lead_ids: Collection[str]) -> set[str]:
        """Those of these that are here."""
        return {*await self._session.scalars(select(Lead.id).where(Lead.id.in_(lead_ids)))}

    async def updated_at_of(self, lead_ids: Collection[str]) -> Mapping[str, datetime]:
        """When Close last changed them, of those that are here."""
        statement = select(Lead.id, Lead.updated_at).where(Lead.id.in_(lead_ids))
        rows = await self._session.execute(statement)
        return dict(rows.all())

    async def not_seen_since(self, at: datetime) -> Sequence[str]:
        """Leads that a reading begun then has not met."""
        return (await self._session.scalars(select(Lead.id).where(Lead.mirrored_at < at))).all()

    async def page(self, wanted: LeadFilter, *, limit: int, cursor: Cursor | None) -> Page[Lead]:
        """Newest first. `document` is not loaded."""
        statement = select(Lead).options(defer(Lead.document, raiseload=True))
        for word in wanted.words:
            statement = statement.where(Lead.search_text.contains(word.lower(), autoescape=True))
        if wanted.status_id is not None:
            statement = statement.where(Lead.status_id == wanted.status_id)
        if wanted.status_label is not None:
            statement = statement.where(Lead.status_label == wanted.status_label)
        for field, value in wanted.custom:
            statement = statement.where(self._holds(field, value))
        return await page_of(self._session, statement, Lead, limit=limit, cursor=cursor)

    async def phones(self, lead_id: str) -> Sequence[str]:
        statement = select(LeadPhone.phone).where(LeadPhone.lead_id == lead_id)
        return (await self._session.scalars(statement.order_by(LeadPhone.phone))).all()

    async def named(self, lead_ids: Iterable[str]) -> Mapping[str, str]:
        """Name by id, of those that are here."""
        statement = select(Lead.id, Lead.name).where(Lead.id.in_(set(lead_ids)))
        rows = await self._session.execute(statement)
        return dict(rows.all())

    async def with_phones(self, phones: Collection[str]) -> Mapping[str, Mapping[str, str]]:
        """For each of these numbers the leads that have it: `{phone: {lead_id: name}}`."""
        statement = (
            select(LeadPhone.phone, Lead.id, Lead.name)
            .join(Lead, Lead.id == LeadPhone.lead_id)
            .where(LeadPhone.phone.in_(phones))
            .order_by(Lead.created_at.desc(), Lead.id)
        )
        found: dict[str, dict[str, str]] = {}
        for phone, lead_id, name in await self._session.execute(statement):
            found.setdefault(phone, {})[lead_id] = name
        return found

    async def fields(self) -> Sequence[LeadField]:
        """In the order in which people see them in Close."""
        statement = select(LeadField).order_by(LeadField.position, LeadField.id)
        return (await self._session.scalars(statement)).all()

    def _holds(self, field: LeadField, wanted: str) -> ColumnElement[bool]:
        """The field is this value, or holds it among others."""
        spellings: list[str | float] = [wanted]
        with suppress(ValueError):
            number = float(wanted)
            spellings += [number] if math.isfinite(number) else []
        if not self._is_sqlite():
            custom = type_coerce(Lead.custom, JSONB)
            return or_(
                *(custom.contains({field.id: one}) for one in spellings),
                *(custom.contains({field.id: [one]}) for one in spellings),
            )
        each = func.json_each(Lead.custom, f'$."{field.id}"').table_valued("value")
        return exists(select(1).select_from(each).where(each.c.value.in_(spellings)))


def _row(facts: LeadFacts, seen_at: datetime) -> dict[str, Any]:
    phones = list(facts.phones)
    return {
        "id": facts.id,
        "created_at": facts.created_at,
        "updated_at": facts.updated_at,
        "name": facts.name,
        "status_id": facts.status_id,
        "status_label": facts.status_label,
        "primary_phone": phones[0] if phones else None,
        "primary_email": facts.primary_email,
        "search_text": facts.search_text,
        "custom": facts.custom,
        "document": facts.document,
        "mirrored_at": seen_at,
    }
