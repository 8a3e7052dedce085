"""One spelling for texts that are searched: what a reader takes for the same is the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mission_control.core.text_folding import (
    all_words,
    folded,
    long_runs,
    normalized,
    sought,
    words_of,
)

SAME = [
    ("cafe", "café"), ("cafe", "cafe\u0301"), ("CAFE", "Café"), ("istanbul", "İstanbul"),
    ("istanbul", "ISTANBUL"), ("strasse", "Straße"), ("finance", "ﬁnance"), ("follow-up", "follow\u2011up"),
    ("follow-up", "follow\u2212up"), ("don't", "don\u2019t"), ("don't", "don\u02bct"), ("don't", "don\u00b4t"),
    ("don't", "don\u2032t"), ("refund", "re\u00adfund"), ("refund", "re\u200bfund"), ("refund", "\u2060refund"),
    ("full width 12", "ｆｕｌｌ\u3000ｗｉｄｔｈ １２"), ("a b", "a\u202fb"), ("a b", "a\u00a0b"), ("アイウ", "ｱｲｳ"),
    ("ガ", "カ\u3099"), ("smorgasbord", "smörgåsbord"), ("lodz", "Łódź"), ("123", "١٢٣"), ("все", "всё"),
    ("ΟΔΟΣ", "οδός"), ("환불", unicodedata.normalize("NFD", "환불")), ("...", "…"),
]  # fmt: skip
OTHER = [("мои", "мой"), ("か", "が"), ("ขา", "ข้า"), ("new", "news"), ("10", "100")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_text_are_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)
    assert words_of(one) == words_of(other)
    assert sought(one) == sought(other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_words_stay_others(one: str, other: str) -> None:
    assert folded(one) != folded(other)
    assert not {*sought(one)} <= {*words_of(other)} or one in other


@pytest.mark.parametrize(
    ("text", "part"),
    [("ご返金をお約束します", "返金"), ("ขอคืนเงินค่าสินค้า", "คืนเงิน"), ("환불은 됩니다", "환불"), ("我们退款", "退"),
     ("the iPhone返金 case", "返金 iphone")],
)  # fmt: skip
def test_any_part_of_a_text_without_spaces_is_in_its_words(text: str, part: str) -> None:
    assert {*sought(part)} <= {*words_of(text)}


def test_only_runs_of_three_characters_or_more_have_an_order_to_be_read() -> None:
    assert long_runs("返金 café 約束します") == ["約束します"]


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(ANY_TEXT)
def test_folding_twice_is_folding_once(text: str) -> None:
    assert normalized(normalized(text)) == normalized(text)
    assert folded(folded(text)) == folded(text)
    assert folded(normalized(text)) == folded(text)


@given(ANY_TEXT)
def test_the_words_of_a_text_are_those_of_its_parts(text: str) -> None:
    assert words_of(text) == [*dict.fromkeys(all_words(text))]
    assert {*sought(text)} <= {*words_of(text)}
    assert {*words_of(text)} == {word for part in text.split() for word in words_of(part)}


@given(ANY_TEXT)
def test_words_hold_nothing_that_an_index_could_cut_or_take_for_its_own(text: str) -> None:
    for word in words_of(text):
        assert word
        assert not any(
            char.isspace() or char in "\"'*:&|!()<>\\" or "\ue000" <= char <= "\uf8ff"
            for char in word
        )
        assert word.isascii() is False or word.isalnum()


def test_a_word_that_is_too_long_is_found_by_its_beginning() -> None:
    long = "É" * 100 + " end"
    assert words_of(long) == all_words(long) == ["e" * 64, "end"]
    assert sought("é" * 99) == ["e" * 64]
