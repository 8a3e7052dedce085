"""Finds the items, and where the next page begins, in what a server answered."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydantic import JsonValue

from mission_control.integrations.memory.config.operations import Operation
from mission_control.integrations.memory.connection.envelopes import LARGEST_PROSE, Prose


@dataclass(frozen=True, slots=True)
class Found:
    """An item where the path led, with what it lies in, innermost first."""

    value: JsonValue
    parents: tuple[JsonValue, ...] = ()
    parsed: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    items: list[Found] = field(default_factory=list[Found])
    next_cursor: str | int | None = None


class NoItemsError(Exception):
    """The answer is data, and has nothing where the mapping says that the items are."""


def page_of(payload: JsonValue | Prose, operation: Operation) -> Page:
    """The items of one answer.

    Raises:
        NoItemsError: None of the mapping's `items` paths leads anywhere.
    """
    if isinstance(payload, Prose):
        return Page(_items_in_prose(payload.text, operation))
    for path in operation.items:
        found = _walk(payload, path)
        if found is not None:
            return Page(list(found), _next_cursor(payload, operation))
    if isinstance(payload, list):  # the wrapping that the mapping expects was left off
        return Page([Found(each) for each in payload])
    paths = " or ".join(operation.items)
    shape = (
        f"an object with {', '.join(sorted(payload)[:8])}"
        if isinstance(payload, dict)
        else "a value"
    )
    raise NoItemsError(f"there is nothing at {paths} in its answer, {shape}")


def _items_in_prose(text: str, operation: Operation) -> list[Found]:
    if operation.prose_items is not None:
        found = re.finditer(operation.prose_items, text[:LARGEST_PROSE])
        items = [
            Found({k: v.strip() for k, v in match.groupdict().items() if v is not None})
            for match in found
        ]
        if items:
            return items
    return [Found(text, parsed=False)]


def _next_cursor(payload: JsonValue, operation: Operation) -> str | int | None:
    cursor = lookup(payload, operation.next_cursor) if operation.paging == "cursor" else None
    return cursor if isinstance(cursor, str | int) and cursor not in {"", False} else None


def _walk(payload: JsonValue, path: str) -> Iterator[Found] | None:
    """Follow `entities[].observations[]`; None when the first part leads nowhere."""
    first, _, rest = path.partition("[]")
    start = lookup(payload, first) if first else payload
    if isinstance(start, list):
        return _flattened(start, rest.lstrip("."), ())
    if start is None or (not first and isinstance(payload, dict)):
        return None
    return iter([Found(start)])


def _flattened(
    values: list[JsonValue], path: str, parents: tuple[JsonValue, ...]
) -> Iterator[Found]:
    name, more, rest = path.partition("[]")
    for value in values:
        if not path:
            yield Found(value, parents)
            continue
        inner = lookup(value, name)
        if more and isinstance(inner, list):
            yield from _flattened(inner, rest.lstrip("."), (value, *parents))
        elif inner is not None and not more:
            yield Found(inner, (value, *parents))


def lookup(value: JsonValue, path: str) -> JsonValue:
    """Follow a dotted path; None where it ends in nothing. `.` is the value itself."""
    if path in {"", "."}:
        return value
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value
