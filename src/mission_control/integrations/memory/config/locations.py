"""Finds the line of a TOML file that a dotted name comes from, for messages that say where to look."""

import re
import tomllib
from typing import cast

_HEADER = re.compile(r"^\s*\[\[?(?P<name>[^\[\]]+)\]\]?\s*(#.*)?$")
_KEY = re.compile(
    r"^\s*(?P<name>(?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*="
)


def line_of(text: str, location: tuple[str, ...]) -> int | None:
    """The line, from 1, that says most of `location`; None when no line says any of it."""
    table: tuple[str, ...] = ()
    best: tuple[int, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = said = _names(header["name"])
        elif key := _KEY.match(line):
            said = (*table, *_names(key["name"]))
        else:
            continue
        if said == location[: len(said)] and (best is None or len(said) > best[0]):
            best = (len(said), number)
    return best[1] if best else None


def _names(dotted: str) -> tuple[str, ...]:
    """`servers."my notes".list` as its parts."""
    try:
        value: object = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return (dotted.strip(),)
    names: list[str] = []
    while isinstance(value, dict):
        name, value = next(iter(cast("dict[str, object]", value).items()))
        names.append(name)
    return tuple(names)
