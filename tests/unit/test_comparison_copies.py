"""Copies of a question are one scenario with the runs of all; a refusal names what it is about."""

import pytest

from mission_control.core.comparison import (
    OutcomesUnusableError,
    ScenarioRepeatedError,
    ScenarioScore,
    ScenariosDifferError,
    ScenarioUnknownError,
    compare,
)


def test_the_runs_of_all_copies_count() -> None:
    before = [ScenarioScore("a", (0, 0)), ScenarioScore("b", (0, 1)), ScenarioScore("c", (0,))]
    after = [ScenarioScore("a", (1, 1)), ScenarioScore("b", (0, 0)), ScenarioScore("c", (0,))]
    result = compare(before, after, copies=[("a", "b")])
    assert result.scenarios == 2
    assert result.baseline_rate == pytest.approx((1 / 4 + 0) / 2)
    assert result.candidate_rate == pytest.approx((2 / 4 + 0) / 2)


def test_one_without_a_copy_stays_what_it_is() -> None:
    scores = [ScenarioScore("a", (0, 1)), ScenarioScore("b", (1, 1))]
    result = compare(scores, scores, copies=[("a",)])
    assert (result.scenarios, result.baseline_rate) == (2, 0.75)


def test_a_refusal_names_what_it_is_about() -> None:
    one = [ScenarioScore("a", (1,))]
    with pytest.raises(OutcomesUnusableError) as unusable:
        ScenarioScore("a", ())
    assert unusable.value.fields["scenario"] == "a"
    with pytest.raises(ScenarioRepeatedError) as repeated:
        compare(one * 2, one)
    assert repeated.value.fields["scenario"] == "a"
    with pytest.raises(ScenariosDifferError) as differ:
        compare(one, [ScenarioScore("b", (1,))])
    assert differ.value.fields["only_baseline"] == ["a"]
    assert differ.value.fields["only_candidate"] == ["b"]
    with pytest.raises(ScenarioUnknownError) as unknown:
        compare(one, one, anchors=("z", "y"))
    assert unknown.value.fields["scenarios"] == ["y", "z"]
