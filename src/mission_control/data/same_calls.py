"""One call that two systems keep: which row of Close tells of which row of Vapi.

A row of Close that names the id at Vapi is of that call. Otherwise two rows are of one call when they
have the same number, begin within two minutes, do not contradict each other, and last about as long;
of several that could be, those nearest in time are.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, bindparam, func, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.core.words import CallSource
from mission_control.data.call_totals import CallTotalsRepository
from mission_control.data.calls import Call, batched

BEGIN_WITHIN = timedelta(seconds=120)
LAST_WITHIN_SECONDS, LAST_WITHIN_SHARE = 60.0, 0.2  # one of them counts the ringing
LOOKED_AROUND = timedelta(minutes=10)  # for whoever else could be the same call
WRITE_LOCK = 742_110_000  # any number, the same in every process

Row = Mapping[str, Any]


async def lock_calls(session: AsyncSession) -> None:
    """One transaction at a time stores calls: two would not see each other's, or wait in a circle.

    SQLite has one writer anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": WRITE_LOCK})


class SameCalls:
    def __init__(self, session: AsyncSession, totals: CallTotalsRepository) -> None:
        self._session = session
        self._totals = totals

    async def match(self, changed: Sequence[UUID]) -> None:
        """Say anew of these calls, and of those that could be the same, which are."""
        for some in batched(changed):
            told = await self._rows(Call.id.in_(some))
            around = await self._around(told)
            wanted = pairs(around)
            await self._set(
                {
                    row["id"]: (row, wanted.get(row["id"]))
                    for row in around
                    if row["source"] == CallSource.CLOSE
                    and row["same_call_as"] != wanted.get(row["id"])
                }
            )

    async def part(self, gone: Sequence[UUID]) -> None:
        """These rows will be no more."""
        rows = await self._rows(Call.same_call_as.in_(gone))
        await self._set({row["id"]: (row, None) for row in rows})

    async def _around(self, told: Sequence[Row]) -> list[Row]:
        """These, and whatever could be the same call as one of them."""
        found = {row["id"]: row for row in told}
        by_number: dict[str, list[datetime]] = {}
        for row in told:
            if _is_number(row["customer_number"]):
                by_number.setdefault(row["customer_number"], []).append(_begin(row))
        if by_number:
            times = [time for each in by_number.values() for time in each]
            begun = func.coalesce(Call.started_at, Call.created_at)
            between = begun.between(
                _bound(min(times) - LOOKED_AROUND), _bound(max(times) + LOOKED_AROUND)
            )
            rows = await self._rows(and_(Call.customer_number.in_(list(by_number)), between))
            found |= {
                row["id"]: row
                for row in rows
                if any(
                    abs(_begin(row) - time) <= LOOKED_AROUND
                    for time in by_number[row["customer_number"]]
                )
            }
        named = [row["names_call"] for row in found.values() if row["names_call"] is not None]
        ids = [row["external_id"] for row in found.values() if row["source"] == CallSource.VAPI]
        at_vapi = and_(Call.source == CallSource.VAPI, Call.external_id.in_(named))
        naming = and_(Call.names_call.is_not(None), Call.names_call.in_(ids))
        repeating = and_(Call.same_call_as.is_not(None), Call.same_call_as.in_(list(found)))
        for which in (at_vapi,) * bool(named) + (naming,) * bool(ids) + (repeating,):
            found |= {row["id"]: row for row in await self._rows(which)}
        return [*found.values()]

    async def _rows(self, which: ColumnElement[bool]) -> list[Row]:
        statement = select(*Call.__table__.columns).where(which)
        return [dict(row) for row in (await self._session.execute(statement)).mappings()]

    async def _set(self, changed: Mapping[UUID, tuple[Row, UUID | None]]) -> None:
        """Of which row each of these is a repetition from now on."""
        for row, same_as in changed.values():
            self._totals.add(row, times=-1)
            self._totals.add({**row, "same_call_as": same_as})
        if changed:
            calls = cast("Table", Call.__table__)
            statement = (
                update(calls)
                .where(calls.c.id == bindparam("call"))
                .values(same_call_as=bindparam("other"), updated_at=calls.c.updated_at)
            )
            told = [{"call": key, "other": same_as} for key, (_, same_as) in changed.items()]
            connection = await self._session.connection()
            await connection.execute(statement, told)


def pairs(rows: Sequence[Row]) -> dict[UUID, UUID]:
    """For each row of Close that repeats one of Vapi's, that one."""
    at_vapi = [row for row in rows if row["source"] == CallSource.VAPI]
    at_close = [row for row in rows if row["source"] == CallSource.CLOSE]
    by_id = {row["external_id"]: row["id"] for row in at_vapi}
    same = {row["id"]: by_id[row["names_call"]] for row in at_close if row["names_call"] in by_id}
    taken = set(same.values())
    by_number: dict[str | None, list[Row]] = {}
    for row in at_vapi:
        if row["id"] not in taken:
            by_number.setdefault(row["customer_number"], []).append(row)
    near = sorted(
        (
            (abs(_begin(one) - _begin(other)), one["external_id"], other["external_id"], one, other)
            for other in at_close
            if other["names_call"] is None
            for one in by_number.get(other["customer_number"], ())
            if could_be_one(one, other)
        ),
        key=lambda pair: pair[:3],
    )
    for _, _, _, one, other in near:
        if one["id"] not in taken and other["id"] not in same:
            taken.add(one["id"])
            same[other["id"]] = one["id"]
    return same


def could_be_one(one: Row, other: Row) -> bool:
    """Whether two rows may tell of one conversation: number, time, length, direction and lead."""
    is_near = abs(_begin(one) - _begin(other)) <= BEGIN_WITHIN
    has_number = _is_number(one["customer_number"])
    directions = {one["direction"], other["direction"]}
    leads = {one["lead_id"], other["lead_id"]} - {None}
    return (
        has_number
        and one["customer_number"] == other["customer_number"]
        and is_near
        and directions != {"inbound", "outbound"}
        and len(leads) < 2
        and _lasts_alike(one["duration_seconds"], other["duration_seconds"])
    )


def _lasts_alike(one: float | None, other: float | None) -> bool:
    """Close keeps 0 seconds of a call that was only logged."""
    if not one or not other:
        return True
    return abs(one - other) <= max(LAST_WITHIN_SECONDS, LAST_WITHIN_SHARE * max(one, other))


def _is_number(number: str | None) -> bool:
    """`anonymous` is nobody's."""
    return number is not None and number.startswith("+")


def _begin(row: Row) -> datetime:
    return row["started_at"] or row["created_at"]


def _bound(at: datetime) -> ColumnElement[Any]:
    return literal(at, Call.created_at.type)
