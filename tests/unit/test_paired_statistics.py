"""The exact statistics, held against brute force and against published values."""

import math
from itertools import product
from random import Random
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mission_control.core.paired_statistics import (
    LEVEL,
    PairedDifferences,
    bootstrap_interval,
    chances_of_sum,
    fewest_scenarios,
    level_of_reading,
    scenarios_to_show,
    sign_flip_p_value,
)


def differences(steps: list[int], grid: int = 1) -> PairedDifferences:
    return PairedDifferences.on_grid(np.array(steps) / grid, grid=grid)


def flips(*, fixed: int, broken: int, unchanged: int = 0) -> PairedDifferences:
    return differences([1] * fixed + [-1] * broken + [0] * unchanged)


@st.composite
def steps_on_a_grid(draw: st.DrawFn, *, most: int = 12) -> tuple[list[int], int]:
    """Differences of pass rates after 1 to 5 repetitions, as whole steps."""
    grid = draw(st.integers(1, 5))
    return draw(st.lists(st.integers(-grid, grid), min_size=1, max_size=most)), grid


outcomes = st.lists(st.sampled_from([-1, 0, 1]), min_size=1, max_size=60)


class TestSignFlipPValue:
    @given(steps_on_a_grid())
    def test_is_the_share_of_all_sign_assignments(self, drawn: tuple[list[int], int]) -> None:
        steps, grid = drawn
        observed = abs(sum(steps))
        sums = [
            sum(sign * step for sign, step in zip(signs, steps, strict=True))
            for signs in product((1, -1), repeat=len(steps))
        ]
        enumerated = sum(abs(total) >= observed for total in sums) / len(sums)
        assert sign_flip_p_value(differences(steps, grid)) == pytest.approx(enumerated, rel=1e-12)

    @pytest.mark.parametrize(
        ("fixed", "broken", "mcnemar"),
        [(6, 0, 0.03125), (5, 0, 0.0625), (7, 1, 0.0703125), (8, 1, 0.0390625), (4, 4, 1.0)],
    )
    def test_is_mcnemar_for_single_repetitions(
        self, fixed: int, broken: int, mcnemar: float
    ) -> None:
        flipped = flips(fixed=fixed, broken=broken, unchanged=9)
        assert sign_flip_p_value(flipped) == pytest.approx(mcnemar, rel=1e-12)

    def test_keeps_its_precision_where_chance_is_tiny(self) -> None:
        assert sign_flip_p_value(flips(fixed=200, broken=0)) == pytest.approx(2.0**-199, rel=1e-9)

    @given(steps_on_a_grid(most=60), st.randoms(use_true_random=False))
    def test_is_the_same_in_any_order_and_with_the_arms_swapped(
        self, drawn: tuple[list[int], int], random: Random
    ) -> None:
        steps, grid = drawn
        shuffled = list(steps)
        random.shuffle(shuffled)
        expected = sign_flip_p_value(differences(steps, grid))
        assert sign_flip_p_value(differences(shuffled, grid)) == pytest.approx(expected, rel=1e-12)
        swapped = differences([-step for step in steps], grid)
        assert sign_flip_p_value(swapped) == pytest.approx(expected, rel=1e-12)

    @given(outcomes)
    def test_a_further_fix_never_weakens_a_gain(self, steps: list[int]) -> None:
        improvable = [i for i, step in enumerate(steps) if step < 1]
        if sum(steps) < 0 or not improvable:
            return
        before = sign_flip_p_value(differences(steps))
        for i in improvable:
            better = [*steps[:i], steps[i] + 1, *steps[i + 1 :]]
            assert sign_flip_p_value(differences(better)) <= before + 1e-12

    @pytest.mark.parametrize("level", [LEVEL, *map(level_of_reading, range(1, 30))])
    def test_fewest_scenarios_is_the_first_size_that_can_be_significant(self, level: float) -> None:
        can = [sign_flip_p_value(flips(fixed=n, broken=0)) < level for n in range(1, 20)]
        assert can.index(True) + 1 == fewest_scenarios(level)

    def test_the_levels_of_all_readings_add_up_to_the_level_of_one_verdict(self) -> None:
        levels = [level_of_reading(reading) for reading in range(1, 10_001)]
        assert levels[:3] == pytest.approx([0.05 / 2, 0.05 / 6, 0.05 / 12])
        assert sum(levels) == pytest.approx(LEVEL * (1 - 1 / 10_001))


class TestChancesOfSum:
    @settings(deadline=None)
    @given(steps_on_a_grid(most=5))
    def test_counts_every_one_of_the_n_to_the_n_resamples(
        self, drawn: tuple[list[int], int]
    ) -> None:
        steps, grid = drawn
        n = len(steps)
        totals = [sum(resample) for resample in product(steps, repeat=n)]
        enumerated = np.bincount(np.array(totals) + grid * n, minlength=2 * grid * n + 1) / n**n
        empirical = np.bincount(np.array(steps) + grid, minlength=2 * grid + 1) / n
        np.testing.assert_allclose(chances_of_sum(empirical, n), enumerated, atol=1e-12)


class TestBootstrapInterval:
    @given(steps_on_a_grid(most=4))
    @settings(deadline=None, max_examples=50)
    def test_is_the_quantiles_of_all_resamples_of_the_smoothed_population(
        self, drawn: tuple[list[int], int]
    ) -> None:
        steps, grid = drawn
        paired = differences(steps, grid)
        chances = paired.smoothed()
        reach, draws = len(chances) // 2, len(steps) + 2
        support = [k for k in range(-reach, reach + 1) if chances[k + reach] > 0]
        mass: dict[int, float] = {}
        for resample in product(support, repeat=draws):
            chance = math.prod(chances[k + reach] for k in resample)
            mass[sum(resample)] = mass.get(sum(resample), 0.0) + chance
        low, high = bootstrap_interval(paired)
        for bound, level in ((low, LEVEL / 2), (high, 1 - LEVEL / 2)):
            position = bound * draws / paired.step
            below = sum(c for total, c in mass.items() if total <= position - 1 + 1e-6)
            upto = sum(c for total, c in mass.items() if total < position + 1 - 1e-6)
            assert below - 1e-9 <= level <= upto + 1e-9

    @pytest.mark.parametrize("repetitions", [1, 3, 5])
    def test_agrees_with_ten_thousand_sampled_resamples(self, repetitions: int) -> None:
        rng = np.random.default_rng(repetitions)
        steps = rng.integers(-repetitions, repetitions + 1, size=50)
        paired = differences(steps.tolist(), repetitions)
        chances = paired.smoothed()
        values = (np.arange(len(chances)) - len(chances) // 2) * paired.step
        means = rng.multinomial(52, chances, size=10_000) @ values / 52
        sampled = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
        assert bootstrap_interval(paired) == pytest.approx(sampled, abs=4 * means.std() / 50)

    @pytest.mark.parametrize(("fixed", "broken", "n"), [(10, 3, 50), (20, 15, 100), (30, 5, 200)])
    def test_is_close_to_bonett_and_price_for_single_repetitions(
        self, fixed: int, broken: int, n: int
    ) -> None:
        up, down = (fixed + 1) / (n + 2), (broken + 1) / (n + 2)
        error = math.sqrt((up + down - (up - down) ** 2) / (n + 2))
        margin = NormalDist().inv_cdf(0.975) * error
        paired = flips(fixed=fixed, broken=broken, unchanged=n - fixed - broken)
        assert bootstrap_interval(paired) == pytest.approx(
            (up - down - margin, up - down + margin), abs=0.01
        )

    @given(steps_on_a_grid(most=60), st.randoms(use_true_random=False))
    def test_is_the_same_in_any_order_and_mirrored_with_the_arms_swapped(
        self, drawn: tuple[list[int], int], random: Random
    ) -> None:
        steps, grid = drawn
        shuffled = list(steps)
        random.shuffle(shuffled)
        low, high = bootstrap_interval(differences(steps, grid))
        assert bootstrap_interval(differences(shuffled, grid)) == (low, high)
        swapped = bootstrap_interval(differences([-step for step in steps], grid))
        assert swapped == pytest.approx((-high, -low), abs=1e-9)

    @given(steps_on_a_grid(most=60))
    def test_holds_what_was_observed_and_stays_within_a_full_flip(
        self, drawn: tuple[list[int], int]
    ) -> None:
        steps, grid = drawn
        low, high = bootstrap_interval(differences(steps, grid))
        observed = sum(steps) / len(steps) / grid
        assert -1 <= low <= observed + 1e-9
        assert observed - 1e-9 <= high <= 1

    @given(outcomes)
    def test_a_further_fix_never_moves_it_down(self, steps: list[int]) -> None:
        low, high = bootstrap_interval(differences(steps))
        for i, step in enumerate(steps):
            if step < 1:
                better = [*steps[:i], step + 1, *steps[i + 1 :]]
                better_low, better_high = bootstrap_interval(differences(better))
                assert better_low >= low - 1e-9
                assert better_high >= high - 1e-9

    @given(steps_on_a_grid(), st.integers(2, 6))
    def test_does_not_depend_on_how_fine_the_grid_is(
        self, drawn: tuple[list[int], int], finer: int
    ) -> None:
        steps, grid = drawn
        coarse = bootstrap_interval(differences(steps, grid))
        fine = differences([step * finer for step in steps], grid * finer)
        assert bootstrap_interval(fine) == pytest.approx(coarse, abs=1e-9)

    def test_unchanged_scenarios_do_not_prove_that_none_ever_changes(self) -> None:
        widths: list[float] = []
        for n in (5, 20, 100):
            low, high = bootstrap_interval(flips(fixed=0, broken=0, unchanged=n))
            assert low == pytest.approx(-high)
            widths.append(high - low)
        assert widths == sorted(widths, reverse=True)
        assert widths[-1] > 0.03


class TestScenariosToShow:
    def test_is_connors_formula(self) -> None:
        # 20 % fixed, 10 % broken: (1.960 * sqrt(0.30) + 0.842 * sqrt(0.29)) ** 2 / 0.01 = 233.1
        assert scenarios_to_show(0.10, mean_square=0.30) == 234

    def test_is_never_fewer_than_can_be_significant(self) -> None:
        assert scenarios_to_show(1.0, mean_square=1.0) == fewest_scenarios(LEVEL)

    @given(st.floats(0.01, 0.5), st.floats(0.01, 0.5), st.floats(0.25, 1))
    def test_smaller_differences_need_more(
        self, one: float, other: float, mean_square: float
    ) -> None:
        small, large = sorted((one, other))
        assert scenarios_to_show(small, mean_square=mean_square) >= scenarios_to_show(
            large, mean_square=mean_square
        )
