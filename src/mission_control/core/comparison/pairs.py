"""The same scenarios in both arms, what became of each, and copies of one question made one."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from mission_control.core.comparison.scores import (
    ScenarioRepeatedError,
    ScenarioScore,
    ScenariosDifferError,
    ScenarioUnknownError,
)


@dataclass(frozen=True, slots=True)
class Pair:
    """One scenario before and after. `before` and `after` are shares of repetitions that passed."""

    scenario_id: str
    baseline: ScenarioScore
    candidate: ScenarioScore
    measured: bool
    before: float
    after: float

    @classmethod
    def of(cls, baseline: ScenarioScore, candidate: ScenarioScore) -> Self:
        return cls(
            scenario_id=baseline.scenario_id,
            baseline=baseline,
            candidate=candidate,
            measured=baseline.measured and candidate.measured,
            before=baseline.mean(),
            after=candidate.mean(),
        )

    @property
    def fixed(self) -> bool:
        return self.before < 0.5 < self.after

    @property
    def broken(self) -> bool:
        return self.after < 0.5 < self.before

    @property
    def anchor_broken(self) -> bool:
        return self.measured and self.before == 1 and self.broken

    @property
    def anchor_in_doubt(self) -> bool:
        return not self.measured or (self.broken and not self.anchor_broken)


def pair_up(baseline: Sequence[ScenarioScore], candidate: Sequence[ScenarioScore]) -> list[Pair]:
    """Raises `ScenariosDifferError`, `ScenarioRepeatedError`."""
    before, after = _by_id(baseline), _by_id(candidate)
    if before.keys() != after.keys():
        raise ScenariosDifferError(
            only_baseline=before.keys() - after.keys(), only_candidate=after.keys() - before.keys()
        )
    return [Pair.of(before[id_], after[id_]) for id_ in sorted(before)]


def _by_id(scores: Sequence[ScenarioScore]) -> dict[str, ScenarioScore]:
    by_id: dict[str, ScenarioScore] = {}
    for score in scores:
        if score.scenario_id in by_id:
            raise ScenarioRepeatedError(score.scenario_id)
        by_id[score.scenario_id] = score
    return by_id


def refuse_unknown(named: set[str], pairs: list[Pair]) -> None:
    unknown = named - {pair.scenario_id for pair in pairs}
    if unknown:
        raise ScenarioUnknownError(unknown)


def ids(pairs: Iterable[Pair]) -> tuple[str, ...]:
    return tuple(pair.scenario_id for pair in pairs)


def copies_as_one(pairs: list[Pair], copies: Sequence[Collection[str]]) -> list[Pair]:
    """Scenarios that ask one question become one: their runs are repetitions of each other."""
    group_of = {id_: number for number, group in enumerate(copies) for id_ in group}
    groups: dict[int | str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(group_of.get(pair.scenario_id, pair.scenario_id), []).append(pair)
    return [_as_one(group) for group in groups.values()]


def _as_one(pairs: list[Pair]) -> Pair:
    if len(pairs) == 1:
        return pairs[0]
    name = pairs[0].scenario_id
    return Pair.of(
        ScenarioScore(name, tuple(each for pair in pairs for each in pair.baseline.outcomes)),
        ScenarioScore(name, tuple(each for pair in pairs for each in pair.candidate.outcomes)),
    )
