"""Merging two people's changes of one text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mission_control.core.text_merge import merged

BASE = "Be kind. Ask for the date. Say goodbye."


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (BASE, BASE, BASE),
        (
            "Be very kind. Ask for the date. Say goodbye.",
            "Be kind. Ask for the date. Never quote prices. Say goodbye.",
            "Be very kind. Ask for the date. Never quote prices. Say goodbye.",
        ),
        ("Be rude. Ask for the date. Say goodbye.", BASE + " Now.",
         "Be rude. Ask for the date. Say goodbye. Now."),
        ("Be rude. Ask for the date. Say goodbye.", "Be fast. Ask for the date. Say goodbye.", None),
        ("The same change.", "The same change.", "The same change."),
    ],
)  # fmt: skip
def test_both_changes_or_none(one: str, other: str, expected: str | None) -> None:
    assert merged(BASE, one, other) == expected
    assert merged(BASE, other, one) == expected


@given(st.text(), st.text())
def test_a_change_on_one_side_alone_is_the_change(base: str, changed: str) -> None:
    assert merged(base, changed, base) == changed
    assert merged(base, base, changed) == changed
    assert merged(base, changed, changed) == changed
