"""One is one, and every other number is many."""

import pytest

from mission_control.core.counting import all_counted, counted


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "call", "0 calls"),
        (1, "call", "1 call"),
        (2_000, "memory", "2,000 memories"),
        (1, "memory", "1 memory"),
        (3, "day", "3 days"),
        (2, "test scenario", "2 test scenarios"),
    ],
)
def test_the_noun_follows_its_number(count: int, noun: str, said: str) -> None:
    assert counted(count, noun) == said


def test_names_that_are_plural_become_one() -> None:
    counts = {"leads": 29_000, "conversations": 1, "memories": 1, "field_values": 2}
    assert all_counted(counts) == "29,000 leads, 1 conversation, 1 memory, 2 field values"
