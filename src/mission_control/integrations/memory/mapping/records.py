"""Turns a server's items into memories and conversations."""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import cast

from pydantic import JsonValue

from mission_control.integrations.memory.config.operations import FieldName, Operation
from mission_control.integrations.memory.items import ConversationHit, Kind, Memory
from mission_control.integrations.memory.mapping.moments import moment
from mission_control.integrations.memory.mapping.pages import Found, lookup

LONGEST_TEXT = 100_000  # characters of one item
DEEPEST = 100  # levels of one item

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
