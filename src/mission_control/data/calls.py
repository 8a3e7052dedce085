"""Calls: what Vapi and Close know of each phone call, mirrored here, and what a list is narrowed to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    not_,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, aliased, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.words import CallEnding, CallSource, SuccessRubric
from mission_control.data.base import Base, Record
from mission_control.data.call_facts import CENT_OF_A_MICRO_DOLLAR, CallFacts

__all__ = [
    "Call",
    "CallContent",
    "CallFacts",
    "CallFilter",
    "CallPart",
    "RecordedCall",
    "batched",
    "cost_units",
]

ItemT = TypeVar("ItemT")
STORED_AT_ONCE = 500
# What a list can be narrowed to, newest first: each has an index that is in the list's order.
LISTED_BY = (
    "agent_id", "source", "direction", "assistant_version", "ended_reason", "ending", "success",
    "lead_id", "customer_number",
)  # fmt: skip


def _only_where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Call(Record):
    """`created_at` is when the call came to be at its source. Whatever the source keeps to itself is null."""

    __tablename__ = "calls"
    __table_args__ = (
        UniqueConstraint("source", "external_id"),
        Index("ix_calls_created_at_id", "created_at", "id"),
        *(Index(f"ix_calls_{name}_created_at_id", name, "created_at", "id") for name in LISTED_BY),
        Index("ix_calls_cost_units_created_at_id", "cost_units", "created_at", "id"),
        Index("ix_calls_assistant_id", "assistant_id"),
        Index("ix_calls_same_call_as", "same_call_as", **_only_where("same_call_as IS NOT NULL")),
        Index("ix_calls_names_call", "names_call", **_only_where("names_call IS NOT NULL")),
        Index(
            "ix_calls_without_rubric", "assistant_id",
            **_only_where("success_evaluation IS NOT NULL AND success_rubric IS NULL"),
        ),
        # Few calls are open, wait to be indexed, are of no agent, or have lost their content: these
        # find them among the many.
        Index("ix_calls_open", "source", "created_at", **_only_where("ending IS NULL")),
        Index(
            "ix_calls_to_index", "updated_at", "id",
            sqlite_where=text("to_index = 1"), postgresql_where=text("to_index"),
        ),
        Index(
            "ix_calls_unlinked", "assistant_id",
            **_only_where("agent_id IS NULL AND assistant_id IS NOT NULL"),
        ),
        Index("ix_calls_removed", "id", **_only_where("content_removed_at IS NOT NULL")),
    )  # fmt: skip

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
    # Vapi's words, and the rubric that they answer; `success` only where that says pass or fail,
    # `success_score` from 0 to 1 where it has a scale.
    success_evaluation: Mapped[str | None] = mapped_column(String(200), default=None)
    success_rubric: Mapped[SuccessRubric | None] = mapped_column(default=None)
    success: Mapped[bool | None] = mapped_column(default=None)
    success_score: Mapped[float | None] = mapped_column(default=None)
    cost_usd: Mapped[Decimal | None] = mapped_column(default=None)  # null: unpriced
    # The same in hundredths of a micro-dollar: compared and added up alike on both databases.
    cost_units: Mapped[int | None] = mapped_column(BigInteger, default=None)
    customer_number: Mapped[str | None] = mapped_column(String(32), default=None)  # E.164
    customer_name: Mapped[str | None] = mapped_column(String(200), default=None)
    summary: Mapped[str | None] = mapped_column(Text, default=None)
    # The row of another system that tells of the same call; this one is the repetition.
    same_call_as: Mapped[UUID | None] = mapped_column(default=None)
    # The id at another system that this row says it is of.
    names_call: Mapped[str | None] = mapped_column(String(64), default=None)
    # Several assistants spoke in it; `CallPart` has what each of them had of it.
    is_shared: Mapped[bool] = mapped_column(default=False)
    # When the source last changed it, by its own clock: what is older changes nothing here.
    source_updated_at: Mapped[datetime | None] = mapped_column(default=None)
    # The source has deleted what was said in it, and so have we.
    content_removed_at: Mapped[datetime | None] = mapped_column(default=None)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)
    # It ended, something was said, and the memory's index does not know it yet as it is now.
    to_index: Mapped[bool] = mapped_column(default=False)


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


class CallPart(Base):
    """What one of several assistants had of a call. Null: nobody can tell."""

    __tablename__ = "call_parts"
    __table_args__ = (
        Index("ix_call_parts_agent_id", "agent_id"),
        Index("ix_call_parts_assistant_version", "assistant_version"),
        Index(
            "ix_call_parts_unlinked", "assistant_id",
            **_only_where("agent_id IS NULL AND assistant_id IS NOT NULL"),
        ),
    )  # fmt: skip

    call_id: Mapped[UUID] = mapped_column(
        ForeignKey("calls.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)  # by who spoke first
    assistant_id: Mapped[str | None] = mapped_column(String(64), default=None)
    assistant_name: Mapped[str | None] = mapped_column(String(200), default=None)
    assistant_version: Mapped[str | None] = mapped_column(String(32), default=None)
    agent_id: Mapped[str | None] = mapped_column(
        ForeignKey("agents.id", ondelete="SET NULL"), default=None
    )
    duration_us: Mapped[int | None] = mapped_column(BigInteger, default=None)
    cost_units: Mapped[int | None] = mapped_column(BigInteger, default=None)
    is_last: Mapped[bool] = mapped_column(default=False)


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
    assistant_version: str | None = None
    source: CallSource | None = None
    direction: str | None = None
    created_from: datetime | None = None  # inclusive
    created_to: datetime | None = None  # exclusive
    ended_reason: str | None = None
    ending: CallEnding | None = None
    success: bool | None = None
    min_cost: Decimal | None = None
    max_cost: Decimal | None = None
    lead_id: str | None = None
    text: str | None = None
    # Whether calls count as an agent's, or a version's, that it spoke a part of.
    with_parts: bool = True

    def narrowed(self, **changes: Any) -> "CallFilter":
        return replace(self, **changes)

    def conditions(self, *, once: bool = True) -> list[ColumnElement[bool]]:
        """All but the text, which has an index of its own. `once`: a call that two systems keep."""
        equal = ("source", "direction", "ended_reason", "ending", "success", "lead_id")
        given = {name: getattr(self, name) for name in equal}
        conditions: list[ColumnElement[bool]] = [
            getattr(Call, name) == value for name, value in given.items() if value is not None
        ]
        conditions += [self._is_whose(*whose) for whose in self.whose.items()]
        if once and self.source is None:
            conditions.append(self._is_no_repetition())
        if self.created_from is not None:
            conditions.append(Call.created_at >= self.created_from)
        if self.created_to is not None:
            conditions.append(Call.created_at < self.created_to)
        # Not by the index of costs: who wants the newest of many goes through them by time.
        return [*conditions, *self._costs(Call.cost_units + 0)]

    @property
    def whose(self) -> dict[str, str]:
        """The agent and the version, by column, where they are wanted."""
        given = {"agent_id": self.agent_id, "assistant_version": self.assistant_version}
        return {name: value for name, value in given.items() if value is not None}

    def _is_whose(self, name: str, value: str) -> ColumnElement[bool]:
        is_its_own: ColumnElement[bool] = getattr(Call, name) == value
        if not self.with_parts:
            return is_its_own
        spoken = select(CallPart.call_id).where(getattr(CallPart, name) == value)
        return or_(is_its_own, Call.id.in_(spoken))

    def _is_no_repetition(self) -> ColumnElement[bool]:
        """A call that two systems keep is listed once, unless only the other row is wanted."""
        first = aliased(Call)
        equal = ("direction", "ended_reason", "ending", "success", "lead_id", *self.whose)
        fits = [
            getattr(first, name) == getattr(self, name)
            for name in equal
            if getattr(self, name) is not None
        ]
        fits += self._costs(first.cost_units + 0)
        listed = select(1).where(first.id == Call.same_call_as, *fits)
        return or_(Call.same_call_as.is_(None), not_(listed.exists()))

    @property
    def has_cost(self) -> bool:
        return self.min_cost is not None or self.max_cost is not None

    def cost_conditions(self) -> list[ColumnElement[bool]]:
        """Of the cost alone, by its index."""
        return self._costs(Call.__table__.c.cost_units)

    def _costs(self, units: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        costs: list[ColumnElement[bool]] = []
        if self.min_cost is not None:
            costs.append(units >= _whole_units(self.min_cost, ROUND_CEILING))
        if self.max_cost is not None:
            costs.append(units <= _whole_units(self.max_cost, ROUND_FLOOR))
        return costs


def cost_units(cost_usd: Decimal) -> int:
    return int(cost_usd.quantize(CENT_OF_A_MICRO_DOLLAR).scaleb(8))


def _whole_units(cost_usd: Decimal, rounding: str) -> int:
    return int(cost_usd.scaleb(8).to_integral_value(rounding))


def batched(items: Sequence[ItemT], size: int = STORED_AT_ONCE) -> Iterator[Sequence[ItemT]]:
    return (items[start : start + size] for start in range(0, len(items), size))
