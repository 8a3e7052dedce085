"""Calls: what Vapi and Close know of each phone call, mirrored here."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    Text,
    UniqueConstraint,
    and_,
    cast,
    delete,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.errors import NotFoundError
from mission_control.core.words import CallEnding, CallSource
from mission_control.data.base import Base, Record
from mission_control.data.call_facts import CENT_OF_A_MICRO_DOLLAR, CallFacts, KnownCall
from mission_control.data.merged_leads import merged_into
from mission_control.data.pages import Cursor, Page, page_of

__all__ = [
    "Call",
    "CallContent",
    "CallFacts",
    "CallFilter",
    "CallRepository",
    "CallTally",
    "RecordedCall",
]

ItemT = TypeVar("ItemT")
CallKey = tuple[CallSource, str]
STORED_AT_ONCE = 500


class Call(Record):
    """`created_at` is when the call came to be at its source. Whatever the source keeps to itself is null."""

    __tablename__ = "calls"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_calls_created_at_id", "created_at", "id"),
        Index("ix_calls_agent_id_created_at_id", "agent_id", "created_at", "id"),
        Index("ix_calls_assistant_id", "assistant_id"),
        Index("ix_calls_lead_id_created_at_id", "lead_id", "created_at", "id"),
        Index("ix_calls_customer_number_created_at_id", "customer_number", "created_at", "id"),
        # Few calls are open at a time: this finds them among the many.
        Index(
            "ix_calls_open",
            "source",
            "created_at",
            sqlite_where=text("ending IS NULL"),
            postgresql_where=text("ending IS NULL"),
        ),
    )

    source: Mapped[CallSource]
    external_id: Mapped[str] = mapped_column(String(64))
    agent_id: Mapped[str | None] = mapped_column(
        ForeignKey("agents.id", ondelete="SET NULL"), default=None
    )
    assistant_id: Mapped[str | None] = mapped_column(String(64), default=None)
    assistant_version: Mapped[str | None] = mapped_column(String(32), default=None)
    # Close's id, as the call itself carries it: the lead may not be mirrored yet, or no more.
    lead_id: Mapped[str | None] = mapped_column(String(64), default=None)
    contact_id: Mapped[str | None] = mapped_column(String(64), default=None)
    direction: Mapped[str | None] = mapped_column(String(32), default=None)
    status: Mapped[str | None] = mapped_column(String(32), default=None)
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    ended_at: Mapped[datetime | None] = mapped_column(default=None)
    duration_seconds: Mapped[float | None] = mapped_column(default=None)
    ended_reason: Mapped[str | None] = mapped_column(String(200), default=None)
    ending: Mapped[CallEnding | None] = mapped_column(default=None)  # null: not ended yet
    # Vapi's words, whose domain depends on the rubric; `success` only where they mean yes or no.
    success_evaluation: Mapped[str | None] = mapped_column(String(200), default=None)
    success: Mapped[bool | None] = mapped_column(default=None)
    cost_usd: Mapped[Decimal | None] = mapped_column(default=None)  # null: unpriced
    customer_number: Mapped[str | None] = mapped_column(String(32), default=None)  # E.164
    customer_name: Mapped[str | None] = mapped_column(String(200), default=None)
    summary: Mapped[str | None] = mapped_column(Text, default=None)
    # When the source last changed it, by its own clock: what is older changes nothing here.
    source_updated_at: Mapped[datetime | None] = mapped_column(default=None)
    # The source has deleted what was said in it, and so have we.
    content_removed_at: Mapped[datetime | None] = mapped_column(default=None)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class CallContent(Base):
    """What was said, apart from the row that lists are made of."""

    __tablename__ = "call_contents"

    call_id: Mapped[UUID] = mapped_column(
        ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True
    )
    transcript: Mapped[str | None] = mapped_column(Text, default=None)
    # As the source sent it, without secrets and without links that expire.
    document: Mapped[dict[str, Any]] = mapped_column(default=dict)
    # When each part of row and document was said; see `call_facts`.
    stamps: Mapped[dict[str, Any]] = mapped_column(default=dict)


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call that storing something has changed."""

    id: UUID
    source: CallSource
    external_id: str
    agent_id: str | None
    ending: CallEnding | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """What a list of calls is narrowed to. None: any."""

    agent_id: str | None = None
    source: CallSource | None = None
    created_from: datetime | None = None  # inclusive
    created_to: datetime | None = None  # exclusive
    ended_reason: str | None = None
    ending: CallEnding | None = None
    success: bool | None = None
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None
    lead_id: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class CallTally:
    """Calls of one agent and one day (UTC) that ended alike. `cost_usd` is of the priced ones."""

    agent_id: str | None
    day: date
    ending: CallEnding | None
    success: bool | None
    calls: int
    priced: int
    cost_usd: Decimal
    duration_seconds: float


class CallRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # ------------------------------------------------------------ storing

    async def store(self, found: Sequence[CallFacts]) -> int:
        """Insert what is new and update what is newer. Returns how many calls that changed."""
        return len(await self.record(found))

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
        for key, one in told.items():
            row = stored[key]
            known = KnownCall.stored(row, row["document"] or {}, row["stamps"] or {})
            joined = one if key in new else known.joined(one)
            if key in new or joined.columns != known.columns or joined.document != known.document:
                changed[key] = (row["id"], joined)
        await self._write(changed)
        return [
            RecordedCall(call_id, *key, known.agent_id, known.columns["ending"])
            for key, (call_id, known) in changed.items()
        ]

    async def _reserve(self, told: dict[CallKey, KnownCall]) -> set[CallKey]:
        """Make sure that there is a row to lock for each call. Returns the new ones."""
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
        statement = self._insert(Call).on_conflict_do_nothing()
        returning = statement.returning(Call.source, Call.external_id)
        made: Sequence[Any] = (await self._session.execute(returning, rows)).all()
        return {(row[0], row[1]) for row in made}

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
        if not changed:
            return
        now = utc_now()
        rows: list[dict[str, Any]] = []
        contents: list[dict[str, Any]] = []
        for (source, external_id), (call_id, known) in changed.items():
            columns = known.columns
            contents.append(
                {
                    "call_id": call_id,
                    "transcript": columns.pop("transcript"),
                    "document": known.document,
                    "stamps": known.stamps,
                }
            )
            key = {"id": call_id, "source": source, "external_id": external_id}
            rows.append({**key, **columns, "updated_at": now})
        await self._upsert(Call, "id", rows)
        await self._upsert(CallContent, "call_id", contents)

    async def _upsert(
        self, table: type[Call | CallContent], key: str, rows: list[dict[str, Any]]
    ) -> None:
        statement = self._insert(table)
        new = {name: statement.excluded[name] for name in rows[0] if name != key}
        await self._session.execute(
            statement.on_conflict_do_update(index_elements=[key], set_=new), rows
        )

    def _insert(self, table: type[Call | CallContent]) -> Any:
        """Both databases upsert in the same words, each through its own dialect."""
        dialect = self._session.get_bind().dialect.name
        return sqlite_insert(table) if dialect == "sqlite" else postgresql_insert(table)

    async def delete(self, source: CallSource, external_ids: Sequence[str]) -> int:
        """Forget these calls altogether. Returns how many there were."""
        gone = await self._session.execute(
            delete(Call)
            .where(Call.source == source, Call.external_id.in_(external_ids))
            .returning(Call.id)
        )
        return len(gone.all())

    # ------------------------------------------------------------ whose call it is

    async def link_agents(self, agents: Mapping[str, str]) -> int:
        """Give calls without an agent the one of their assistant (`{assistant_id: agent_id}`)."""
        linked = 0
        for assistant_id, agent_id in agents.items():
            done = await self._session.execute(
                update(Call)
                .where(Call.assistant_id == assistant_id, Call.agent_id.is_(None))
                .values(agent_id=agent_id)
                .returning(Call.id)
                .execution_options(synchronize_session=False)
            )
            linked += len(done.all())
        return linked

    async def unlinked_assistants(self) -> set[str]:
        """The assistants of calls that are no agent's."""
        statement = select(Call.assistant_id).where(
            Call.agent_id.is_(None), Call.assistant_id.is_not(None)
        )
        return {one for one in await self._session.scalars(statement.distinct()) if one}

    # ------------------------------------------------------------ reading

    async def get(self, call_id: UUID) -> Call:
        found = await self._session.get(Call, call_id)
        if found is None:
            raise NotFoundError("There is no call with this id.", call_id=str(call_id))
        return found

    async def content(self, call_id: UUID) -> CallContent | None:
        return await self._session.get(CallContent, call_id)

    async def count(self, source: CallSource) -> int:
        statement = select(func.count()).select_from(Call).where(Call.source == source)
        return await self._session.scalar(statement) or 0

    async def page(self, wanted: CallFilter, *, limit: int, cursor: Cursor | None) -> Page[Call]:
        statement = select(Call).where(*_conditions(wanted))
        if wanted.text is not None:
            statement = statement.outerjoin(CallContent, CallContent.call_id == Call.id)
            statement = statement.where(_says(wanted.text))
        return await page_of(self._session, statement, Call, limit=limit, cursor=cursor)

    async def of_lead(
        self, lead_id: str, phones: Collection[str], *, limit: int = 100
    ) -> Sequence[Call]:
        """Calls that carry the lead's id, and those with one of its numbers that carry no id."""
        newest = select(Call).order_by(Call.created_at.desc(), Call.id.desc()).limit(limit)
        found: dict[UUID, Call] = {}
        carries_none = func.coalesce(Call.lead_id, "") == ""  # IS NULL would be looked up first
        # Two look-ups: with an OR, SQLite would walk through all calls there are.
        for belongs in (
            Call.lead_id == lead_id,
            and_(Call.customer_number.in_(phones), carries_none),
        ):
            found |= {call.id: call for call in await self._session.scalars(newest.where(belongs))}
        in_order = sorted(found.values(), key=lambda call: (call.created_at, call.id), reverse=True)
        return in_order[:limit]

    async def ids_between(
        self, source: CallSource, since: datetime, before: datetime
    ) -> Sequence[str]:
        """The external ids of calls that came to be in this time."""
        statement = select(Call.external_id).where(
            Call.source == source, Call.created_at >= since, Call.created_at < before
        )
        return (await self._session.scalars(statement)).all()

    async def open(self, source: CallSource, *, limit: int) -> Sequence[Call]:
        """Calls that have not ended, newest first."""
        statement = (
            select(Call)
            .where(Call.source == source, Call.ending.is_(None))
            .order_by(Call.created_at.desc())
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()

    async def tallies(self, wanted: CallFilter) -> Sequence[CallTally]:
        """Everything that totals are made of, in one pass over the calls."""
        is_sqlite = self._session.get_bind().dialect.name == "sqlite"
        day = _day(is_sqlite=is_sqlite)
        groups = (Call.agent_id, day, Call.ending, Call.success)
        statement = (
            select(
                *groups,
                func.count(),
                func.count(Call.cost_usd),
                _exact_sum(is_sqlite=is_sqlite),
                func.coalesce(func.sum(Call.duration_seconds), 0.0),
            )
            .where(*_conditions(wanted))
            .group_by(*groups)
        )
        rows: Sequence[Any] = (await self._session.execute(statement)).all()
        return [
            CallTally(
                agent_id=row[0],
                day=date.fromisoformat(row[1]),
                ending=row[2],
                success=row[3],
                calls=row[4],
                priced=row[5],
                cost_usd=Decimal(row[6]) * CENT_OF_A_MICRO_DOLLAR,
                duration_seconds=row[7],
            )
            for row in rows
        ]


def _conditions(wanted: CallFilter) -> list[ColumnElement[bool]]:
    """All but the text, which needs what was said beside the row."""
    cost = cast(Call.cost_usd, Float)  # a text on SQLite, where "9" would be more than "10"
    conditions: dict[str, Callable[[Any], ColumnElement[bool]]] = {
        "agent_id": lambda value: Call.agent_id == value,
        "source": lambda value: Call.source == value,
        "created_from": lambda value: Call.created_at >= value,
        "created_to": lambda value: Call.created_at < value,
        "ended_reason": lambda value: Call.ended_reason == value,
        "ending": lambda value: Call.ending == value,
        "success": lambda value: Call.success == value,
        "min_cost": lambda value: cost >= float(value),
        "max_cost": lambda value: cost <= float(value),
        "lead_id": lambda value: Call.lead_id == value,
    }
    given = {name: getattr(wanted, name) for name in conditions}
    return [conditions[name](value) for name, value in given.items() if value is not None]


def _says(words: str) -> ColumnElement[bool]:
    """The words, in any case. Databases fold ASCII only, so other letters are tried in each case."""
    spellings = {words} if words.isascii() else {words, words.lower(), words.upper(), words.title()}
    places = (Call.summary, CallContent.transcript, Call.customer_name, Call.customer_number)
    return or_(
        *(place.icontains(each, autoescape=True) for place in places for each in sorted(spellings))
    )


def _exact_sum(*, is_sqlite: bool) -> ColumnElement[Any]:
    """In hundredths of a micro-dollar. SQLite keeps a text with eight decimals, and adds integers."""
    if is_sqlite:
        units = cast(func.replace(cast(Call.cost_usd, Text), ".", ""), Integer)
    else:
        units = cast(Call.cost_usd / CENT_OF_A_MICRO_DOLLAR, Numeric(38, 0))
    return func.coalesce(func.sum(units), 0)


def _day(*, is_sqlite: bool) -> ColumnElement[str]:
    if is_sqlite:
        return func.substr(cast(Call.created_at, Text), 1, 10)
    return func.to_char(func.timezone("UTC", Call.created_at), "YYYY-MM-DD")


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


def batched(items: Sequence[ItemT], size: int = STORED_AT_ONCE) -> Iterator[Sequence[ItemT]]:
    return (items[start : start + size] for start in range(0, len(items), size))
