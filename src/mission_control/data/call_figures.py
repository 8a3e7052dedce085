"""What one call adds to the totals, and what many came to."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from mission_control.core.call_success import COMPARABLE
from mission_control.core.words import CallEnding, CallSource, SuccessRubric
from mission_control.data.call_facts import CENT_OF_A_MICRO_DOLLAR

MILLION = 1_000_000
NO_AGENT = NO_VERSION = ""  # a part of a key cannot be null
ENDINGS = {f"ended_{ending.value}": ending for ending in CallEnding}
# Whole numbers, so that what is added and taken away again leaves nothing behind. `unpriced` and
# the success are of ended calls.
SCORES = {rubric: (f"scored_{rubric.value}", f"points_{rubric.value}") for rubric in COMPARABLE}
FIGURES = (
    "calls", "priced", "cost_units", "duration_us", "unpriced", "succeeded", "failed", "unjudged",
    *(name for names in SCORES.values() for name in names), *ENDINGS,
)  # fmt: skip


class Role(StrEnum):
    """In which totals a sum counts."""

    CALL = "call"  # in all of them
    WHOLE = "whole"  # a call that several assistants spoke in: where nothing is told by agent
    PART = "part"  # what one of them had of it: only where it is told by agent
    REPEATED = "repeated"  # another system keeps the call too: only where one system is asked for


class TotalsKey(NamedTuple):
    day: date
    source: str
    agent_id: str
    assistant_version: str
    role: str


KEY = TotalsKey._fields


@dataclass(frozen=True, slots=True)
class Scores:
    """How many calls were judged on one scale, and their average from 0 (worst) to 1 (best)."""

    calls: int
    average: float


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
    scores: Mapping[SuccessRubric, Scores]  # only those that some call had
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
            scores={
                rubric: Scores(
                    int(figures[count]),
                    round(int(figures[points]) / MILLION / int(figures[count]), 6),
                )
                for rubric, (count, points) in SCORES.items()
                if figures[count]
            },
            endings=endings,
        )


def added_up(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    sums = Counter[str](dict.fromkeys(FIGURES, 0))
    for row in rows:
        sums.update({name: int(row[name]) for name in FIGURES})
    return dict(sums)


def counted(
    call: Mapping[str, Any], parts: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[TotalsKey, dict[str, int]]]:
    """What a call adds to, and how much."""
    if call["same_call_as"] is not None:
        yield _key_of(call, Role.REPEATED), _figures_of(call)
    elif not parts:
        yield _key_of(call, Role.CALL), _figures_of(call)
    else:
        whose_it_is = {"agent_id": None, "assistant_version": None}
        yield _key_of({**call, **whose_it_is}, Role.WHOLE), _figures_of(call)
        for part in parts:
            had = _had_by(part, call)
            yield _key_of(had, Role.PART), _figures_of(had)


def _had_by(part: Mapping[str, Any], call: Mapping[str, Any]) -> dict[str, Any]:
    """The call as one of its assistants had it: who handed it on did not end it, nor is it judged."""
    microseconds = part["duration_us"]
    had = {
        **call,
        **{name: part[name] for name in ("agent_id", "assistant_version", "cost_units")},
        "duration_seconds": None if microseconds is None else microseconds / MILLION,
    }
    if part["is_last"]:
        return had
    ending = None if call["ending"] is None else CallEnding.TRANSFERRED
    return had | {"ending": ending, "success": None, "success_score": None}


def _key_of(call: Mapping[str, Any], role: Role) -> TotalsKey:
    day = call["created_at"].astimezone(UTC).date()
    return TotalsKey(
        day,
        CallSource(call["source"]).value,
        call["agent_id"] or NO_AGENT,
        call["assistant_version"] or NO_VERSION,
        role.value,
    )


def _figures_of(call: Mapping[str, Any]) -> dict[str, int]:
    ending, cost = call["ending"], call["cost_units"]
    figures = {
        "calls": 1,
        "priced": int(cost is not None),
        "cost_units": cost or 0,
        "duration_us": _millionths(call["duration_seconds"]),
    }
    if ending is None:
        return figures
    ended = {"unpriced": int(cost is None), f"ended_{CallEnding(ending).value}": 1}
    return figures | ended | _judgement_of(call)


def _judgement_of(call: Mapping[str, Any]) -> dict[str, int]:
    success, score = call["success"], call["success_score"]
    if success is not None:
        return {"succeeded" if success else "failed": 1}
    scored = SCORES.get(call["success_rubric"])
    if scored is None or score is None:
        return {"unjudged": 1}
    count, points = scored
    return {count: 1, points: _millionths(score)}


def _millionths(value: float | None) -> int:
    return 0 if value is None else math.floor(value * 1_000_000.0 + 0.5)
