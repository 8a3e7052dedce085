"""When a candidate is called better, worse, neither, or undecided, and what the operator is told."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mission_control.core.comparison import (
    Comparison,
    OutcomesUnusableError,
    ScenarioRepeatedError,
    ScenarioScore,
    ScenariosDifferError,
    ScenarioUnknownError,
    compare,
    with_cut_replies,
)

Outcomes = tuple[float | None, ...]

PASSED: Outcomes = (1, 1, 1)
FAILED: Outcomes = (0, 0, 0)
UNSTEADY: Outcomes = (1, 1, 0)
ERRORED: Outcomes = (1, None, 1)


def arm(*outcomes: Outcomes, **named: Outcomes) -> list[ScenarioScore]:
    numbered = {f"s{number:03}": each for number, each in enumerate(outcomes)}
    return [ScenarioScore(id_, each) for id_, each in (numbered | named).items()]


def comparison(
    *changes: tuple[int, Outcomes, Outcomes],
    anchors: tuple[str, ...] = (),
    **named: tuple[Outcomes, Outcomes],
) -> Comparison:
    """Compare: `(how many scenarios, before, after)`, and named ones `(before, after)`."""
    before = [each for count, each, _ in changes for _ in range(count)]
    after = [each for count, _, each in changes for _ in range(count)]
    return compare(
        arm(*before, **{name: pair[0] for name, pair in named.items()}),
        arm(*after, **{name: pair[1] for name, pair in named.items()}),
        anchors=anchors,
    )


class TestVerdict:
    def test_better(self) -> None:
        result = comparison((10, FAILED, PASSED), (10, PASSED, PASSED))
        assert result.verdict == "better"
        assert (result.baseline_rate, result.candidate_rate, result.difference) == (0.5, 1.0, 0.5)
        assert result.p_value == pytest.approx(2 / 2**10)
        assert result.interval_low is not None
        assert 0 < result.interval_low < 0.5
        assert result.scenarios_needed is None

    def test_worse(self) -> None:
        assert comparison((10, PASSED, FAILED), (10, PASSED, PASSED)).verdict == "worse"

    @pytest.mark.parametrize(("scenarios", "verdict"), [(5, "not_enough_data"), (6, "better")])
    def test_six_scenarios_are_the_fewest_that_can_show_anything(
        self, scenarios: int, verdict: str
    ) -> None:
        assert comparison((scenarios, FAILED, PASSED)).verdict == verdict

    def test_the_interval_alone_does_not_make_it_better(self) -> None:
        result = comparison((7, FAILED, PASSED), (1, PASSED, FAILED), (2, PASSED, PASSED))
        assert result.interval_low is not None
        assert result.interval_low > 0
        assert result.p_value == pytest.approx(0.0703125)
        assert result.verdict == "not_enough_data"
        assert result.scenarios_needed is not None

    def test_the_test_alone_does_not_make_it_better(self) -> None:
        """Eighteen slight gains, one collapse: chance is unlikely, harm on average is not."""
        slight, collapse = ((1, 1, 1, 1, 0), (1, 1, 1, 1, 1)), ((1,) * 5, (0,) * 5)
        result = comparison((18, *slight), (1, *collapse))
        assert result.interval_low is not None
        assert result.p_value is not None
        assert result.p_value < 0.05
        assert result.interval_low < 0
        assert result.verdict == "not_enough_data"

    def test_few_scenarios_leave_a_useful_difference_possible(self) -> None:
        result = comparison((3, FAILED, PASSED), (1, PASSED, FAILED), (16, PASSED, PASSED))
        assert result.verdict == "not_enough_data"
        assert result.interval_high is not None
        assert result.interval_high > 0.15

    def test_many_scenarios_rule_a_useful_difference_out(self) -> None:
        result = comparison((12, FAILED, PASSED), (10, PASSED, FAILED), (178, PASSED, PASSED))
        assert result.verdict == "no_difference_shown"
        assert result.interval_low is not None
        assert result.interval_high is not None
        assert -0.15 < result.interval_low < 0 < result.interval_high < 0.15

    @pytest.mark.parametrize(
        ("scenarios", "verdict"), [(10, "not_enough_data"), (30, "no_difference_shown")]
    )
    def test_no_change_at_all_says_something_only_of_enough_scenarios(
        self, scenarios: int, verdict: str
    ) -> None:
        assert comparison((scenarios, PASSED, PASSED)).verdict == verdict

    def test_repetitions_are_one_scenario_not_many(self) -> None:
        """Five scenarios repeated twenty times are still five scenarios."""
        result = comparison((5, (0,) * 20, (1,) * 20))
        assert result.verdict == "not_enough_data"
        assert result.p_value == pytest.approx(1 / 16)

    def test_the_arms_may_differ_in_repetitions(self) -> None:
        result = comparison((6, (1, 0), (1, 1, 0)))
        assert result.difference == pytest.approx(1 / 6, abs=1e-6)
        assert result.p_value == pytest.approx(1 / 32)
        assert result.verdict == "better"

    def test_graded_outcomes_are_compared_by_their_means(self) -> None:
        result = comparison((8, (0.1, 0.2), (0.3, 0.5)))
        assert result.difference == pytest.approx(0.25)
        assert result.p_value == pytest.approx(2 / 2**8)


class TestAnchors:
    def test_a_broken_anchor_outweighs_any_gain(self) -> None:
        result = comparison((20, FAILED, PASSED), anchors=("opt_out",), opt_out=(PASSED, (0, 1, 0)))
        assert result.verdict == "worse"
        assert result.anchors_broken == ("opt_out",)
        assert "opt_out" in result.sentence

    def test_it_is_worse_even_with_too_few_scenarios(self) -> None:
        result = comparison(anchors=("opt_out",), opt_out=(PASSED, FAILED))
        assert result.verdict == "worse"

    @pytest.mark.parametrize(
        ("before", "after"), [(PASSED, UNSTEADY), (FAILED, FAILED), ((1, 1), (1, 0))]
    )
    def test_an_anchor_that_still_passes_mostly_or_never_did_is_not_broken(
        self, before: Outcomes, after: Outcomes
    ) -> None:
        result = comparison((20, FAILED, PASSED), anchors=("opt_out",), opt_out=(before, after))
        assert result.verdict == "better"
        assert result.anchors_broken == result.anchors_in_doubt == ()

    @pytest.mark.parametrize(
        ("before", "after"), [(UNSTEADY, FAILED), (PASSED, ERRORED), (ERRORED, PASSED)]
    )
    def test_an_anchor_in_doubt_withholds_better(self, before: Outcomes, after: Outcomes) -> None:
        result = comparison((20, FAILED, PASSED), anchors=("opt_out",), opt_out=(before, after))
        assert result.verdict == "not_enough_data"
        assert result.anchors_in_doubt == ("opt_out",)
        assert "opt_out" in result.sentence

    def test_an_anchor_in_doubt_does_not_excuse_a_loss(self) -> None:
        result = comparison((20, PASSED, FAILED), anchors=("opt_out",), opt_out=(UNSTEADY, FAILED))
        assert result.verdict == "worse"

    def test_a_scenario_that_is_no_anchor_may_break(self) -> None:
        result = comparison((20, FAILED, PASSED), (1, PASSED, FAILED))
        assert result.verdict == "better"
        assert result.broken == ("s020",)

    def test_uncounted_anchors_guard_without_a_part_in_the_numbers(self) -> None:
        before = arm(*[FAILED] * 8, seen=PASSED)
        kept, lost = arm(*[PASSED] * 8, seen=PASSED), arm(*[PASSED] * 8, seen=FAILED)
        fine = compare(before, kept, anchors=["seen"], uncounted=["seen"])
        assert (fine.verdict, fine.scenarios, fine.baseline_rate) == ("better", 8, 0.0)
        harmed = compare(before, lost, anchors=["seen"], uncounted=["seen"])
        assert (harmed.verdict, harmed.difference, harmed.broken) == ("worse", 1.0, ())

    def test_an_anchor_that_was_not_evaluated_is_refused(self) -> None:
        with pytest.raises(ScenarioUnknownError) as refusal:
            compare(arm(PASSED), arm(PASSED), anchors=["opt_out"])
        assert refusal.value.fields["scenarios"] == ["opt_out"]


class TestUnmeasured:
    def test_they_are_left_out_and_named(self) -> None:
        result = comparison((20, FAILED, PASSED), (2, ERRORED, PASSED), lost=(PASSED, ERRORED))
        assert result.unmeasured == ("lost", "s020", "s021")
        assert (result.scenarios, result.difference, result.verdict) == (20, 1.0, "better")
        assert "3 scenarios could not be measured" in result.sentence

    @pytest.mark.parametrize(
        ("before", "after", "verdict"), [(FAILED, PASSED, "better"), (PASSED, FAILED, "worse")]
    )
    def test_a_verdict_that_they_could_undo_is_withheld(
        self, before: Outcomes, after: Outcomes, verdict: str
    ) -> None:
        """A prompt that makes answers unreadable must not win by losing its failures."""
        lost = (None, None, None)
        assert comparison((9, before, after), (1, lost, lost)).verdict == verdict
        withheld = comparison((9, before, after), (2, lost, lost))
        assert withheld.verdict == "not_enough_data"
        assert withheld.scenarios_needed is None
        assert "measure them again" in withheld.sentence

    def test_eight_measured_of_twenty_eight_prove_nothing(self) -> None:
        """The unmeasured could turn the sign: then the size of the difference is no evidence."""
        lost: Outcomes = (None, None, None)
        result = comparison((8, FAILED, PASSED), (20, lost, lost))
        assert result.scenarios == 8
        assert result.p_value == pytest.approx(2 / 2**8)
        assert result.verdict == "not_enough_data"
        assert "might undo it" in result.sentence

    def test_nothing_measured(self) -> None:
        result = comparison((8, PASSED, ERRORED))
        assert result.verdict == "not_enough_data"
        assert result.scenarios == 0
        assert result.difference is result.p_value is result.interval_low is None

    def test_nothing_at_all(self) -> None:
        assert compare([], []).verdict == "not_enough_data"


class TestReadings:
    """The i-th reading of one test split must reach p < 0.05 / (i (i + 1))."""

    @pytest.mark.parametrize(("reading", "fewest"), [(None, 6), (1, 7), (2, 8), (3, 9), (10, 13)])
    def test_each_needs_more_than_the_one_before(self, reading: int | None, fewest: int) -> None:
        for scenarios, verdict in ((fewest - 1, "not_enough_data"), (fewest, "better")):
            before, after = arm(*[FAILED] * scenarios), arm(*[PASSED] * scenarios)
            assert compare(before, after, reading=reading).verdict == verdict

    def test_the_verdict_says_which_reading_it_was_and_what_it_needed(self) -> None:
        before, after = arm(*[FAILED] * 8), arm(*[PASSED] * 8)
        result = compare(before, after, reading=3)
        assert (result.reading, result.level) == (3, pytest.approx(0.05 / 12))
        assert "reading 3 of this test split, which needs p < 0.0042" in result.sentence
        assert "fewer than 9 scenarios" in result.sentence

    def test_what_would_have_done_at_first_is_named_as_such(self) -> None:
        before, after = [FAILED] * 9 + [PASSED], [PASSED] * 9 + [FAILED]
        first, third = (compare(arm(*before), arm(*after), reading=each) for each in (1, 3))
        assert first.verdict == "better"
        assert third.verdict == "not_enough_data"
        assert "does not reach p < 0.0042" in third.sentence
        assert third.scenarios_needed is not None

    def test_a_loss_needs_the_same(self) -> None:
        before, after = arm(*[PASSED] * 8), arm(*[FAILED] * 8)
        assert compare(before, after, reading=2).verdict == "worse"
        assert compare(before, after, reading=3).verdict == "not_enough_data"


class TestCopiesAndLeaks:
    def test_one_question_eight_times_is_one_observation(self) -> None:
        before, after = arm(*[FAILED] * 8), arm(*[PASSED] * 8)
        everything = tuple(score.scenario_id for score in before)
        result = compare(before, after, copies=[everything])
        assert result.verdict == "not_enough_data"
        assert result.scenarios == 1
        assert result.copies == (everything,)
        assert result.fixed == everything
        assert "copies count once: 8 scenarios ask 1 question" in result.sentence

    def test_copies_weigh_as_one_among_others(self) -> None:
        before = arm(*[FAILED] * 8, **{f"copy{i}": PASSED for i in range(20)})
        after = arm(*[PASSED] * 8, **{f"copy{i}": FAILED for i in range(20)})
        copies = [tuple(f"copy{i}" for i in range(20))]
        result = compare(before, after, copies=copies)
        assert result.scenarios == 9
        assert result.difference == pytest.approx(7 / 9, abs=1e-6)
        assert result.verdict == "better"
        assert compare(before, after).verdict == "worse"

    def test_copies_that_did_not_run_change_nothing(self) -> None:
        before, after = arm(*[FAILED] * 8), arm(*[PASSED] * 8)
        assert compare(before, after, copies=[("s000", "elsewhere")]) == compare(before, after)

    def test_what_leaked_is_named_and_said(self) -> None:
        result = compare(arm(*[FAILED] * 8), arm(*[PASSED] * 8), leaked=("seen",))
        assert result.leaked == ("seen",)
        assert "1 test scenario left out, since the search has seen its question" in result.sentence

    def test_nothing_but_leaks_is_no_verdict(self) -> None:
        result = compare([], [], leaked=("a", "b"))
        assert result.verdict == "not_enough_data"
        assert "2 test scenarios left out" in result.sentence


class TestFlips:
    @pytest.mark.parametrize(
        ("before", "after", "fixed", "broken"),
        [
            (FAILED, PASSED, True, False),
            ((1, 0, 0), (1, 1, 0), True, False),
            ((1, 1, 0), (1, 0, 0), False, True),
            ((1, 1, 0), (1, 1, 1), False, False),
            ((1, 0), (1, 1), False, False),
            ((0, 0), (1, 0), False, False),
        ],
    )
    def test_a_flip_is_a_change_of_the_majority(
        self, before: Outcomes, after: Outcomes, fixed: bool, broken: bool
    ) -> None:
        result = comparison((1, before, after))
        assert (result.fixed == ("s000",), result.broken == ("s000",)) == (fixed, broken)


class TestScenariosNeeded:
    def test_for_a_useful_difference_while_that_is_open(self) -> None:
        result = comparison((2, FAILED, PASSED), (1, PASSED, FAILED), (17, PASSED, PASSED))
        assert result.difference_sought == 0.15
        assert result.scenarios_needed is not None
        assert 20 < result.scenarios_needed < 200
        assert f"about {result.scenarios_needed} scenarios would show" in result.sentence

    def test_for_the_observed_difference_if_that_is_larger(self) -> None:
        result = comparison((4, FAILED, PASSED), (1, PASSED, FAILED), (5, PASSED, PASSED))
        assert result.difference_sought == pytest.approx(0.3)

    def test_for_the_observed_difference_once_a_useful_one_is_ruled_out(self) -> None:
        result = comparison((16, FAILED, PASSED), (10, PASSED, FAILED), (174, PASSED, PASSED))
        assert result.verdict == "no_difference_shown"
        assert result.difference_sought == pytest.approx(0.03)
        assert result.scenarios_needed is not None
        assert result.scenarios_needed > 400

    def test_none_where_nothing_is_left_to_show(self) -> None:
        result = comparison((10, FAILED, PASSED), (10, PASSED, FAILED), (180, PASSED, PASSED))
        assert (result.verdict, result.scenarios_needed) == ("no_difference_shown", None)


class TestSentence:
    def test_gives_rates_difference_and_certainty(self) -> None:
        result = comparison((10, FAILED, PASSED), (2, PASSED, FAILED), (28, PASSED, PASSED))
        assert result.sentence == (
            "Better: the pass rate went from 75% to 95% on 40 scenarios, +20 points "
            "(95% interval +2.5 to +35.7, p = 0.039)."
        )

    def test_says_what_few_scenarios_cannot_do(self) -> None:
        result = comparison((1, FAILED, PASSED), (2, PASSED, PASSED))
        assert "on 3 scenarios" in result.sentence
        assert "fewer than 6 scenarios cannot show any difference" in result.sentence

    def test_has_no_signed_zero(self) -> None:
        assert "to 100% on 30 scenarios, 0 points" in comparison((30, PASSED, PASSED)).sentence


class TestRefusals:
    def test_different_scenarios(self) -> None:
        with pytest.raises(ScenariosDifferError) as refusal:
            compare(arm(a=PASSED, b=PASSED), arm(a=PASSED, c=PASSED))
        assert refusal.value.fields["only_baseline"] == ["b"]
        assert refusal.value.fields["only_candidate"] == ["c"]

    def test_a_scenario_twice(self) -> None:
        twice = [ScenarioScore("a", PASSED), ScenarioScore("a", FAILED)]
        with pytest.raises(ScenarioRepeatedError):
            compare(twice, twice)

    @pytest.mark.parametrize("outcomes", [(), (1, 1.2), (-0.1,), (float("nan"),)])
    def test_outcomes_that_mean_nothing(self, outcomes: Outcomes) -> None:
        with pytest.raises(OutcomesUnusableError):
            ScenarioScore("a", outcomes)


@st.composite
def two_arms(draw: st.DrawFn) -> tuple[list[ScenarioScore], list[ScenarioScore]]:
    repetitions = draw(st.integers(1, 5))
    outcome = st.sampled_from([0, 1, 1, 0, 1, 0, 1, 0, None])
    outcomes = st.tuples(*[outcome] * repetitions)
    pairs = draw(st.lists(st.tuples(outcomes, outcomes), max_size=30))
    return arm(*[before for before, _ in pairs]), arm(*[after for _, after in pairs])


class TestProperties:
    @given(two_arms())
    def test_swapping_the_arms_mirrors_everything(
        self, arms: tuple[list[ScenarioScore], list[ScenarioScore]]
    ) -> None:
        forth, back = compare(*arms), compare(*reversed(arms))
        mirrored = {"better": "worse", "worse": "better"}
        assert back.verdict == mirrored.get(forth.verdict, forth.verdict)
        assert (back.fixed, back.broken) == (forth.broken, forth.fixed)
        assert back.unmeasured == forth.unmeasured
        assert back.scenarios_needed == forth.scenarios_needed
        if forth.scenarios:
            assert forth.difference is not None
            assert forth.interval_low is not None
            assert back.difference == pytest.approx(-forth.difference)
            assert back.interval_high == pytest.approx(-forth.interval_low, abs=2e-6)
            assert back.p_value == pytest.approx(forth.p_value)

    @given(two_arms(), st.integers(min_value=2, max_value=4), st.integers(1, 3))
    def test_copies_add_no_evidence(
        self, arms: tuple[list[ScenarioScore], list[ScenarioScore]], times: int, reading: int
    ) -> None:
        """Whatever is asked several times: the verdict rests on what it says once."""
        copied = [
            [
                ScenarioScore(f"{each.scenario_id} {n}", each.outcomes)
                for each in arm
                for n in range(times)
            ]
            for arm in arms
        ]
        copies = [[f"{each.scenario_id} {n}" for n in range(times)] for each in arms[0]]
        once = compare(*arms, reading=reading)
        again = compare(*copied, copies=copies, reading=reading)
        assert (again.verdict, again.scenarios) == (once.verdict, once.scenarios)
        if once.difference is None or once.p_value is None:
            assert (again.difference, again.p_value) == (None, None)
        else:
            assert again.difference == pytest.approx(once.difference, abs=1e-6)
            assert again.p_value == pytest.approx(once.p_value, rel=1e-9)

    @given(two_arms(), st.randoms(use_true_random=False))
    def test_order_is_irrelevant(
        self, arms: tuple[list[ScenarioScore], list[ScenarioScore]], random: Random
    ) -> None:
        shuffled = [list(arm) for arm in arms]
        for each in shuffled:
            random.shuffle(each)
        assert compare(*shuffled) == compare(*arms)

    @given(two_arms())
    def test_better_is_always_backed_by_test_and_interval(
        self, arms: tuple[list[ScenarioScore], list[ScenarioScore]]
    ) -> None:
        result = compare(*arms)
        if result.verdict == "better":
            assert result.p_value is not None
            assert result.interval_low is not None
            assert result.p_value < 0.05
            assert result.interval_low > 0
            assert result.scenarios >= 6

    @given(two_arms())
    def test_survives_json(self, arms: tuple[list[ScenarioScore], list[ScenarioScore]]) -> None:
        result = compare(*arms)
        text = json.dumps(result.model_dump(mode="json"), allow_nan=False)
        assert Comparison.model_validate_json(text) == result


class TestCutReplies:
    COMPARED = Comparison(verdict="better", sentence="Better.", scenarios=8)

    def test_nothing_is_said_where_nothing_was_cut(self) -> None:
        assert with_cut_replies(self.COMPARED, baseline=0, candidate=0, of=24) is self.COMPARED

    def test_a_difference_between_the_arms_is_said_first(self) -> None:
        told = with_cut_replies(self.COMPARED, baseline=0, candidate=24, of=24)
        assert told.sentence.startswith("The token limit cut 24 of 24 replies of the candidate")
        assert told.sentence.endswith("Better.")
        assert (told.baseline_truncated, told.candidate_truncated) == (0, 24)

    def test_what_both_have_is_said_after_the_verdict(self) -> None:
        told = with_cut_replies(self.COMPARED, baseline=2, candidate=2, of=24)
        assert told.sentence.startswith("Better. The token limit cut 2 of 24")
