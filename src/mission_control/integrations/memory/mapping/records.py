"""Turns our questions into a server's arguments, and a server's items into ours."""

import hashlib
import json
import math
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from pydantic import JsonValue

from mission_control.integrations.memory.config.configuration import (
    NEEDED,
    FieldName,
    Operation,
    OperationName,
    placeholders_in,
)
from mission_control.integrations.memory.connection.envelopes import LARGEST_PROSE, Prose
from mission_control.integrations.memory.items import ConversationHit, Kind, Memory
from mission_control.integrations.memory.mapping.moments import moment

LONGEST_TEXT = 100_000  # characters of one item
DEEPEST = 100  # levels of one item
JsonObject = dict[str, JsonValue]
Values = Mapping[str, JsonValue]

# Where servers usually keep what we look for; a mapping's own `fields` come before these.
USUAL_FIELDS: Mapping[FieldName, tuple[str, ...]] = {
    "id": ("id", "memory_id", "uuid", "_id", "content_hash", "hash", "permalink"),
    "kind": ("kind", "type", "memory_type", "category", "tier"),
    "tier": ("tier", "importance", "metadata.tier"),
    "agent": ("agent", "agent_id", "agent_name", "metadata.agent", "metadata.agent_id"),
    "subject": ("subject", "topic", "entity", "name", "title"),
    "content": ("content", "text", "memory", "fact", "body", "value", "message", "summary"),
    "valid_from": ("valid_from", "valid_at", "start_date"),
    "valid_to": ("valid_to", "valid_until", "invalid_at", "end_date"),
    "recorded_at": (
        "recorded_at",
        "created_at",
        "created_at_iso",
        "timestamp",
        "date",
        "updated_at",
    ),
    "expired_at": ("expired_at",),
    "supersedes": ("supersedes", "replaces"),
    "source": ("source", "metadata.source"),
    "score": ("score", "relevance_score", "similarity", "relevance"),
    "conversation_id": ("conversation_id", "call_id", "session_id", "thread_id"),
    "at": ("at", "timestamp", "date", "created_at", "created_at_iso", "valid_from", "recorded_at"),
    "speaker": ("speaker", "role"),
    "summary": ("summary",),
}
_KINDS: Mapping[str, Kind] = {
    "fact": "fact", "facts": "fact", "preference": "preference", "preferences": "preference",
    "context": "context", "contexts": "context",
}  # fmt: skip


# ---------------------------------------------------------------- arguments


def fill(template: Mapping[str, JsonValue], values: Values) -> JsonObject:
    """The template with its placeholders replaced. What asks for a value not given is left out.

    A text that is one placeholder becomes the value with its type; others become text.
    """
    filled = ((name, _filled(value, values)) for name, value in template.items())
    return {name: value for name, value in filled if value is not _LEFT_OUT}


_LEFT_OUT: JsonValue = cast("JsonValue", object())


def _filled(template: JsonValue, values: Values) -> JsonValue:
    match template:
        case str():
            return _filled_text(template, values)
        case list():
            filled = [_filled(each, values) for each in template]
            kept = [each for each in filled if each is not _LEFT_OUT]
            return _LEFT_OUT if template and not kept else kept
        case dict():
            return fill(template, values)
        case _:
            return template


def _filled_text(template: str, values: Values) -> JsonValue:
    names = placeholders_in(template)
    given = {name: values.get(name) for name in names}
    if any(value is None for value in given.values()):
        return _LEFT_OUT
    if len(names) == 1 and template == f"{{{(name := next(iter(names)))}}}":
        return given[name]
    return string.Formatter().vformat(template, (), {k: _as_text(v) for k, v in given.items()})


def _as_text(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Fitted:
    """An operation as it fits one tool. `sends`: the placeholders that really reach the server."""

    tool: str
    arguments: Mapping[str, JsonValue]
    sends: frozenset[str]


def fit(
    name: OperationName, operation: Operation, schemas: Mapping[str, JsonObject]
) -> Fitted | str:
    """Hold the mapping against the tools that the server has; the sentence says why it cannot work.

    Arguments that the tool does not know are left out, unless the question would be lost with them.
    """
    needed_tools = [operation.first.tool] if operation.first is not None else []
    if missing := [tool for tool in needed_tools if tool not in schemas]:
        return f"it has no tool {missing[0]}"
    tool = next((tool for tool in operation.tool if tool in schemas), None)
    if tool is None:
        return f"it has no tool {' or '.join(operation.tool)}"
    schema = schemas[tool]
    known = _declared(schema)
    arguments = {
        key: value for key, value in operation.arguments.items() if known is None or key in known
    }
    first = placeholders_in(operation.first.arguments) if operation.first else frozenset[str]()
    sends = placeholders_in(arguments) | first
    if lost := sorted(NEEDED[name] - sends):
        return f"its tool {tool} takes no argument for the {lost[0]}"
    if wanted := [each for each in _required(schema) if each not in arguments]:
        return f"its tool {tool} also requires {', '.join(wanted)}"
    return Fitted(tool, arguments, sends)


def _declared(schema: JsonObject) -> frozenset[str] | None:
    """The arguments that a tool knows; None when it does not say."""
    properties = schema.get("properties")
    if not isinstance(properties, dict) or schema.get("additionalProperties") is True:
        return None
    return frozenset(properties)


def _required(schema: JsonObject) -> list[str]:
    required = schema.get("required")
    return (
        [each for each in required if isinstance(each, str)] if isinstance(required, list) else []
    )


# ---------------------------------------------------------------- items


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


class _Fields:
    """Reads the fields of one item by the mapping's paths, then by the usual ones."""

    def __init__(self, found: Found, operation: Operation) -> None:
        self._found = Found(
            clean(found.value), tuple(clean(each) for each in found.parents), found.parsed
        )
        self._operation = operation

    @property
    def raw(self) -> JsonValue:
        return self._found.value

    def _values(self, name: FieldName) -> Iterator[JsonValue]:
        for path in (*self._operation.fields.get(name, ()), *self._usual(name)):
            climbed = path.lstrip("^")
            level = len(path) - len(climbed)
            holders = (self._found.value, *self._found.parents)
            if level < len(holders):
                value = lookup(holders[level], climbed)
                if value is not None:
                    yield value
        if name in self._operation.constants:
            yield self._operation.constants[name]

    def _usual(self, name: FieldName) -> tuple[str, ...]:
        return USUAL_FIELDS[name] if isinstance(self._found.value, dict) else ()

    def text(self, name: FieldName) -> str | None:
        for value in self._values(name):
            if isinstance(value, str) and value.strip():
                return value[:LONGEST_TEXT]
            if isinstance(value, int | float) and not isinstance(value, bool):
                return str(value)
        return None

    def moment(self, name: FieldName) -> datetime | None:
        return next(filter(None, map(moment, self._values(name))), None)

    def kind(self) -> Kind | None:
        for value in self._values("kind"):
            names = cast("list[JsonValue]", value) if isinstance(value, list) else [value]
            for each in names:
                said = each.strip().lower() if isinstance(each, str) else ""
                kind = self._operation.kinds.get(said) or _KINDS.get(said)
                if kind is not None:
                    return kind
        return None

    def tier(self) -> int | None:
        for value in self._values("tier"):
            said = str(value).strip() if not isinstance(value, bool | dict | list) else ""
            if said in {"1", "2", "3"}:
                return int(said)
        return None

    def score(self) -> float | None:
        for value in self._values("score"):
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value) if math.isfinite(value) else None
        return None

    def source(self) -> JsonValue:
        return next(self._values("source"), None)

    def content(self) -> tuple[str, bool]:
        """The text, and whether it was where a text should be."""
        value = self._found.value
        if isinstance(value, str):
            return value[:LONGEST_TEXT], self._found.parsed
        text = self.text("content")
        if text is not None:
            return text, True
        return json.dumps(value, ensure_ascii=False)[:LONGEST_TEXT], False

    def id(self, server: str, content: str) -> str:
        given = self.text("id")
        if given is not None:
            return given
        named = json.dumps([server, self.text("subject"), content])
        return hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:32]


def memory(server: str, found: Found, operation: Operation) -> Memory:
    fields = _Fields(found, operation)
    content, parsed = fields.content()
    return Memory(
        server=server,
        id=fields.id(server, content),
        content=content,
        kind=fields.kind(),
        tier=fields.tier(),
        agent=fields.text("agent"),
        subject=fields.text("subject"),
        valid_from=fields.moment("valid_from"),
        valid_to=fields.moment("valid_to"),
        recorded_at=fields.moment("recorded_at"),
        expired_at=fields.moment("expired_at"),
        supersedes=fields.text("supersedes"),
        source=fields.source(),
        score=fields.score(),
        parsed=parsed,
        raw=fields.raw,
    )


def conversation(server: str, found: Found, operation: Operation) -> ConversationHit:
    fields = _Fields(found, operation)
    text, parsed = fields.content()
    return ConversationHit(
        server=server,
        id=fields.id(server, text),
        text=text,
        conversation_id=fields.text("conversation_id"),
        agent=fields.text("agent"),
        at=fields.moment("at"),
        speaker=fields.text("speaker"),
        summary=fields.text("summary"),
        score=fields.score(),
        source=fields.source(),
        parsed=parsed,
        raw=fields.raw,
    )


def clean(value: JsonValue, *, levels: int = DEEPEST) -> JsonValue:
    """Without what no database and no UTF-8 can hold: NUL, halves of an emoji, a nest without end."""
    match value:
        case str():
            return _clean_text(value)
        case list() | dict() if levels == 0:
            return None
        case list():
            return [clean(each, levels=levels - 1) for each in value]
        case dict():
            return {
                _clean_text(name): clean(each, levels=levels - 1) for name, each in value.items()
            }
        case _:
            return value


def _clean_text(text: str) -> str:
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
