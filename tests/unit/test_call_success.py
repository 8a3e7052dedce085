"""The answers of every rubric on one scale; what no rubric can have answered is unknown."""

import pytest

from mission_control.core.call_success import (
    CUT_AT,
    Judgement,
    judged,
    rubric_in_force,
    score_words,
)
from mission_control.core.words import SuccessRubric as Rubric

YES, NO, UNKNOWN = Judgement(True, 1.0), Judgement(False, 0.0), Judgement()


@pytest.mark.parametrize(
    ("rubric", "answer", "meaning"),
    [
        (None, "true", YES), (None, " False ", NO),
        *((None, each, UNKNOWN) for each in ("9", "4", "yes", "Excellent", "85%", "", None)),
        (Rubric.PASS_FAIL, "true", YES), (Rubric.PASS_FAIL, "Yes.", YES), (Rubric.PASS_FAIL, "FAIL", NO),
        (Rubric.PASS_FAIL, "9", UNKNOWN), (Rubric.PASS_FAIL, "The call went well", UNKNOWN),
        (Rubric.NUMERIC, "10", 1.0), (Rubric.NUMERIC, "1", 0.0), (Rubric.NUMERIC, "5.5", 0.5),
        (Rubric.NUMERIC, "8/10", 0.777778), (Rubric.NUMERIC, "8 out of 10", 0.777778),
        *((Rubric.NUMERIC, each, None) for each in ("0", "11", "true", "Good", "8/5", "-3", "９9")),
        (Rubric.PERCENTAGE, "85%", 0.85), (Rubric.PERCENTAGE, "85", 0.85), (Rubric.PERCENTAGE, "0", 0.0),
        (Rubric.PERCENTAGE, "100 %", 1.0), (Rubric.PERCENTAGE, "0.5%", 0.005),
        *((Rubric.PERCENTAGE, each, None) for each in ("0.85", "101", "120%", "Excellent")),
        (Rubric.DESCRIPTIVE, "Excellent", 1.0), (Rubric.DESCRIPTIVE, "good.", 0.666667),
        (Rubric.DESCRIPTIVE, "POOR", 0.0), (Rubric.DESCRIPTIVE, "Very good", None),
        (Rubric.LIKERT, "Strongly Agree", 1.0), (Rubric.LIKERT, "neutral", 0.5),
        (Rubric.LIKERT, "Strongly Disagree", 0.0), (Rubric.LIKERT, "4", None),
        (Rubric.CHECKLIST, '{"greeted": true, "asked": false}', 0.5),
        (Rubric.CHECKLIST, '[{"name": "a", "status": "Met"}, {"name": "b", "met": true}]', 1.0),
        (Rubric.CHECKLIST, "- [x] greeted\n- [ ] asked the date\n- [x] closed\n- [x] polite", 0.75),
        (Rubric.CHECKLIST, "✅ greeted; ❌ asked", 0.5), (Rubric.CHECKLIST, "Greeted: met\nAsked: not met", 0.5),
        (Rubric.CHECKLIST, "Greeted: met\nAsked: more or less", None), (Rubric.CHECKLIST, "fine", None),
        (Rubric.CHECKLIST, "[" * 9_000, None), (Rubric.CHECKLIST, "x" * 200, None),
        (Rubric.MATRIX, '{"tone": "good"}', None), (Rubric.AUTOMATIC, "8", None),
    ],
)  # fmt: skip
def test_what_an_answer_means(
    rubric: Rubric | None, answer: str | None, meaning: Judgement | float | None
) -> None:
    expected = meaning if isinstance(meaning, Judgement) else Judgement(score=meaning)
    assert judged(rubric, answer) == expected


def test_only_true_and_false_name_their_rubric() -> None:
    assert rubric_in_force(None, "true") is Rubric.PASS_FAIL
    assert rubric_in_force(None, "9") is None
    assert rubric_in_force(Rubric.NUMERIC, "true") is Rubric.NUMERIC


def test_a_score_is_never_shown_without_its_scale() -> None:
    assert score_words(0.888889, Rubric.NUMERIC) == "89 of 100, 1 to 10"
    assert score_words(1.0, Rubric.PASS_FAIL) is None  # that is a yes
    assert score_words(0.5, None) is None


def test_a_checklist_that_may_have_been_cut_is_not_counted() -> None:
    answer = "greeted: yes\n" + "x" * (CUT_AT - 1 - len("greeted: yes\n: yes")) + ": yes"
    assert len(answer) == CUT_AT - 1
    assert judged(Rubric.CHECKLIST, answer).score == 1.0
    assert judged(Rubric.CHECKLIST, f"x{answer}").score is None
