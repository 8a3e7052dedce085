"""How often the verdict is wrong, on populations whose truth is known.

The full table is `benchmarks/comparison_calibration.py`; this holds its promises in every run.
"""

import numpy as np
import pytest

from benchmarks import comparison_calibration as calibration
from benchmarks.comparison_calibration import ALIKE, CHANGED, Population

EVEN, MIXED, POLAR, STRONG, NEARLY_PERFECT = ALIKE
RUNS = 2000


@pytest.mark.parametrize("size", calibration.SIZES)
def test_a_version_against_itself_is_called_better_in_five_of_a_hundred_at_most(size: int) -> None:
    """2,000 comparisons per size, over all populations and 1 to 5 repetitions."""
    rng = np.random.default_rng(size)
    each = RUNS // len(ALIKE)
    shares = [calibration.false_better(rng, alike, size=size, runs=each) for alike in ALIKE]
    assert max(shares) <= 0.05
    assert sum(shares) / len(shares) <= 0.03


@pytest.mark.parametrize("population", [EVEN, MIXED, *CHANGED], ids=lambda each: each.name)
@pytest.mark.parametrize(("size", "repetitions"), [(20, 3), (50, 1), (50, 3), (200, 3)])
def test_the_interval_holds_the_truth_in_93_to_97_of_a_hundred(
    population: Population, size: int, repetitions: int
) -> None:
    share = calibration.coverage(
        np.random.default_rng(7), population, size=size, repetitions=repetitions, runs=RUNS
    )
    enough = size * population.changing(repetitions) >= calibration.FEWEST_CHANGES
    assert 0.93 <= share <= (0.97 if enough else 1.0)


@pytest.mark.parametrize("population", [STRONG, NEARLY_PERFECT, CHANGED[-1]], ids=lambda e: e.name)
@pytest.mark.parametrize("size", [20, 50])
def test_the_interval_is_cautious_where_hardly_any_scenario_changes(
    population: Population, size: int
) -> None:
    rng = np.random.default_rng(8)
    share = calibration.coverage(rng, population, size=size, repetitions=1, runs=RUNS)
    assert share >= 0.93


@pytest.mark.parametrize("population", [EVEN, MIXED], ids=lambda each: each.name)
def test_an_optimizer_of_useless_candidates_reports_no_gain(population: Population) -> None:
    result = calibration.null_optimizer(np.random.default_rng(9), population, runs=1000)
    assert result.gain_on_validation > 0.10  # the naive number that must not be reported
    assert abs(result.gain_reported) < 0.02
    assert result.called_better <= 0.05


@pytest.mark.parametrize("population", [CHANGED[1], CHANGED[3]], ids=lambda each: each.name)
def test_the_scenarios_said_to_be_needed_show_a_true_gain_about_four_times_in_five(
    population: Population,
) -> None:
    size = calibration.scenarios_to_show(
        population.difference, mean_square=population.mean_square(3)
    )
    share = calibration.power(
        np.random.default_rng(10), population, size=size, repetitions=3, runs=RUNS
    )
    assert 0.75 <= share <= 0.90


@pytest.mark.parametrize("population", [EVEN, MIXED], ids=lambda each: each.name)
def test_twenty_readings_of_one_test_split_rarely_find_what_is_not_there(
    population: Population,
) -> None:
    """Without the ledger one of three runs does. 300 runs: 5 % are 15, and 24 are as good as never."""
    found = calibration.in_a_row(np.random.default_rng(14), population, size=30, runs=300)
    assert found.with_ledger <= 0.08
    assert found.without > 0.15


def test_a_true_gain_is_found_at_the_tenth_reading_too() -> None:
    gain = calibration.GAINS[0]
    first, _, tenth = calibration.power_at(np.random.default_rng(15), gain, size=100, runs=100)
    assert 0.95 < tenth <= first


def test_a_true_gain_is_found() -> None:
    gains = calibration.comparisons(
        np.random.default_rng(11), CHANGED[3], size=100, repetitions=3, runs=200
    )
    assert sum(result.verdict == "better" for result in gains) >= 190
