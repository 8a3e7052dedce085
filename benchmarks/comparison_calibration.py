"""How often the verdict on a candidate is wrong, measured on populations whose truth is known.

    .venv/bin/python benchmarks/comparison_calibration.py [--runs 2000] [--readings]

A population is a mixture of kinds of scenarios, each with the chance to pass before and after, so
the true difference is known. Every run samples scenarios from it, runs each a few times in both
arms and compares. One core, about a minute.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import comb

import numpy as np
from numpy.typing import NDArray

from mission_control.core.comparison import Comparison, ScenarioScore, compare
from mission_control.core.paired_statistics import (
    LEVEL,
    PairedDifferences,
    bootstrap_interval,
    scenarios_to_show,
    sign_flip_p_value,
)

SIZES = (8, 12, 20, 50, 100, 200)
SPLIT_SIZES = (16, 30, 60, 100, 200)  # test splits, for what repeated reading does to them
READINGS = 20
REPETITIONS = (1, 2, 3, 4, 5)
FEWEST_CHANGES = 8  # with fewer scenarios expected to change, the interval is wider than it need be

Counts = NDArray[np.int64]
Chances = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Kinds of scenarios: how common, chance to pass with the baseline and with the candidate."""

    name: str
    kinds: tuple[tuple[float, float, float], ...]

    @property
    def difference(self) -> float:
        return sum(share * (after - before) for share, before, after in self.kinds)

    def mean_square(self, repetitions: int) -> float:
        """Expected squared difference of one scenario, averaged over its repetitions."""
        return sum(
            share
            * ((after - before) ** 2 + (before * (1 - before) + after * (1 - after)) / repetitions)
            for share, before, after in self.kinds
        )

    def changing(self, repetitions: int) -> float:
        """The share of scenarios whose pass rate will differ between the arms."""
        return sum(
            share
            * (
                1
                - sum(
                    _pmf(k, repetitions, before) * _pmf(k, repetitions, after)
                    for k in range(repetitions + 1)
                )
            )
            for share, before, after in self.kinds
        )

    def sample(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Chances, Chances]:
        shares, before, after = np.array(self.kinds).T
        kind = rng.choice(len(shares), size=shape, p=shares)
        return before[kind], after[kind]


def _pmf(k: int, n: int, chance: float) -> float:
    return comb(n, k) * chance**k * (1 - chance) ** (n - k)


def unchanged(name: str, *kinds: tuple[float, float]) -> Population:
    return Population(name, tuple((share, chance, chance) for share, chance in kinds))


ALIKE = (
    unchanged("even 60%", (1.0, 0.6)),
    unchanged("mixed", (0.15, 0.05), (0.15, 0.3), (0.2, 0.6), (0.25, 0.85), (0.25, 1.0)),
    unchanged("polar", (0.35, 0.02), (0.1, 0.3), (0.1, 0.7), (0.45, 0.98)),
    unchanged("strong", (0.5, 0.99), (0.3, 0.9), (0.2, 0.7)),
    unchanged("nearly perfect 98%", (1.0, 0.98)),
)
CHANGED = (
    Population("even 60% -> 72%", ((1.0, 0.6, 0.72),)),
    Population(
        "mixed, hard ones gain",
        ((0.15, 0.05, 0.6), (0.15, 0.3, 0.5), (0.2, 0.6, 0.6), (0.25, 0.85, 0.9), (0.25, 1, 1)),
    ),
    Population(
        "mixed, as many fixed as broken",
        ((0.15, 0.1, 0.9), (0.15, 0.9, 0.1), (0.3, 0.5, 0.5), (0.4, 0.95, 0.95)),
    ),
    Population(
        "polar, a quarter fixed", ((0.25, 0.05, 0.95), (0.3, 0.05, 0.05), (0.45, 0.95, 0.95))
    ),
    Population(
        "steady, 20% fixed 6% broken", ((0.2, 0, 1), (0.06, 1, 0), (0.2, 0, 0), (0.54, 1, 1))
    ),
    Population("steady, 6% fixed", ((0.06, 0, 1), (0.24, 0, 0), (0.7, 1, 1))),
    Population("strong, slightly worse", ((0.5, 0.99, 0.95), (0.3, 0.9, 0.8), (0.2, 0.7, 0.55))),
    Population("nearly perfect 98% -> 95%", ((1.0, 0.98, 0.95),)),
)
GAINS = (
    Population("steady, a quarter fixed", ((0.25, 0, 1), (0.3, 0, 0), (0.45, 1, 1))),
    Population("even 50% -> 75%", ((1.0, 0.5, 0.75),)),
    Population("30% fixed, 5% broken", ((0.3, 0.05, 0.95), (0.05, 0.9, 0.5), (0.65, 0.8, 0.8))),
)
RARE_HARM = Population("90% gain 10 points, 10% collapse", ((0.9, 0.8, 0.9), (0.1, 0.95, 0.05)))


# ------------------------------------------------------------------ runs


def passes(rng: np.random.Generator, chances: Chances, repetitions: int) -> Counts:
    return rng.binomial(repetitions, chances)


def arm(counts: Counts, repetitions: int) -> list[ScenarioScore]:
    """One evaluation: per scenario so many passes, then fails."""
    return [
        ScenarioScore(f"s{i}", (1.0,) * count + (0.0,) * (repetitions - count))
        for i, count in enumerate(counts.tolist())
    ]


def comparisons(
    rng: np.random.Generator, population: Population, *, size: int, repetitions: int, runs: int
) -> Iterator[Comparison]:
    before, after = population.sample(rng, (runs, size))
    baselines = passes(rng, before, repetitions)
    candidates = passes(rng, after, repetitions)
    for baseline, candidate in zip(baselines, candidates, strict=True):
        yield compare(arm(baseline, repetitions), arm(candidate, repetitions))


def false_better(
    rng: np.random.Generator, population: Population, *, size: int, runs: int
) -> float:
    """The share of A/A comparisons called `better`, with every number of repetitions as often."""
    each = runs // len(REPETITIONS)
    verdicts = [
        comparison.verdict
        for repetitions in REPETITIONS
        for comparison in comparisons(
            rng, population, size=size, repetitions=repetitions, runs=each
        )
    ]
    return verdicts.count("better") / len(verdicts)


def coverage(
    rng: np.random.Generator, population: Population, *, size: int, repetitions: int, runs: int
) -> float:
    """The share of runs whose interval holds the true difference."""
    before, after = population.sample(rng, (runs, size))
    changes = passes(rng, after, repetitions) - passes(rng, before, repetitions)
    held = 0
    for change in np.sort(changes, axis=1):
        low, high = _interval(change.tobytes(), repetitions)
        held += low - 1e-9 <= population.difference <= high + 1e-9
    return held / runs


@cache
def _interval(change: bytes, repetitions: int) -> tuple[float, float]:
    return bootstrap_interval(_differences(np.frombuffer(change, dtype=np.int64), repetitions))


def _differences(change: Counts, repetitions: int) -> PairedDifferences:
    return PairedDifferences.on_grid(change / repetitions, grid=repetitions)


def power(
    rng: np.random.Generator, population: Population, *, size: int, repetitions: int, runs: int
) -> float:
    before, after = population.sample(rng, (runs, size))
    changes = passes(rng, after, repetitions) - passes(rng, before, repetitions)
    shown = [sign_flip_p_value(_differences(change, repetitions)) < LEVEL for change in changes]
    return sum(shown) / runs


@dataclass(frozen=True)
class NullOptimizer:
    """The best of useless candidates by validation, and what the test split says of it."""

    called_better: float
    gain_on_validation: float
    gain_reported: float


def null_optimizer(
    rng: np.random.Generator,
    population: Population,
    *,
    runs: int,
    candidates: int = 15,
    size: int = 8,
    repetitions: int = 3,
) -> NullOptimizer:
    better, seen, reported = 0, 0.0, 0.0
    for _ in range(runs):
        (validation,), _ = population.sample(rng, (1, size))
        tried = passes(rng, np.tile(validation, (candidates, 1)), repetitions).sum(axis=1)
        seen += (tried.max() - passes(rng, validation, repetitions).sum()) / (size * repetitions)
        (comparison,) = comparisons(rng, population, size=size, repetitions=repetitions, runs=1)
        better += comparison.verdict == "better"
        reported += comparison.difference or 0.0
    return NullOptimizer(better / runs, seen / runs, reported / runs)


def better_at(
    baseline: Counts, candidate: Counts, repetitions: int, *, readings: tuple[int | None, ...]
) -> list[bool]:
    """Whether `compare` says better, as each of these readings.

    Not asked where the gain is under 1.5 of its standard errors: p is then above 10 %.
    """
    change = candidate - baseline
    if change.sum() < 1.5 * np.sqrt((change**2).sum()) or not change.any():
        return [False for _ in readings]
    before, after = arm(baseline, repetitions), arm(candidate, repetitions)
    return [compare(before, after, reading=each).verdict == "better" for each in readings]


@dataclass(frozen=True)
class InARow:
    """Shares of runs with at least one false `better`: with the ledger, and at 5 % each time."""

    with_ledger: float
    without: float


def in_a_row(
    rng: np.random.Generator,
    population: Population,
    *,
    size: int,
    runs: int,
    readings: int = READINGS,
    repetitions: int = 3,
) -> InARow:
    """Candidates that are no better, one after another on the same test scenarios."""
    fooled, fooled_without = 0, 0
    for _ in range(runs):
        (chances,), _ = population.sample(rng, (1, size))
        results = [
            better_at(
                passes(rng, chances, repetitions),
                passes(rng, chances, repetitions),
                repetitions,
                readings=(reading, None),
            )
            for reading in range(1, readings + 1)
        ]
        fooled += any(with_ledger for with_ledger, _ in results)
        fooled_without += any(without for _, without in results)
    return InARow(fooled / runs, fooled_without / runs)


def power_at(
    rng: np.random.Generator,
    population: Population,
    *,
    size: int,
    runs: int,
    readings: tuple[int | None, ...] = (1, 3, 10),
    repetitions: int = 3,
) -> list[float]:
    """The share of comparisons that call a candidate of this population better, by reading."""
    before, after = population.sample(rng, (runs, size))
    baselines = passes(rng, before, repetitions)
    candidates = passes(rng, after, repetitions)
    found = [
        better_at(old, new, repetitions, readings=readings)
        for old, new in zip(baselines, candidates, strict=True)
    ]
    return [sum(each) / runs for each in zip(*found, strict=True)]


# ------------------------------------------------------------------ tables


def print_false_better(runs: int) -> None:
    print(f"\nA/A: called better, % of {runs:,} comparisons (repetitions 1 to 5; at most 5 wanted)")
    print(f"{'population':32}" + "".join(f"{f'n={size}':>8}" for size in SIZES))
    for population in ALIKE:
        rng = np.random.default_rng(1)
        shares = [false_better(rng, population, size=size, runs=runs) for size in SIZES]
        print(f"{population.name:32}" + "".join(f"{100 * share:8.1f}" for share in shares))


def print_coverage(runs: int) -> None:
    print(f"\n95% interval: holds the true difference, % of {runs:,} (93 to 97 wanted).")
    print(f"(brackets: fewer than {FEWEST_CHANGES} scenarios are expected to change)")
    sizes, repetitions = SIZES[2:], (1, 3, 5)
    columns = [(size, r) for size in sizes for r in repetitions]
    print(f"{'population':32}{'true':>7}" + "".join(f"{f'{n}x{r}':>9}" for n, r in columns))
    for population in ALIKE + CHANGED:
        rng = np.random.default_rng(2)
        cells = ""
        for size, r in columns:
            share = coverage(rng, population, size=size, repetitions=r, runs=runs)
            few = size * population.changing(r) < FEWEST_CHANGES
            text = f"({100 * share:.1f})" if few else f"{100 * share:.1f} "
            cells += f"{text:>9}"
        print(f"{population.name:32}{100 * population.difference:+7.1f}{cells}")


def print_in_a_row(runs: int) -> None:
    print(
        f"\n{READINGS} comparisons in a row on one test split, candidates no better: at least one "
        f"false `better`, % of {runs:,} runs"
    )
    print("(with the ledger, at most 5 wanted; in brackets at p < 0.05 each time)")
    print(f"{'population':32}" + "".join(f"{f'n={size}':>14}" for size in SPLIT_SIZES))
    for population in ALIKE:
        rng = np.random.default_rng(12)
        cells = ""
        for size in SPLIT_SIZES:
            found = in_a_row(rng, population, size=size, runs=runs)
            cells += f"{f'{100 * found.with_ledger:.1f} ({100 * found.without:.1f})':>14}"
        print(f"{population.name:32}{cells}", flush=True)


def print_power_left(runs: int) -> None:
    print(f"\nPower that is left at the i-th reading, % of {runs:,} comparisons called better")
    print(
        f"{'population':32}{'true':>7}{'reading':>9}"
        + "".join(f"{f'n={n}':>8}" for n in SPLIT_SIZES)
    )
    for population in GAINS:
        rng = np.random.default_rng(13)
        columns = [power_at(rng, population, size=size, runs=runs) for size in SPLIT_SIZES]
        for reading, shares in zip((1, 3, 10), zip(*columns, strict=True), strict=True):
            cells = "".join(f"{100 * share:8.1f}" for share in shares)
            name = f"{population.name:32}{100 * population.difference:+7.1f}"
            print(f"{name}{reading:9}{cells}", flush=True)


def print_null_optimizer(runs: int) -> None:
    print("\nNull optimizer: best of 15 useless candidates on 8 validation scenarios, points")
    print(f"{'population':32}{'naive gain':>12}{'reported':>12}{'better, %':>12}")
    for population in ALIKE:
        result = null_optimizer(np.random.default_rng(3), population, runs=runs)
        print(
            f"{population.name:32}{100 * result.gain_on_validation:+12.1f}"
            f"{100 * result.gain_reported:+12.1f}{100 * result.called_better:12.1f}"
        )


def print_power(runs: int) -> None:
    print("\nPlanning: power at the number of scenarios we say is needed (80% wanted)")
    print(f"{'population':32}{'true':>7}{'repeated':>10}{'needed':>8}{'power, %':>10}")
    for population in CHANGED[:2] + CHANGED[3:5]:
        for repetitions in (1, 3):
            size = scenarios_to_show(
                population.difference, mean_square=population.mean_square(repetitions)
            )
            share = power(
                np.random.default_rng(4), population, size=size, repetitions=repetitions, runs=runs
            )
            print(
                f"{population.name:32}{100 * population.difference:+7.1f}{repetitions:10}"
                f"{size:8}{100 * share:10.1f}"
            )


def print_rare_harm(runs: int) -> None:
    """Not an A/A: the mean is unchanged because a few scenarios pay for the gain of the many."""
    print(f"\nRare harm ({RARE_HARM.name}; true {100 * RARE_HARM.difference:+.1f}): better, %")
    for size in SIZES:
        called = list(
            comparisons(
                np.random.default_rng(5), RARE_HARM, size=size, repetitions=5, runs=runs // 4
            )
        )
        share = sum(comparison.verdict == "better" for comparison in called) / len(called)
        print(f"  n={size:<4}{100 * share:6.1f}")


def print_speed() -> None:
    rng = np.random.default_rng(6)
    print("\nSpeed of compare(), milliseconds")
    for size in SIZES:
        chances = rng.random(size)
        baseline, candidate = (arm(passes(rng, chances, 5), 5) for _ in range(2))
        started = time.perf_counter()
        for _ in range(50):
            compare(baseline, candidate)
        print(f"  n={size:<4}{(time.perf_counter() - started) / 50 * 1000:6.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--readings", action="store_true", help="repeated reading alone")
    given = parser.parse_args()
    runs: int = given.runs
    started = time.perf_counter()
    print_in_a_row(runs // 2)
    print_power_left(runs // 4)
    if given.readings:
        print(f"\n{time.perf_counter() - started:.0f} s")
        return
    print_false_better(runs)
    print_coverage(runs)
    print_null_optimizer(runs)
    print_power(runs)
    print_rare_harm(runs)
    print_speed()
    print(f"\n{time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
