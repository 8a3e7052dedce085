"""Reading leads, and the ways in which they are changed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from mission_control.core.errors import NotFoundError
from mission_control.core.words import CallSource
from mission_control.data.calls import Call
from mission_control.data.lead_texts import LEAD_INDEX, LeadText, holds, lead_text, of_status
from mission_control.data.leads import Lead, LeadFacts, LeadField, LeadFilter, LeadPhone
from mission_control.data.merged_leads import note_merged
from mission_control.data.pages import Cursor, Page, page_of, page_with
from mission_control.data.text_search import Mark, says_all, text_query
from mission_control.data.upserts import insert_into

READ_AT_ONCE = 2_000


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
        insert = insert_into(self._session, Lead)
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
        await self._replace_texts([facts[lead_id] for lead_id in changed])
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
        insert = insert_into(self._session, LeadField)
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
            await self._session.execute(
                insert_into(self._session, LeadPhone).on_conflict_do_nothing(), rows
            )

    async def _replace_texts(self, changed: Sequence[LeadFacts]) -> None:
        rows = [
            lead_text(
                one.id,
                created_at=one.created_at,
                search_text=one.search_text,
                status_id=one.status_id,
                phones=one.phones,
                custom=one.custom,
            )
            for one in changed
        ]
        if rows:
            insert = insert_into(self._session, LeadText)
            new = {name: insert.excluded[name] for name in ("created_at", "words")}
            await self._session.execute(
                insert.on_conflict_do_update(index_elements=[LeadText.lead_id], set_=new), rows
            )

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
        if wanted.status_label is not None:
            statement = statement.where(Lead.status_label == wanted.status_label)
        if wanted.text is not None or wanted.custom:
            return page_with(await self._found(wanted, statement, cursor, limit + 1), limit=limit)
        if wanted.status_id is not None:
            statement = statement.where(Lead.status_id == wanted.status_id)
        return await page_of(self._session, statement, Lead, limit=limit, cursor=cursor)

    async def _found(
        self, wanted: LeadFilter, statement: Select[Lead], cursor: Cursor | None, count: int
    ) -> Sequence[Lead]:
        """By the search: it knows statuses and custom fields too."""
        facts = [holds(field.id, value) for field, value in wanted.custom]
        facts += [of_status(wanted.status_id)] if wanted.status_id is not None else []
        query = text_query(wanted.text or "", facts=facts, beginnings=True)
        between = await self._between()
        if between is None or (wanted.text is not None and not query.alternatives):
            return []
        found: list[Lead] = []
        searching = LEAD_INDEX.newest_first(
            self._session,
            query,
            between=between,
            before=Mark(cursor.created_at, cursor.id) if cursor is not None else None,
            at_once=READ_AT_ONCE if wanted.status_label is not None or query.runs else count,
        )
        newest = statement.order_by(Lead.created_at.desc(), Lead.id.desc())
        async with aclosing(searching) as chunks:
            async for marks in chunks:
                ids = [mark.id for mark in marks]
                leads = await self._session.scalars(newest.where(Lead.id.in_(ids)))
                found += [lead for lead in leads if says_all(query.runs, [lead.search_text])]
                if len(found) >= count:
                    break
        return found[:count]

    async def _between(self) -> tuple[datetime, datetime] | None:
        oldest = await self.oldest_created_at()
        by_age = select(Lead.created_at).order_by(Lead.created_at.desc(), Lead.id.desc())
        newest = await self._session.scalar(by_age.limit(1))
        return None if oldest is None or newest is None else (oldest, newest)

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
