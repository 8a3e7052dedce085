"""Everything personal in something said, taken out at once."""

from collections.abc import Sequence

from mission_control.core.personal_data.names import without_companies, without_names
from mission_control.core.personal_data.numbers import without_numbers


def redacted(text: str, people: Sequence[str], companies: Sequence[str] = ()) -> str:
    """The text with placeholders for numbers and addresses, and for these names.

    `people` are what `names_said` found in the whole conversation, and whoever is known from
    elsewhere; they go whole and in parts. `companies` go only as a whole.
    """
    return without_names(without_companies(without_numbers(text), companies), people)
