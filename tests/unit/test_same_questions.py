"""Which scenarios ask the same question, and what follows for the splits."""

import random
import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mission_control.core.near_questions import says_another_word
from mission_control.core.playbook import Scenario, Split, parse_playbook
from mission_control.core.same_questions import (
    normal_question,
    same_pairs,
    same_questions,
)

ROOT = Path(__file__).parents[2]


def asked(name: str, text: str, split: Split = "test", **fields: str) -> Scenario:
    return Scenario(
        id=name,
        description="",
        tags=[],
        split=split,
        anchor=False,
        input={"say": text, **fields},
        expected={"reply": "x"},
        checks=[],
    )


def are_same(first: str, second: str) -> bool:
    return bool(list(same_pairs({"a": {"say": first}, "b": {"say": second}})))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("What does it cost?", "what does it cost"),
        ("What does it cost?", "  What\u00a0does  it cost ?!"),
        ("What does it cost?", "What does it cost, please?"),
        ("What does the premium plan cost?", "Hi, what does the premium plan cost?"),
        ("What does the premium plan cost?", "What does the premium plan costs?"),
        ("Is the café open today?", "is the cafe\u0301 open today"),
        ("Don\u2019t you have a table?", "Don't you have a table?"),
        ("W\u200bhat does it cost?", "What does it cost?"),
        ("我们的价格是每月四十九美元", "您好，我们的价格是每月四十九美元。"),
        ("ＡＢＣ plan price", "abc plan price"),
    ],
)
def test_the_same_question_in_other_dress(first: str, second: str) -> None:
    assert are_same(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Do you have a table for 2 tonight?", "Do you have a table for 4 tonight?"),
        ("What about the price?", "What about the claim?"),
        ("I would like to know about the price.", "I would like to know about the time."),
        (
            "Hello, I am calling from Oslo, do you deliver there?",
            "Hello, I am calling from Bergen, do you deliver there?",
        ),
        ("Is the bakery open?", "Is the bakery open on Sundays?"),
        ("How late can we check out?", "Could we check out at noon?"),
        ("今天天气很好我们去公园散步", "我们的价格是每月四十九美元"),
        ("👍", "👎"),
        ("?", "!"),
    ],
)
def test_another_question(first: str, second: str) -> None:
    assert not are_same(first, second)


def test_every_field_counts() -> None:
    """A long context that all scenarios share does not make them copies of each other."""
    context = "The shop sells bread and cakes, opens at seven and closes at six. " * 3
    first, second = (
        asked("a", "Is it open?", context=context),
        asked("b", "Do you deliver?", context=context),
    )
    assert same_questions("ada", [first, second]).pairs == ()


@pytest.mark.parametrize("file", sorted((ROOT / "agents").glob("*.yaml")), ids=lambda f: f.stem)
def test_the_shipped_playbooks_leak_nothing(file: Path) -> None:
    playbook = parse_playbook(file.read_text())
    found = same_questions(playbook.agent_id, playbook.reviewed)
    assert found.pairs == ()
    assert len(found.questions) == 16


class TestSplits:
    def test_a_test_scenario_that_the_search_sees_is_leaked(self) -> None:
        found = same_questions(
            "ada",
            [
                asked("t", "What does it cost?", "train"),
                asked("v", "Where are you?", "validation"),
                asked("x1", "what does it cost", "test"),
                asked("x2", "where are you, please", "test"),
                asked("x3", "Who is this?", "test"),
            ],
        )
        assert found.leaked == ("x1",)
        assert found.questions == ("x2", "x3")
        assert [(pair.first, pair.second, pair.leaks) for pair in found.pairs] == [
            ("t", "x1", True)
        ]

    def test_one_test_question_eight_times_is_one(self) -> None:
        found = same_questions("ada", [asked(f"x{i}", "The same question") for i in range(8)])
        assert found.copies == (tuple(f"x{i}" for i in range(8)),)
        assert found.questions == ("x0",)
        assert found.leaked == ()

    def test_a_copy_of_what_leaked_has_leaked(self) -> None:
        found = same_questions(
            "ada",
            [
                asked("t", "What does the plan cost?", "train"),
                asked("x1", "What does the plan cost, please?", "test"),
                asked("x2", "So what does the plan cost, please?", "test"),
            ],
        )
        assert found.leaked == ("x1", "x2")
        assert found.questions == ()


WORDS = st.lists(
    st.sampled_from(["what", "about", "the", "price", "time", "claim", "please", "7", "9"]),
    min_size=1,
    max_size=6,
)


def is_near(one: str, other: str) -> bool:
    """The rule itself, for two texts alone."""
    shingled = [{text[at : at + 4] for at in range(max(1, len(text) - 3))} for text in (one, other)]
    shorter, longer = sorted(map(len, shingled))
    enough = len(shingled[0] & shingled[1]) >= 0.8 * shorter and shorter >= 0.6 * longer
    numbers = [re.findall(r"\d+", text) for text in (one, other)]
    words = (frozenset(one.split()), frozenset(other.split()))
    return enough and numbers[0] == numbers[1] and not says_another_word(*words)


@given(st.lists(WORDS, min_size=2, max_size=12))
def test_no_pair_is_missed(texts: list[list[str]]) -> None:
    inputs = {f"s{number}": {"say": " ".join(each)} for number, each in enumerate(texts)}
    found = {frozenset(pair[:2]) for pair in same_pairs(inputs)}
    first_with: dict[str, str] = {}
    for name, fields in inputs.items():
        first_with.setdefault(normal_question(fields["say"]), name)
    for first, second in combinations(first_with.values(), 2):
        near = is_near(inputs[first]["say"], inputs[second]["say"])
        assert (frozenset((first, second)) in found) == near


def test_a_pair_is_found_among_hundreds_of_long_inputs_with_one_preamble() -> None:
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghiklmnoprstu", k=draw.randint(3, 9))) for _ in range(900)]
    preamble = " ".join(draw.choices(words, k=100))
    inputs = {
        f"s{number}": {"say": f"{preamble} {' '.join(draw.choices(words, k=20))}"}
        for number in range(300)
    }
    inputs["s300"] = {"say": f"Hello there, {inputs['s200']['say']}!"}
    assert [pair[:2] for pair in same_pairs(inputs)] == [("s200", "s300")]


@given(st.text(min_size=1, max_size=40))
def test_what_was_normal_stays_normal(text: str) -> None:
    assert normal_question(normal_question(text)) == normal_question(text)
