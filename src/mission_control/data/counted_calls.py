"""What calls add to the totals, worked out by the database: the same as `call_figures` in SQL."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Integer,
    String,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    true,
    type_coerce,
    union_all,
)

from mission_control.core.words import CallEnding
from mission_control.data.call_figures import (
    ENDINGS,
    FIGURES,
    NO_AGENT,
    NO_VERSION,
    SCORES,
    Role,
)
from mission_control.data.calls import Call, CallPart


class CountedCalls:
    def __init__(self, *, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite

    def among(self, *conditions: ColumnElement[bool]) -> Any:
        """Of these calls and their parts, added up as the sums are."""
        source = cast(Call.source, String(32)).label("source")
        is_whole = and_(Call.is_shared, Call.same_call_as.is_(None))
        role = case(
            (Call.same_call_as.is_not(None), Role.REPEATED.value),
            (Call.is_shared, Role.WHOLE.value),
            else_=Role.CALL.value,
        )
        whose = [
            case((is_whole, NO_AGENT), else_=func.coalesce(Call.agent_id, NO_AGENT)),
            case((is_whole, NO_VERSION), else_=func.coalesce(Call.assistant_version, NO_VERSION)),
        ]
        calls = self._grouped(source, whose, role, self._of_calls()).where(*conditions)
        spoken = [
            func.coalesce(CallPart.agent_id, NO_AGENT),
            func.coalesce(CallPart.assistant_version, NO_VERSION),
        ]
        part = literal(Role.PART.value)
        of_parts = self._grouped(source, spoken, part, self._of_parts())
        of_parts = of_parts.select_from(CallPart).join(Call, Call.id == CallPart.call_id)
        return union_all(calls, of_parts.where(is_whole, *conditions))

    def _grouped(
        self, source: Any, whose: Sequence[Any], role: Any, figures: Mapping[str, Any]
    ) -> Any:
        key = [
            self._day(), source, whose[0].label("agent_id"), whose[1].label("assistant_version"),
            cast(role, String(16)).label("role"),
        ]  # fmt: skip
        sums = [cast(figures[name], BigInteger).label(name) for name in FIGURES]
        # By position: a value that is given to the database twice is no column of its.
        columns: list[Any] = [*key, *sums]
        return select(*columns).group_by(*(text(str(at + 1)) for at in range(len(key))))

    def _day(self) -> ColumnElement[date]:
        if self._is_sqlite:
            day: Any = func.substr(cast(Call.created_at, Text), 1, 10)
        else:
            day = cast(func.timezone("UTC", Call.created_at), Date)
        return type_coerce(day, Date).label("day")

    def _of_calls(self) -> dict[str, ColumnElement[Any]]:
        """The same figures as `_figures_of` gives, in SQL."""
        return self._sums(
            cost=Call.cost_units,
            microseconds=self._millionths(Call.duration_seconds),
            ending=Call.ending,
            is_judged=true(),
        )

    def _of_parts(self) -> dict[str, ColumnElement[Any]]:
        handed_over = case((Call.ending.is_not(None), CallEnding.TRANSFERRED.value))
        return self._sums(
            cost=CallPart.cost_units,
            microseconds=CallPart.duration_us,
            ending=case((CallPart.is_last, cast(Call.ending, String)), else_=handed_over),
            is_judged=CallPart.is_last.is_(True),
        )

    def _sums(
        self, *, cost: Any, microseconds: Any, ending: Any, is_judged: ColumnElement[bool]
    ) -> dict[str, ColumnElement[Any]]:
        has_ended = ending.is_not(None)

        def added(value: Any) -> ColumnElement[Any]:
            return func.coalesce(func.sum(value), 0)

        def counted(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
            return added(case((and_(*conditions), 1), else_=0))

        scored = {
            rubric: and_(
                has_ended, is_judged,
                Call.success_rubric == rubric, Call.success_score.is_not(None),
            )
            for rubric in SCORES
        }  # fmt: skip
        has_success = and_(is_judged, Call.success.is_not(None))
        judged = or_(has_success, *scored.values())
        sums = {
            "calls": func.count(),
            "priced": func.count(cost),
            "cost_units": added(cost),
            "duration_us": added(microseconds),
            "unpriced": counted(has_ended, cost.is_(None)),
            "succeeded": counted(has_ended, is_judged, Call.success.is_(True)),
            "failed": counted(has_ended, is_judged, Call.success.is_(False)),
            "unjudged": counted(has_ended, not_(judged)),
        }
        points = self._millionths(Call.success_score)
        for rubric, (count, total) in SCORES.items():
            sums |= {count: counted(scored[rubric]), total: added(case((scored[rubric], points)))}
        return sums | {
            name: counted(cast(ending, String) == each.value) for name, each in ENDINGS.items()
        }

    def _millionths(self, value: Any) -> ColumnElement[int]:
        rounded = value * 1_000_000.0 + 0.5
        if not self._is_sqlite:
            return cast(func.floor(rounded), BigInteger)
        whole = cast(rounded, Integer)  # towards zero: one too many below it
        return whole - case((rounded < whole, 1), else_=0)
