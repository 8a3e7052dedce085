"""Whatever the scenarios are, a verdict rests neither on a copy nor on a leak."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mission_control.api.compare.scenarios import ComparedScenarios
from mission_control.core.comparison import ScenarioScore, compare
from mission_control.core.playbook import parse_playbook, split_of
from mission_control.core.same_questions import same_pairs
from tests.builders import a_playbook, a_scenario

OUTCOMES = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=2)
PAIRS = st.lists(st.tuples(OUTCOMES, OUTCOMES), min_size=1, max_size=10)
QUESTIONS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "What does the premium plan cost?",
                "what does the premium plan cost",
                "Hello, what does the premium plan cost?",
                "**What** does the premium\u00a0plan cost?",
                "What does the premium plan offer?",
                "我们的价格是每月四十九美元",
                "您好，我们的价格是每月四十九美元。",
                "Do you have a table for 2?",
                "Do you have a table for 4?",
            ]
        ),
        st.sampled_from(["train", "validation", "test"]),
    ),
    min_size=1,
    max_size=9,
)


def scores(pairs: list[tuple[list[float], list[float]]], side: int) -> list[ScenarioScore]:
    return [ScenarioScore(f"s{number}", tuple(pair[side])) for number, pair in enumerate(pairs)]


@settings(deadline=None)
@given(pairs=PAIRS, copied=st.integers(0, 9), times=st.integers(1, 8))
def test_copies_of_a_scenario_change_no_verdict(
    pairs: list[tuple[list[float], list[float]]], copied: int, times: int
) -> None:
    before, after = scores(pairs, 0), scores(pairs, 1)
    copied %= len(pairs)
    names = [f"copy{number}" for number in range(times)]
    more = [[replace(side[copied], scenario_id=name) for name in names] for side in (before, after)]
    once = compare(before, after)
    often = compare([*before, *more[0]], [*after, *more[1]], copies=[(f"s{copied}", *names)])
    assert often.verdict == once.verdict
    assert often.scenarios == once.scenarios
    assert often.difference == pytest.approx(once.difference)
    assert often.p_value == pytest.approx(once.p_value)


@settings(deadline=None, max_examples=40)
@given(asked=QUESTIONS)
def test_nothing_that_counts_was_shown_to_the_search_or_counts_twice(
    asked: list[tuple[str, str]],
) -> None:
    declared = [
        a_scenario(f"s{number}", split=split, input={"caller_says": says})
        for number, (says, split) in enumerate(asked)
    ]
    playbook = parse_playbook(a_playbook(scenarios=declared))
    compared = ComparedScenarios.of(playbook)
    counted = {each.id for each in compared.counted}
    split = {each.id: split_of("ada", each) for each in playbook.scenarios}
    assert {split[name] for name in counted} <= {"test"}
    one_group = {name: group for group in compared.same.copies for name in group}
    for first, second, _ in same_pairs({each.id: each.input for each in playbook.scenarios}):
        pair = {first, second}
        if {split[name] for name in pair} == {"test"}:
            assert pair & counted in (set(), pair)
            assert not pair & counted or one_group[first] == one_group[second]
        else:
            assert not pair & counted
