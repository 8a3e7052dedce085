"""What calls came to: added up per day, source and agent in the transaction that changes a call.

A time that covers whole days is answered from these sums; the parts of days at its two ends are
added up from the calls themselves. So totals of any time are exact, whatever the number of calls.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    Integer,
    Select,
    String,
    Table,
    Text,
    and_,
    case,
    cast,
    delete,
    false,
    func,
    literal,
    null,
    or_,
    select,
    text,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.core.words import CallEnding, CallSource
from mission_control.data.base import Base
from mission_control.data.call_facts import CENT_OF_A_MICRO_DOLLAR
from mission_control.data.calls import Call, CallFilter
from mission_control.data.upserts import insert_into

NO_AGENT = ""  # a part of a key cannot be null
ENDINGS = {f"ended_{ending.value}": ending for ending in CallEnding}
# Whole numbers, so that what is added and taken away again leaves nothing behind. `unpriced` and
# the success are of ended calls.
FIGURES = (
    "calls", "priced", "cost_units", "duration_us", "unpriced", "succeeded", "failed", "unjudged",
    *ENDINGS,
)  # fmt: skip
WRITTEN_AT_ONCE = 500

call_totals = Table(
    "call_totals",
    Base.metadata,
    Column("day", Date, primary_key=True),  # of the calls' creation, in UTC
    Column("source", String(32), primary_key=True),
    Column("agent_id", String(64), primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in FIGURES),
)


class TotalsKey(NamedTuple):
    day: date
    source: str
    agent_id: str


@dataclass(frozen=True, slots=True)
class CallSums:
    """What some calls came to. `cost_usd` is of the priced ones; the rest is of the ended ones."""

    calls: int
    priced: int
    cost_usd: Decimal
    duration_seconds: float
    unpriced: int
    succeeded: int
    failed: int
    unjudged: int
    endings: Mapping[CallEnding, int]  # only those that some call had

    @property
    def ended(self) -> int:
        return sum(self.endings.values())

    @classmethod
    def of(cls, figures: Mapping[str, int]) -> "CallSums":
        endings = {ending: int(figures[name]) for name, ending in ENDINGS.items() if figures[name]}
        return cls(
            calls=int(figures["calls"]),
            priced=int(figures["priced"]),
            cost_usd=int(figures["cost_units"]) * CENT_OF_A_MICRO_DOLLAR,
            duration_seconds=int(figures["duration_us"]) / 1_000_000,
            unpriced=int(figures["unpriced"]),
            succeeded=int(figures["succeeded"]),
            failed=int(figures["failed"]),
            unjudged=int(figures["unjudged"]),
            endings=endings,
        )


@dataclass(frozen=True, slots=True)
class CallTotals:
    overall: CallSums
    by_agent: Mapping[str | None, CallSums]
    by_day: Mapping[date, CallSums]


@dataclass(frozen=True, slots=True)
class WrongTotals:
    """A sum that is not what its calls come to: by how much each of its figures is too high."""

    key: TotalsKey
    too_high_by: Mapping[str, int]


class CallTotalsRepository:
    """Changes are kept until the transaction commits, and then written in one statement.

    In one order, so that two writers never wait for each other; at the end, so that whoever writes
    the same day waits no longer than a commit takes.
    """

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._changes: dict[TotalsKey, Counter[str]] = {}

    # ------------------------------------------------------------ keeping

    def add(self, call: Mapping[str, Any], *, times: int = 1) -> None:
        """A call (its columns by name) counts from now on; with -1, no more."""
        changes = self._changes.setdefault(_key_of(call), Counter())
        for name, figure in _figures_of(call).items():
            changes[name] += times * figure

    async def write_changes(self) -> None:
        changed = {key: change for key, change in self._changes.items() if any(change.values())}
        self._changes = {}
        rows = [
            {**key._asdict(), **{name: changed[key][name] for name in FIGURES}}
            for key in sorted(changed)
        ]
        for at in range(0, len(rows), WRITTEN_AT_ONCE):
            insert = insert_into(self._session, call_totals).values(rows[at : at + WRITTEN_AT_ONCE])
            await self._session.execute(_adding(insert))

    # ------------------------------------------------------------ reading

    async def read(self, wanted: CallFilter) -> CallTotals:
        """Of an agent, a source and a time; a filter of anything else is not for totals."""
        await self.write_changes()
        parts = self._parts(wanted).cte("parts")
        sums = [func.sum(parts.c[name]).label(name) for name in FIGURES]
        some = func.sum(parts.c.calls) > 0
        no_day, no_agent = type_coerce(null(), Date), cast(null(), String)
        # One statement: both groups are of the same moment.
        both = union_all(
            select(cast(no_day, Date).label("day"), parts.c.agent_id, *sums)
            .group_by(parts.c.agent_id)
            .having(some),
            select(parts.c.day, no_agent.label("agent_id"), *sums)
            .group_by(parts.c.day)
            .having(some),
        )
        rows = [dict(row) for row in (await self._session.execute(both)).mappings()]
        days = {row["day"]: row for row in rows if row["agent_id"] is None}
        agents = {row["agent_id"] or None: row for row in rows if row["agent_id"] is not None}
        overall = {name: sum(int(row[name]) for row in days.values()) for name in FIGURES}
        return CallTotals(
            CallSums.of(overall),
            {agent_id: CallSums.of(row) for agent_id, row in agents.items()},
            {day: CallSums.of(row) for day, row in days.items()},
        )

    async def count(self, source: CallSource) -> int:
        await self.write_changes()
        statement = select(func.sum(call_totals.c.calls)).where(
            call_totals.c.source == source.value
        )
        return int(await self._session.scalar(statement) or 0)

    def _parts(self, wanted: CallFilter) -> Any:
        """Sums of whole days, and beside them of the calls of days that are only wanted in part."""
        whole, rest = _cut_into_days(_in_utc(wanted.created_from), _in_utc(wanted.created_to))
        sums = [call_totals.c.day, call_totals.c.agent_id, *(call_totals.c[n] for n in FIGURES)]
        added_up = select(*sums).where(*_kept_conditions(wanted))
        if whole.first is not None:
            added_up = added_up.where(call_totals.c.day >= whole.first)
        if whole.until is not None:
            added_up = added_up.where(call_totals.c.day < whole.until)
        edges = [
            self._summed(wanted.narrowed(created_from=start, created_to=end)) for start, end in rest
        ]
        return union_all(added_up, *edges)

    def _summed(self, wanted: CallFilter) -> Select[Any]:
        """Added up from the calls, as the sums are."""
        day, agent_id = self._day(), func.coalesce(Call.agent_id, NO_AGENT)
        return (
            select(day, agent_id.label("agent_id"), *self._sums())
            .where(*wanted.conditions())
            .group_by(day, agent_id)
        )

    def _day(self) -> ColumnElement[date]:
        if self._is_sqlite():
            day: Any = func.substr(cast(Call.created_at, Text), 1, 10)
        else:
            day = cast(func.timezone("UTC", Call.created_at), Date)
        return type_coerce(day, Date).label("day")

    def _sums(self) -> list[ColumnElement[Any]]:
        """The same figures as `_figures_of` gives, in SQL."""
        has_ended = Call.ending.is_not(None)

        def counted(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
            return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

        sums = {
            "calls": func.count(),
            "priced": func.count(Call.cost_units),
            "cost_units": func.coalesce(func.sum(Call.cost_units), 0),
            "duration_us": func.coalesce(func.sum(self._microseconds()), 0),
            "unpriced": counted(has_ended, Call.cost_units.is_(None)),
            "succeeded": counted(has_ended, Call.success.is_(True)),
            "failed": counted(has_ended, Call.success.is_(False)),
            "unjudged": counted(has_ended, Call.success.is_(None)),
        }
        sums |= {name: counted(Call.ending == ending) for name, ending in ENDINGS.items()}
        return [cast(sums[name], BigInteger).label(name) for name in FIGURES]

    def _microseconds(self) -> ColumnElement[int]:
        rounded = Call.duration_seconds * 1_000_000.0 + 0.5
        if not self._is_sqlite():
            return cast(func.floor(rounded), BigInteger)
        whole = cast(rounded, Integer)  # towards zero: one too many below it
        return whole - case((rounded < whole, 1), else_=0)

    def _is_sqlite(self) -> bool:
        return self._session.get_bind().dialect.name == "sqlite"

    # ------------------------------------------------------------ all anew

    async def differences(self) -> Sequence[WrongTotals]:
        """Sums that are not what their calls come to; none, unless somebody wrote past us."""
        kept = select(*(call_totals.c[name] for name in ("day", "source", "agent_id", *FIGURES)))
        given = self._of_all_calls().subquery()
        negative = select(
            given.c.day, given.c.source, given.c.agent_id, *(-given.c[name] for name in FIGURES)
        )
        both = union_all(kept, negative).subquery()
        sums = [func.sum(both.c[name]).label(name) for name in FIGURES]
        statement = (
            select(both.c.day, both.c.source, both.c.agent_id, *sums)
            .group_by(both.c.day, both.c.source, both.c.agent_id)
            .having(or_(false(), *(func.sum(both.c[name]) != 0 for name in FIGURES)))
            .order_by(both.c.day, both.c.source, both.c.agent_id)
        )
        rows = (await self._session.execute(statement)).mappings()
        return [
            WrongTotals(
                TotalsKey(row["day"], row["source"], row["agent_id"]),
                {name: int(row[name]) for name in FIGURES if row[name]},
            )
            for row in rows
        ]

    async def rebuild(self) -> None:
        """Add up every call again. Whoever changes one meanwhile waits with its own sums."""
        self._changes = {}
        if not self._is_sqlite():
            await self._session.execute(text("LOCK TABLE call_totals IN ACCESS EXCLUSIVE MODE"))
        await self._session.execute(delete(call_totals))
        columns = ["day", "source", "agent_id", *FIGURES]
        await self._session.execute(
            insert_into(self._session, call_totals).from_select(columns, self._of_all_calls())
        )

    def _of_all_calls(self) -> Select[Any]:
        day, agent_id = self._day(), func.coalesce(Call.agent_id, NO_AGENT)
        source = cast(Call.source, String(32))
        return select(
            day, source.label("source"), agent_id.label("agent_id"), *self._sums()
        ).group_by(day, source, agent_id)


async def leave_agent(session: AsyncSession, agent_id: str) -> None:
    """Take its calls away from an agent that is about to be deleted: they are nobody's then.

    Calls first and sums after them, as everybody does, so that nobody waits in a circle.
    """
    await session.execute(
        update(Call)
        .where(Call.agent_id == agent_id)
        .values(agent_id=None, updated_at=Call.updated_at)
        .execution_options(synchronize_session=False)
    )
    key = (call_totals.c.day, call_totals.c.source, call_totals.c.agent_id)
    theirs = call_totals.c.agent_id == agent_id
    both = call_totals.c.agent_id.in_([NO_AGENT, agent_id])
    await session.execute(select(*key).where(both).order_by(*key).with_for_update())
    figures = [call_totals.c[name] for name in FIGURES]
    moved = select(call_totals.c.day, call_totals.c.source, literal(NO_AGENT), *figures)
    insert = insert_into(session, call_totals)
    columns = ["day", "source", "agent_id", *FIGURES]
    await session.execute(_adding(insert.from_select(columns, moved.where(theirs).order_by(*key))))
    await session.execute(delete(call_totals).where(theirs))


def _adding(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=["day", "source", "agent_id"],
        set_={name: call_totals.c[name] + insert.excluded[name] for name in FIGURES},
    )


def _key_of(call: Mapping[str, Any]) -> TotalsKey:
    day = call["created_at"].astimezone(UTC).date()
    return TotalsKey(day, CallSource(call["source"]).value, call["agent_id"] or NO_AGENT)


def _figures_of(call: Mapping[str, Any]) -> dict[str, int]:
    ending, success, cost = call["ending"], call["success"], call["cost_units"]
    figures = {
        "calls": 1,
        "priced": int(cost is not None),
        "cost_units": cost or 0,
        "duration_us": _rounded_microseconds(call["duration_seconds"]),
    }
    if ending is None:
        return figures
    judged = {True: "succeeded", False: "failed", None: "unjudged"}[success]
    ended = {"unpriced": int(cost is None), judged: 1, f"ended_{CallEnding(ending).value}": 1}
    return figures | ended


def _rounded_microseconds(seconds: float | None) -> int:
    return 0 if seconds is None else math.floor(seconds * 1_000_000.0 + 0.5)


class WholeDays(NamedTuple):
    """None: without an end. `first` is inclusive, `until` is not."""

    first: date | None
    until: date | None


Part = tuple[datetime | None, datetime | None]
NO_DAYS = WholeDays(date.min, date.min)
DAYS_THERE_ARE = date.max.toordinal()


def _cut_into_days(start: datetime | None, end: datetime | None) -> tuple[WholeDays, list[Part]]:
    """The days that lie wholly between the two moments, and the parts of days beside them."""
    first = 1 if start is None else start.toordinal() + int(start.time() != time.min)
    until = DAYS_THERE_ARE if end is None else end.toordinal()
    if first > until:  # within one day
        return NO_DAYS, [(start, end)]
    parts: list[Part] = []
    if start is not None and start.time() != time.min:
        parts.append((start, _midnight(first)))
    if end is not None and end.time() != time.min:
        parts.append((_midnight(until), end))
    return WholeDays(
        None if start is None else date.fromordinal(first),
        None if end is None else date.fromordinal(until),
    ), parts


def _in_utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


def _midnight(ordinal: int) -> datetime:
    return datetime.combine(date.fromordinal(ordinal), time.min, UTC)


def _kept_conditions(wanted: CallFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.agent_id is not None:
        yield call_totals.c.agent_id == wanted.agent_id
    if wanted.source is not None:
        yield call_totals.c.source == wanted.source.value
