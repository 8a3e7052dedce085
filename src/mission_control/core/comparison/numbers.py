"""The numbers of a comparison: rates, their difference, its interval and its chance."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from mission_control.core.comparison.pairs import Pair
from mission_control.core.paired_statistics import (
    PairedDifferences,
    bootstrap_interval,
    sign_flip_p_value,
)

USEFUL_DIFFERENCE = 0.15
FINEST_GRID = 240  # steps per full flip; a multiple of most numbers of repetitions


@dataclass(frozen=True, slots=True)
class Numbers:
    """Rates are in 0..1, differences in -1..1; `low` and `high` are of the 95 % interval."""

    scenarios: int
    baseline_rate: float
    candidate_rate: float
    difference: float
    low: float
    high: float
    p_value: float
    mean_square: float

    @classmethod
    def of(cls, pairs: list[Pair]) -> Self | None:
        """None for no pairs."""
        if not pairs:
            return None
        before = [pair.before for pair in pairs]
        after = [pair.after for pair in pairs]
        differences = _differences(pairs, before, after)
        low, high = bootstrap_interval(differences)
        return cls(
            scenarios=len(pairs),
            baseline_rate=_share(math.fsum(before) / len(pairs)),
            candidate_rate=_share(math.fsum(after) / len(pairs)),
            difference=_share((math.fsum(after) - math.fsum(before)) / len(pairs)),
            low=_share(low),
            high=_share(high),
            p_value=sign_flip_p_value(differences),
            mean_square=differences.mean_square(),
        )

    def significant_at(self, level: float) -> bool:
        return self.p_value < level and (self.low > 0 or self.high < 0)

    @property
    def rule_out_a_useful_difference(self) -> bool:
        return self.low > -USEFUL_DIFFERENCE and self.high < USEFUL_DIFFERENCE


def survives_the_unmeasured(pairs: list[Pair], *, gain: bool, level: float) -> bool:
    """Whether the difference stays significant if every unmeasured repetition speaks against it."""
    before = [pair.baseline.mean(unmeasured_as=1.0 if gain else 0.0) for pair in pairs]
    after = [pair.candidate.mean(unmeasured_as=0.0 if gain else 1.0) for pair in pairs]
    kept = (math.fsum(after) > math.fsum(before)) == gain
    return kept and sign_flip_p_value(_differences(pairs, before, after)) < level


def _differences(pairs: list[Pair], before: list[float], after: list[float]) -> PairedDifferences:
    return PairedDifferences.on_grid(np.array(after) - np.array(before), grid=_grid(pairs))


def _grid(pairs: list[Pair]) -> int:
    """Steps per full flip: exact for passes and fails, the finest for graded outcomes.

    Rounding to the finest grid treats both arms alike, so the permutation test keeps its level;
    it moves a scenario's difference by a fifth of a point at most.
    """
    scores = [score for pair in pairs for score in (pair.baseline, pair.candidate)]
    yes_or_no = all({0, 1, None}.issuperset(score.outcomes) for score in scores)
    repetitions = {len(score.outcomes) for score in scores}
    return min(math.lcm(*repetitions), FINEST_GRID) if yes_or_no else FINEST_GRID


def _share(value: float) -> float:
    """Free of rounding noise, so that equal evidence gives equal numbers in any order."""
    return round(value, 6) + 0.0
