"""How one operation is said to one memory server, and how its answer is read."""

import re
import string
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, Self, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

OperationName = Literal["list", "search", "stats", "context", "add", "supersede", "correct"]
WRITES: tuple[OperationName, ...] = ("add", "supersede", "correct")
USUAL_ITEMS = ("items", "results", "memories", "facts", "conversations", "data")

READ_PLACEHOLDERS = frozenset(
    {"query", "tier", "agent", "as_of", "limit", "page", "offset", "cursor"}
)
WRITE_PLACEHOLDERS = frozenset(
    {"id", "kind", "content", "subject", "tier", "agent", "valid_from", "source"}
)
# What a paging style needs in the arguments, or every page would be the first.
_PAGING_NEEDS = {"page": "page", "offset": "offset", "cursor": "cursor"}
# An operation that leaves these out would answer another question than the one asked.
NEEDED: Mapping[OperationName, frozenset[str]] = {
    "list": frozenset(),
    "search": frozenset({"query"}),
    "stats": frozenset(),
    "context": frozenset({"agent"}),
    "add": frozenset({"content"}),
    "supersede": frozenset({"id", "content"}),
    "correct": frozenset({"id", "content"}),
}

FieldName = Literal[
    "id", "kind", "tier", "agent", "subject", "content", "valid_from", "valid_to", "recorded_at",
    "expired_at", "supersedes", "source", "score", "conversation_id", "at", "speaker", "summary",
]  # fmt: skip


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(min_length=1)]
Pattern = Annotated[str, Field(min_length=1, max_length=300)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FirstStep(Strict):
    """A harmless call that must come before a write, such as making the thing to write on."""

    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class Operation(Strict):
    """How one of our operations is said to one server, and how its answer is read."""

    tool: Names  # the first that the server has
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    first: FirstStep | None = None
    paging: Literal["none", "page", "offset", "cursor"] = "none"
    page_size: int = Field(default=100, ge=1, le=10_000)
    first_page: int = Field(default=1, ge=0, le=1)
    next_cursor: str = "next_cursor"
    items: Names = USUAL_ITEMS
    fields: dict[FieldName, Names] = Field(default_factory=dict)
    constants: dict[FieldName, str | int] = Field(default_factory=dict)
    kinds: dict[str, Literal["fact", "preference", "context"]] = Field(default_factory=dict)
    errors: tuple[Pattern, ...] = ()
    empty: tuple[Pattern, ...] = ()
    prose_items: Pattern | None = None
    confirmed_by: str | None = None
    id_in_prose: Pattern | None = None

    @field_validator("id_in_prose")
    @classmethod
    def _holds_the_id(cls, value: str | None) -> str | None:
        if value is not None and _compiled(value).groups != 1:
            raise PydanticCustomError("pattern", "It must have one group, around the id")
        return value

    @field_validator("errors", "empty")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            _compiled(pattern)
        return value

    @field_validator("prose_items")
    @classmethod
    def _names_its_content(cls, value: str | None) -> str | None:
        if value is not None and "content" not in _compiled(value).groupindex:
            raise PydanticCustomError("pattern", "It must name a group (?P<content>…)")
        return value

    @model_validator(mode="after")
    def _paging_is_asked_for(self) -> Self:
        needed = _PAGING_NEEDS.get(self.paging)
        if needed is not None and needed not in placeholders_in(self.arguments):
            raise PydanticCustomError(
                "paging",
                "paging = '{style}' needs {needed} somewhere in arguments",
                {"style": self.paging, "needed": f"{{{needed}}}"},
            )
        return self

    @property
    def asks_for(self) -> frozenset[str]:
        """The placeholders in its arguments."""
        found = placeholders_in(self.arguments)
        return found if self.first is None else found | placeholders_in(self.first.arguments)


class Preset(Strict):
    """A mapping that we ship."""

    title: str
    checked: str  # against what, in one sentence
    role: Literal["temporal", "hybrid", "both"]
    operations: dict[OperationName, dict[str, JsonValue]]


def placeholders_in(template: JsonValue | Mapping[str, JsonValue]) -> frozenset[str]:
    """Every `{name}` in the texts of an argument template, at any depth."""
    match template:
        case str():
            return frozenset(name for _, name, _, _ in _parts(template) if name is not None)
        case list():
            return frozenset[str]().union(*map(placeholders_in, template))
        case Mapping():
            inner = cast("Mapping[str, JsonValue]", template)
            return frozenset[str]().union(*map(placeholders_in, inner.values()))
        case _:
            return frozenset()


def _parts(text: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(string.Formatter().parse(text))
    except ValueError:
        raise PydanticCustomError(
            "template",
            "A brace is not closed; write {two} for a brace that is meant",
            {"two": "{{"},
        ) from None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as exc:
        raise PydanticCustomError(
            "pattern", "Not a regular expression: {why}", {"why": str(exc)}
        ) from None
