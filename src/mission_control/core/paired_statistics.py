"""Exact statistics for scenarios measured twice: is the mean difference real, and how large is it?

Nothing here is sampled. Differences of pass rates are whole steps of a grid (with three
repetitions, thirds), and the sum of independent steps has a distribution that can be computed. So
"all 2**n sign assignments" and "infinitely many bootstrap resamples" are both finite sums, the
same on every machine and in every order.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
POWER = 0.80

_Z_POWER = NormalDist().inv_cdf(POWER)


def level_of_reading(reading: int) -> float:
    """What p the i-th reading of one test split must stay below: 0.05 / (i (i + 1)).

    The levels of all readings add up to 0.05, so however often one looks, the chance of ever
    calling a useless candidate better stays below 5 %.
    """
    return LEVEL / (reading * (reading + 1))


def fewest_scenarios(level: float) -> int:
    """With fewer, no outcome reaches the level: n differences of one sign give p = 2 / 2**n."""
    return math.floor(1 - math.log2(level)) + 1


@dataclass(frozen=True, slots=True)
class PairedDifferences:
    """One difference per scenario: `steps` times `step`, between -1 and 1."""

    steps: NDArray[np.int64]
    step: float

    @classmethod
    def on_grid(cls, differences: NDArray[np.float64], *, grid: int) -> Self:
        """Round to the nearest of `grid` steps per full flip, and use the coarsest grid that fits."""
        steps = np.rint(differences * grid).astype(np.int64)
        coarsest = int(np.gcd.reduce(steps)) or grid
        return cls(steps=steps // coarsest, step=coarsest / grid)

    def smoothed(self) -> NDArray[np.float64]:
        """Chances of -k..k steps in the population: what was seen, and one more change each way.

        The two pseudo-scenarios are as large as the changes that were seen (a full flip if there
        was none). Without them, scenarios that happen not to change would prove that none ever
        does, and the interval would shrink to a point.
        """
        reach = max(1, int(np.abs(self.steps).max()))
        seen = np.bincount(self.steps + reach, minlength=2 * reach + 1).astype(np.float64)
        changes = seen + seen[::-1]
        changes[reach] = 0
        if not changes.any():
            changes[[0, -1]] = 1
        return (seen + 2 * changes / changes.sum()) / (len(self.steps) + 2)

    def mean_square(self) -> float:
        chances = self.smoothed()
        reach = len(chances) // 2
        sizes = np.arange(-reach, reach + 1) * self.step
        return float((chances * sizes**2).sum())


def sign_flip_p_value(differences: PairedDifferences) -> float:
    """Two-sided exact permutation test: how often would chance alone differ at least as much?

    If the arms are alike, each difference could as well have had the other sign. This is the share
    of all 2**n sign assignments whose sum is at least as far from zero as the observed one.
    """
    sizes = np.abs(differences.steps)
    observed = abs(int(differences.steps.sum()))
    chances = np.ones(1)  # of every total of the sizes that keep their sign
    for size in sizes[sizes > 0].tolist():
        longer = np.zeros(len(chances) + size)
        longer[: len(chances)] = chances
        longer[size:] += chances
        chances = longer / 2
    totals = np.arange(len(chances))
    sums = 2 * totals - totals[-1]
    return min(1.0, float(chances[np.abs(sums) >= observed].sum()))


def bootstrap_interval(differences: PairedDifferences) -> tuple[float, float]:
    """95 % interval of the expected difference over the population the scenarios come from.

    The percentile bootstrap of the mean over whole scenarios, from the smoothed population, with
    the quantiles taken at the middle of each jump. On yes/no outcomes its standard error is that
    of Bonett and Price's adjusted interval for paired proportions.
    """
    draws = len(differences.steps) + 2
    chances = chances_of_sum(differences.smoothed(), draws)
    middles = np.cumsum(chances) - chances / 2
    reach = len(chances) // 2
    means = np.arange(-reach, reach + 1) * differences.step / draws
    low, high = np.interp([LEVEL / 2, 1 - LEVEL / 2], middles, means)
    return float(low), float(high)


def chances_of_sum(population: NDArray[np.float64], draws: int) -> NDArray[np.float64]:
    """Chances of every sum of independent draws, as a power of the transform of one draw."""
    length = (len(population) - 1) * draws + 1
    padded = 1 << length.bit_length()  # the transform is slow for lengths with large factors
    transform: NDArray[np.complex128] = np.fft.rfft(population, padded)
    return np.fft.irfft(transform**draws, padded)[:length].clip(0)


def scenarios_to_show(difference: float, *, mean_square: float, level: float = LEVEL) -> int:
    """How many scenarios show a true `difference` (not zero) with 80 % power at the level.

    Connor's formula for the paired test: the noise of one scenario is its mean squared difference,
    less the square of the mean once the difference is there.
    """
    z_level = NormalDist().inv_cdf(1 - level / 2)
    without = math.sqrt(mean_square)
    with_it = math.sqrt(max(0.0, mean_square - difference**2))
    needed = ((z_level * without + _Z_POWER * with_it) / difference) ** 2
    return max(fewest_scenarios(level), math.ceil(needed))
