"""Numbers with their nouns: `1 call`, `2,000 memories`."""

import re
from collections.abc import Mapping


def counted(count: int, noun: str) -> str:
    """The number with its noun, which is given in the singular."""
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def all_counted(counts: Mapping[str, int]) -> str:
    """`{"leads": 29000, "field_values": 1}` as words; the names are given in the plural.

    A name that is no plural is a proper name, as that of a memory server, and stays as it is.
    """
    return ", ".join(_counted_name(count, name) for name, count in counts.items())


def _counted_name(count: int, name: str) -> str:
    if not name.endswith("s"):
        return f"{count:,} {name}"
    return counted(count, _singular(name.replace("_", " ")))


def plural(noun: str) -> str:
    return re.sub(r"(?<=[^aeiou])y$", "ie", noun) + "s"


def _singular(noun: str) -> str:
    return re.sub(r"ie$", "y", noun.removesuffix("s"))
