"""memory.toml: which memory servers there are and how to read them, validated before anything starts."""

import re
import string
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, Self, cast
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from mission_control.core.logging import SECRET_KEY
from mission_control.core.settings import inherited
from mission_control.integrations.memory.config.locations import line_of
from mission_control.integrations.memory.errors import MemoryConfigurationError

OperationName = Literal["list", "search", "stats", "context", "add", "supersede", "correct"]
WRITES: tuple[OperationName, ...] = ("add", "supersede", "correct")
USUAL_ITEMS = ("items", "results", "memories", "facts", "conversations", "data")
ENVIRONMENT = "env:"
LARGEST_FILE_BYTES = 1 << 20
LEAST_SECRET_PART = 20  # characters of an address between two slashes; names are shorter

_READ_PLACEHOLDERS = frozenset(
    {"query", "tier", "agent", "as_of", "limit", "page", "offset", "cursor"}
)
_WRITE_PLACEHOLDERS = frozenset(
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


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FirstStep(_Strict):
    """A harmless call that must come before a write, such as making the thing to write on."""

    tool: str
    arguments: dict[str, JsonValue] = Field(default_factory=dict)


class Operation(_Strict):
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


class Preset(_Strict):
    """A mapping that we ship."""

    title: str
    checked: str  # against what, in one sentence
    role: Literal["temporal", "hybrid", "both"]
    operations: dict[OperationName, dict[str, JsonValue]]


class ServerConfiguration(_Strict):
    """One server, with the preset's operations already merged into its own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    transport: Literal["stdio", "http", "embedded"]
    command: str | None = Field(default=None, min_length=1)
    args: tuple[str, ...] = ()
    env: dict[str, str | SecretStr] = Field(default_factory=dict)
    cwd: Path | None = None
    url: SecretStr | None = None  # it may hold a key
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    role: Literal["temporal", "hybrid", "both"]
    preset: str | None = None
    weight: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)
    connect_timeout_seconds: float = Field(default=20.0, gt=0, le=300, allow_inf_nan=False)
    call_timeout_seconds: float = Field(default=15.0, gt=0, le=300, allow_inf_nan=False)
    sync_timeout_seconds: float = Field(default=120.0, gt=0, le=3600, allow_inf_nan=False)
    concurrency: int = Field(default=4, ge=1, le=64)
    max_result_bytes: int = Field(default=4 << 20, ge=1024, le=256 << 20)
    max_items: int = Field(default=5_000, ge=1, le=1_000_000)
    operations: dict[OperationName, Operation]

    @field_validator("command")
    @classmethod
    def _one_program(cls, value: str | None) -> str | None:
        if value is not None and " " in value and not Path(value).exists():
            raise PydanticCustomError(
                "command", "It names one program; what follows it belongs into args, a list"
            )
        return value

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"https?://[^/\s]+", value.get_secret_value()):
            raise PydanticCustomError("url", "It must begin with http:// or https:// and a host")
        return value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            text = secret.get_secret_value()
            if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not text.isascii():
                raise PydanticCustomError(
                    "header", "Header '{name}' cannot be sent", {"name": name}
                )
            if not text.isprintable():
                raise PydanticCustomError(
                    "header", "Header '{name}' cannot be sent", {"name": name}
                )
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        needed = {"stdio": self.command, "http": self.url, "embedded": "ours"}[self.transport]
        if not needed:
            field = "command" if self.transport == "stdio" else "url"
            raise PydanticCustomError(
                "transport",
                "transport = '{transport}' needs {field}",
                {"transport": self.transport, "field": field},
            )
        of_others = {
            "stdio": {"url", "headers"},
            "http": {"command", "args", "env", "cwd"},
            "embedded": {"command", "args", "env", "cwd", "url", "headers"},
        }[self.transport]
        if misplaced := sorted(of_others & self.model_fields_set):
            raise PydanticCustomError(
                "transport",
                "transport = '{transport}' has no {fields}",
                {"transport": self.transport, "fields": ", ".join(misplaced)},
            )
        return self

    def without_secrets(self, text: str) -> str:
        """The text with everything removed that was given to this server in confidence."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "[redacted]")
        return text

    @property
    def environment(self) -> dict[str, str]:
        """What its process is given, as it is given."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self.env.items()
        }

    @property
    def _secrets(self) -> frozenset[str]:
        given = [*self.env.values(), *self.headers.values(), self.url]
        texts = {each.get_secret_value() for each in given if isinstance(each, SecretStr)}
        bearers = {text.partition(" ")[2] for text in texts}
        return frozenset(text for text in texts | bearers | self._secrets_of_url if len(text) >= 6)

    @property
    def _secrets_of_url(self) -> set[str]:
        """Where keys are put in an address: its password, its query, and long parts of its path."""
        if self.url is None:
            return set()
        url = urlsplit(self.url.get_secret_value())
        parts = {part for part in url.path.split("/") if len(part) >= LEAST_SECRET_PART}
        return {url.password or "", *parts, *(value for _, value in parse_qsl(url.query))}


@dataclass(frozen=True, slots=True)
class MemoryConfiguration:
    servers: Mapping[str, ServerConfiguration]
    path: Path | None = None  # None: there was no file


# ---------------------------------------------------------------- placeholders


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


# ---------------------------------------------------------------- reading the file


def variable(name: str) -> str | None:
    """The value of an environment variable."""
    return inherited(name).get(name)


def embedded_only() -> MemoryConfiguration:
    """What a user without a memory.toml has: the two servers that come with the product."""
    given: dict[str, JsonValue] = {
        "temporal-memory": {"transport": "embedded", "preset": "temporal-memory"},
        "hybrid-intelligence": {"transport": "embedded", "preset": "hybrid-intelligence"},
    }
    return _Reading("", variable).configuration({"servers": given}, None)


def load_configuration(
    path: Path | None, *, read_variable: Callable[[str], str | None] = variable
) -> MemoryConfiguration:
    """Read and check the file; without one there are the two embedded servers.

    Args:
        path: Where memory.toml would be; None or absent: the embedded servers only.
        read_variable: Finds the value behind `env:NAME`.

    Raises:
        MemoryConfigurationError: All that is wrong, each with its line.
    """
    if path is None or not path.exists():
        return embedded_only()
    try:
        if path.stat().st_size > LARGEST_FILE_BYTES:
            raise _invalid([f"{path.name} is larger than {LARGEST_FILE_BYTES} bytes"])
        text = path.read_text("utf-8")
        document = cast("dict[str, JsonValue]", tomllib.loads(text))
    except OSError as exc:
        raise _invalid([f"{path.name} cannot be read ({exc.strerror})"]) from None
    except UnicodeDecodeError:
        raise _invalid([f"{path.name} is not UTF-8 text"]) from None
    except tomllib.TOMLDecodeError as exc:
        raise _invalid([f"{path.name} is not TOML: {exc}"]) from None
    return _Reading(text, read_variable).configuration(document, path)


def _invalid(problems: list[str]) -> MemoryConfigurationError:
    return MemoryConfigurationError(
        f"The memory servers cannot be used as configured: {'; '.join(problems)}. "
        "Nothing was started; correct the file.",
        problems=problems,
    )


class _Reading:
    """Collects everything that is wrong with one file, so that it can be corrected in one go."""

    def __init__(self, text: str, read_variable: Callable[[str], str | None]) -> None:
        self._text = text
        self._read_variable = read_variable
        self._problems: list[str] = []

    def configuration(
        self, document: dict[str, JsonValue], path: Path | None
    ) -> MemoryConfiguration:
        for key in document.keys() - {"servers"}:
            self._wrong((key,), "is not known here; servers are tables named [servers.<name>]")
        tables = document.get("servers", {})
        if not isinstance(tables, dict):
            self._wrong(("servers",), "must be tables named [servers.<name>]")
            tables = {}
        servers = {name: self._server(name, table) for name, table in tables.items()}
        if self._problems:
            raise _invalid(self._problems)
        return MemoryConfiguration({k: v for k, v in servers.items() if v is not None}, path)

    def _server(self, name: str, table: JsonValue) -> ServerConfiguration | None:
        at = ("servers", name)
        if not isinstance(table, dict):
            self._wrong(at, "must be a table")
            return None
        before = len(self._problems)
        preset = self._preset(at, table.get("preset"))
        given: dict[str, object] = {k: v for k, v in table.items() if k not in NEEDED}
        own = {k: v for k, v in table.items() if k in NEEDED}
        for group in ("env", "headers"):
            if group in given:
                given[group] = self._resolved((*at, group), table[group])
        if isinstance(url := given.get("url"), str):
            given["url"] = self._value((*at, "url"), url)
        operations = self._operations(at, preset, own)
        if "preset" in table:
            given.setdefault("role", preset.role if preset is not None else "both")
        if not operations and len(self._problems) == before:
            self._wrong(at, "names no preset and maps no operation, so nothing can be read from it")
        if len(self._problems) > before:
            operations = {}
        try:
            return ServerConfiguration.model_validate(
                {**given, "name": name, "operations": operations}
            )
        except ValidationError as exc:
            self._all_wrong(at, exc)
            return None

    def _preset(self, at: tuple[str, ...], name: JsonValue) -> Preset | None:
        if name is None:
            return None
        known = presets()
        if not isinstance(name, str) or name not in known:
            self._wrong((*at, "preset"), f"is none of {', '.join(sorted(known))}")
            return None
        return known[name]

    def _operations(
        self, at: tuple[str, ...], preset: Preset | None, own: Mapping[str, JsonValue]
    ) -> dict[str, Operation]:
        shipped: Mapping[str, dict[str, JsonValue]] = (
            {} if preset is None else {str(k): v for k, v in preset.operations.items()}
        )
        operations: dict[str, Operation] = {}
        for name in [*shipped, *(name for name in own if name not in shipped)]:
            changes = own.get(name, {})
            if not isinstance(changes, dict):
                self._wrong((*at, name), "must be a table")
                continue
            operation = self._operation((*at, name), _merged(shipped.get(name, {}), changes))
            if operation is not None:
                operations[name] = operation
        return operations

    def _operation(self, at: tuple[str, ...], given: dict[str, JsonValue]) -> Operation | None:
        name = cast("OperationName", at[-1])
        try:
            operation = Operation.model_validate(given)
            asked = operation.asks_for
        except ValidationError as exc:
            self._all_wrong(at, exc)
            return None
        except PydanticCustomError as exc:
            self._wrong((*at, "arguments"), _lowered(exc.message()))
            return None
        allowed = _WRITE_PLACEHOLDERS if name in WRITES else _READ_PLACEHOLDERS
        if unknown := sorted(asked - allowed):
            names = ", ".join(f"{{{each}}}" for each in sorted(allowed))
            self._wrong((*at, "arguments"), f"has {{{unknown[0]}}}; what can stand there: {names}")
        if missing := sorted(NEEDED[name] - asked):
            self._wrong((*at, "arguments"), f"must say where {{{missing[0]}}} goes")
        return operation

    def _resolved(self, at: tuple[str, ...], table: JsonValue) -> object:
        """What is in the variables that it names. Those are secrets, and what is named like one."""
        if not isinstance(table, dict):
            return table
        return {
            key: self._value((*at, key), value) if isinstance(value, str) else value
            for key, value in table.items()
        }

    def _value(self, at: tuple[str, ...], text: str) -> SecretStr | str:
        """The text, or what is in the variable that it names; `Bearer env:NAME` works too."""
        before, found, name = text.rpartition(ENVIRONMENT)
        if not found or (before and not before.endswith(" ")):
            return SecretStr(text) if SECRET_KEY.search(at[-1]) else text
        value = self._read_variable(name)
        if not value:
            self._wrong(at, f"names the environment variable {name}, which is not set")
        return SecretStr(f"{before}{(value or '').strip()}")

    def _all_wrong(self, at: tuple[str, ...], errors: ValidationError) -> None:
        for error in errors.errors(include_input=False, include_url=False):
            what = _PLAIN_WORDS.get(error["type"]) or _lowered(error["msg"])
            self._wrong((*at, *map(str, error["loc"])), what)

    def _wrong(self, at: tuple[str, ...], what: str) -> None:
        line = line_of(self._text, at)
        where = f"line {line}: " if line else ""
        self._problems.append(f"{where}{'.'.join(at)} {what}")


_PLAIN_WORDS = {"extra_forbidden": "is not known here", "missing": "is missing"}


def _lowered(message: str) -> str:
    return f"is wrong: {message[:1].lower()}{message[1:]}"


def _merged(shipped: Mapping[str, Any], changes: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The preset's operation with what the file says put over it; `fields` one by one."""
    merged: dict[str, JsonValue] = {**shipped, **changes}
    for group in ("fields", "constants", "kinds"):
        ours, theirs = shipped.get(group), changes.get(group)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            merged[group] = {**cast("dict[str, JsonValue]", ours), **theirs}
    return merged


# ---------------------------------------------------------------- presets


@cache
def presets() -> Mapping[str, Preset]:
    """The mappings that we ship, by name."""
    folder = files("mission_control.integrations.memory.config") / "presets"
    return {
        file.name.removesuffix(".toml"): Preset.model_validate(
            tomllib.loads(file.read_text("utf-8"))
        )
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    }
