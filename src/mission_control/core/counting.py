"""Numbers with their nouns: `1 call`, `2,000 memories`."""

import re
from collections.abc import Mapping


def counted(count: int, noun: str) -> str:
    """The number with its noun, which is given in the singular."""
    return f"{count:,} {noun if count == 1 else plural(noun)}"


def all_counted(counts: Mapping[str, int]) -> str:
    """`{"leads": 29000, "field_values": 1}` as words; the names are given in the plural."""
    return ", ".join(
        counted(count, _singular(name.replace("_", " "))) for name, count in counts.items()
    )


def plural(noun: str) -> str:
    return re.sub(r"(?<=[^aeiou])y$", "ie", noun) + "s"


def _singular(noun: str) -> str:
    return re.sub(r"ie$", "y", noun.removesuffix("s")) if noun.endswith("s") else noun
