"""Storing calls: what a statement changes of a call, and of what is kept beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.core.clock import utc_now
from mission_control.core.words import CallSource
from mission_control.data.base import Base
from mission_control.data.call_facts import CallFacts, KnownCall
from mission_control.data.call_texts import CallText, call_text, reads_otherwise
from mission_control.data.call_totals import CallTotalsRepository
from mission_control.data.calls import Call, CallContent, RecordedCall, batched, cost_units
from mission_control.data.merged_leads import merged_into
from mission_control.data.upserts import insert_into

CallKey = tuple[CallSource, str]
Columns = dict[str, Any]


class CallRecording:
    """Stores statements about calls in the transaction of its session."""

    def __init__(self, session: AsyncSession, totals: CallTotalsRepository) -> None:
        self._session = session
        self._totals = totals

    async def record(self, found: Sequence[CallFacts]) -> list[RecordedCall]:
        """Store, in a few statements, and return the calls that changed.

        Statements may come late, twice and in any order: each part of a call is what the most
        final and then latest statement says of it, and one that says nothing erases nothing.
        """
        told: dict[CallKey, KnownCall] = {}
        for facts in await self._where_leads_are_now(found):
            key, known = (facts.source, facts.external_id), KnownCall.of(facts)
            told[key] = told[key].joined(known) if key in told else known
        changed: list[RecordedCall] = []
        for keys in batched(sorted(told)):
            changed += await self._record({key: told[key] for key in keys})
        return changed

    async def _where_leads_are_now(self, found: Sequence[CallFacts]) -> list[CallFacts]:
        """Vapi repeats the lead that a call was made for, after that has become part of another."""
        named = {facts.lead_id for facts in found if facts.lead_id is not None}
        into = await merged_into(self._session, named)
        return [
            replace(facts, lead_id=into[facts.lead_id]) if facts.lead_id in into else facts
            for facts in found
        ]

    async def _record(self, told: dict[CallKey, KnownCall]) -> list[RecordedCall]:
        new = await self._reserve(told)
        stored = await self._locked(list(told))
        changed: dict[CallKey, tuple[UUID, KnownCall]] = {}
        texts: list[Columns] = []
        for key, one in told.items():
            row = stored[key]
            known = KnownCall.stored(row, row["document"] or {}, row["stamps"] or {})
            joined = one if key in new else known.joined(one)
            if key in new or joined.columns != known.columns or joined.document != known.document:
                changed[key] = (row["id"], joined)
                now = _columns(key, joined)
                if key in new or reads_otherwise(row, now):
                    texts.append(call_text(row["id"], now))
                if key not in new:
                    self._totals.add(row, times=-1)
                self._totals.add(now)
        await self._write(changed)
        await self._upsert(CallText, "call_id", texts)
        return [
            RecordedCall(call_id, *key, known.agent_id, known.columns["ending"])
            for key, (call_id, known) in changed.items()
        ]

    async def _reserve(self, told: dict[CallKey, KnownCall]) -> set[CallKey]:
        """Make sure that there is a row for each call, and that it stays. Returns the new ones."""
        rows = [
            {
                "id": uuid4(),
                "source": source,
                "external_id": external_id,
                "created_at": known.created_at,
                "updated_at": utc_now(),
            }
            for (source, external_id), known in told.items()
        ]
        insert = insert_into(self._session, Call)
        # An update that changes nothing locks a row that is there: nobody deletes it meanwhile.
        statement = insert.on_conflict_do_update(
            index_elements=["source", "external_id"],
            set_={"external_id": insert.excluded.external_id},
        ).returning(Call.id, Call.source, Call.external_id)
        kept: Sequence[Any] = (await self._session.execute(statement, rows)).all()
        made = {row["id"] for row in rows}
        return {(row[1], row[2]) for row in kept if row[0] in made}

    async def _locked(self, keys: list[CallKey]) -> dict[CallKey, Mapping[str, Any]]:
        statement = (
            select(
                *Call.__table__.columns,
                CallContent.transcript,
                CallContent.document,
                CallContent.stamps,
            )
            .outerjoin(CallContent, CallContent.call_id == Call.id)
            .where(_any_of(keys))
            .order_by(Call.source, Call.external_id)
            .with_for_update(of=Call)
        )
        rows = (await self._session.execute(statement)).mappings()
        return {(row["source"], row["external_id"]): dict(row) for row in rows}

    async def _write(self, changed: dict[CallKey, tuple[UUID, KnownCall]]) -> None:
        now = utc_now()
        rows: list[Columns] = []
        contents: list[Columns] = []
        for key, (call_id, known) in changed.items():
            columns = _columns(key, known)
            contents.append(
                {
                    "call_id": call_id,
                    "transcript": columns.pop("transcript"),
                    "document": known.document,
                    "stamps": known.stamps,
                }
            )
            rows.append({"id": call_id, **columns, "updated_at": now})
        await self._upsert(Call, "id", rows)
        await self._upsert(CallContent, "call_id", contents)

    async def _upsert(self, table: type[Base], key: str, rows: list[Columns]) -> None:
        if not rows:
            return
        statement = insert_into(self._session, table)
        new = {name: statement.excluded[name] for name in rows[0] if name != key}
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=[key], set_=new), rows
        )


def _columns(key: CallKey, known: KnownCall) -> Columns:
    """What the call's row becomes, with its transcript."""
    columns = known.columns
    cost, is_over = columns["cost_usd"], columns["ending"] is not None
    says_something = bool(columns["summary"] or columns["transcript"])
    return {
        "source": key[0],
        "external_id": key[1],
        **columns,
        "cost_units": None if cost is None else cost_units(cost),
        "to_index": is_over and says_something and columns["content_removed_at"] is None,
    }


def _any_of(keys: Sequence[CallKey]) -> ColumnElement[bool]:
    by_source: dict[CallSource, list[str]] = {}
    for source, external_id in keys:
        by_source.setdefault(source, []).append(external_id)
    return or_(
        *(
            and_(Call.source == source, Call.external_id.in_(ids))
            for source, ids in by_source.items()
        )
    )
