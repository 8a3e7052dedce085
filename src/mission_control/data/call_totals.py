"""What calls came to: added up per day, source, agent and version by whoever changes a call.

A time that covers whole days is answered from these sums; the parts of days at its two ends are
added up from the calls themselves. So totals of any time are exact, whatever the number of calls.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    String,
    Table,
    cast,
    delete,
    false,
    func,
    literal,
    null,
    or_,
    select,
    text,
    true,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.core.words import CallSource
from mission_control.data.base import Base
from mission_control.data.call_figures import (
    FIGURES,
    KEY,
    NO_AGENT,
    CallSums,
    Role,
    TotalsKey,
    added_up,
    counted,
)
from mission_control.data.calls import Call, CallFilter, CallPart
from mission_control.data.counted_calls import CountedCalls
from mission_control.data.upserts import insert_into
from mission_control.data.whole_days import cut_into_days, in_utc

WRITTEN_AT_ONCE = 500


call_totals = Table(
    "call_totals",
    Base.metadata,
    Column("day", Date, primary_key=True),  # of the calls' creation, in UTC
    Column("source", String(32), primary_key=True),
    Column("agent_id", String(64), primary_key=True),
    Column("assistant_version", String(32), primary_key=True),
    Column("role", String(16), primary_key=True),
    *(Column(name, BigInteger, nullable=False) for name in FIGURES),
)


@dataclass(frozen=True, slots=True)
class CallTotals:
    overall: CallSums
    by_agent: Mapping[str | None, CallSums]
    by_version: Mapping[tuple[str | None, str | None], CallSums]  # by agent and version
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
        self._counted_calls = CountedCalls(is_sqlite=self._is_sqlite())
        self._changes: dict[TotalsKey, Counter[str]] = {}

    # ------------------------------------------------------------ keeping

    def add(
        self, call: Mapping[str, Any], parts: Sequence[Mapping[str, Any]] = (), *, times: int = 1
    ) -> None:
        """A call (its columns by name, and those of its parts) counts from now on; with -1, no more."""
        for key, figures in counted(call, parts):
            changes = self._changes.setdefault(key, Counter())
            for name, figure in figures.items():
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
        no_day, no_text = type_coerce(null(), Date), cast(null(), String)
        whose = (parts.c.agent_id, parts.c.assistant_version)
        asked = true() if wanted.agent_id is None else parts.c.agent_id == wanted.agent_id
        repeated = [] if wanted.source is None else [Role.REPEATED]
        of_agents = [Role.CALL, Role.PART, *repeated]
        of_all = of_agents if wanted.agent_id is not None else [Role.CALL, Role.WHOLE, *repeated]
        # One statement: both groups are of the same moment.
        both = union_all(
            select(cast(no_day, Date).label("day"), *whose, *sums)
            .where(asked, parts.c.role.in_(of_agents))
            .group_by(*whose)
            .having(some),
            select(parts.c.day, no_text.label("agent_id"), no_text.label("version"), *sums)
            .where(asked, parts.c.role.in_(of_all))
            .group_by(parts.c.day)
            .having(some),
        )
        rows = [dict(row) for row in (await self._session.execute(both)).mappings()]
        days = {row["day"]: row for row in rows if row["agent_id"] is None}
        versions = {
            (row["agent_id"] or None, row["assistant_version"] or None): row
            for row in rows
            if row["agent_id"] is not None
        }
        agents = {
            agent_id: added_up(
                row for (whose_it_is, _), row in versions.items() if whose_it_is == agent_id
            )
            for agent_id, _ in versions
        }
        return CallTotals(
            CallSums.of(added_up(days.values())),
            {agent_id: CallSums.of(row) for agent_id, row in agents.items()},
            {whose_it_is: CallSums.of(row) for whose_it_is, row in versions.items()},
            {day: CallSums.of(row) for day, row in days.items()},
        )

    async def count(self, source: CallSource) -> int:
        await self.write_changes()
        statement = select(func.sum(call_totals.c.calls)).where(
            call_totals.c.source == source.value, call_totals.c.role != Role.PART
        )
        return int(await self._session.scalar(statement) or 0)

    def _parts(self, wanted: CallFilter) -> Any:
        """Sums of whole days, and beside them of the calls of days that are only wanted in part."""
        whole, rest = cut_into_days(in_utc(wanted.created_from), in_utc(wanted.created_to))
        names = ("day", "agent_id", "assistant_version", "role", *FIGURES)
        added_up = select(*(call_totals.c[name] for name in names))
        if wanted.source is not None:
            added_up = added_up.where(call_totals.c.source == wanted.source.value)
        if whole.first is not None:
            added_up = added_up.where(call_totals.c.day >= whole.first)
        if whole.until is not None:
            added_up = added_up.where(call_totals.c.day < whole.until)
        edges: list[Any] = []
        for start, end in rest:
            of_part = CallFilter(source=wanted.source, created_from=start, created_to=end)
            counted = self._counted_calls.among(*of_part.conditions(once=False)).subquery()
            edges.append(select(*(counted.c[name] for name in names)))
        return union_all(added_up, *edges)

    def _is_sqlite(self) -> bool:
        return self._session.get_bind().dialect.name == "sqlite"

    # ------------------------------------------------------------ all anew

    async def differences(self) -> Sequence[WrongTotals]:
        """Sums that are not what their calls come to; none, unless somebody wrote past us."""
        kept = select(*(call_totals.c[name] for name in (*KEY, *FIGURES)))
        given = self._counted_calls.among().subquery()
        negative = select(*(given.c[name] for name in KEY), *(-given.c[name] for name in FIGURES))
        both = union_all(kept, negative).subquery()
        key = [both.c[name] for name in KEY]
        sums = [func.sum(both.c[name]).label(name) for name in FIGURES]
        statement = (
            select(*key, *sums)
            .group_by(*key)
            .having(or_(false(), *(func.sum(both.c[name]) != 0 for name in FIGURES)))
            .order_by(*key)
        )
        rows = (await self._session.execute(statement)).mappings()
        return [
            WrongTotals(
                TotalsKey(*(row[name] for name in KEY)),
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
        # Only those of the calls and parts that somebody has: a sum of nothing is no row.
        given = self._counted_calls.among().subquery()
        columns = [*KEY, *FIGURES]
        await self._session.execute(
            insert_into(self._session, call_totals).from_select(
                columns, select(*(given.c[name] for name in columns))
            )
        )


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
    await session.execute(
        update(CallPart)
        .where(CallPart.agent_id == agent_id)
        .values(agent_id=None)
        .execution_options(synchronize_session=False)
    )
    key = [call_totals.c[name] for name in KEY]
    theirs = call_totals.c.agent_id == agent_id
    both = call_totals.c.agent_id.in_([NO_AGENT, agent_id])
    await session.execute(select(*key).where(both).order_by(*key).with_for_update())
    nobodys = [literal(NO_AGENT) if name == "agent_id" else call_totals.c[name] for name in KEY]
    moved = select(*nobodys, *(call_totals.c[name] for name in FIGURES))
    insert = insert_into(session, call_totals)
    columns = [*KEY, *FIGURES]
    await session.execute(_adding(insert.from_select(columns, moved.where(theirs).order_by(*key))))
    await session.execute(delete(call_totals).where(theirs))


def _adding(insert: Any) -> Any:
    return insert.on_conflict_do_update(
        index_elements=list(KEY),
        set_={name: call_totals.c[name] + insert.excluded[name] for name in FIGURES},
    )
