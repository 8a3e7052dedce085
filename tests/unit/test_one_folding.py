"""Checks, searches and the hunt for same questions take the same texts for one another."""

import unicodedata
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mission_control.core import text_folding
from mission_control.core.same_questions import normal_question
from mission_control_protocol import spelling
from mission_control_protocol.typography import APOSTROPHES, HYPHENS, QUOTATION_MARKS
from tests.unit.test_text_folding import OTHER, SAME

FOLDINGS: tuple[Callable[[str], str], ...] = (
    spelling.folded,
    text_folding.folded,
    normal_question,
)
WORDS = st.lists(
    st.sampled_from(
        [
            "do not", "call", "can't", "café", "follow-up", "返金", "환불", "Straße", "ΟΔΟΣ", "İstanbul",
            "всё", "Łódź", "ﬁnance", "ｆｕｌｌ", "شكرا", "أحمد", "שלום", "ราคา", "हिन्दी", "tiếng Việt", "Москва\u0301",
        ]
    ),
    min_size=1,
    max_size=6,
).map(" ".join)  # fmt: skip
Rewriting = Callable[[str], str]


def _with(old: str, new: str) -> Rewriting:
    return lambda text: text.replace(old, new)


REWRITINGS: list[Rewriting] = [
    partial(unicodedata.normalize, "NFD"),
    partial(unicodedata.normalize, "NFKC"),
    lambda text: text.upper(),
    lambda text: text.casefold(),
    "\u200b".join,
    "\u00ad".join,
    _with(" ", "\u202f"),
    _with(" ", " \u3000"),
    *(_with("'", mark) for mark in APOSTROPHES),
    *(_with("-", mark) for mark in HYPHENS),
]


@pytest.mark.parametrize("fold", FOLDINGS, ids=["checks", "searches", "questions"])
@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_one_takes_for_the_same_all_do(fold: Rewriting, one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize("fold", FOLDINGS, ids=["checks", "searches", "questions"])
@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_one_takes_for_another_all_do(fold: Rewriting, one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize("fold", FOLDINGS, ids=["checks", "searches", "questions"])
@pytest.mark.parametrize("mark", QUOTATION_MARKS)
def test_every_quotation_mark_is_one(fold: Rewriting, mark: str) -> None:
    assert fold(f"say {mark}hi{mark}") == fold('say "hi"')


@given(text=WORDS, rewriting=st.sampled_from(REWRITINGS))
def test_whatever_way_a_text_is_written_in_all_see_one(text: str, rewriting: Rewriting) -> None:
    for fold in FOLDINGS:
        assert " ".join(fold(rewriting(text)).split()) == " ".join(fold(text).split())
