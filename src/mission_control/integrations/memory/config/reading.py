"""Reads memory.toml and says all that is wrong with it, before anything starts."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import JsonValue, SecretStr, ValidationError
from pydantic_core import PydanticCustomError

from mission_control.core.logging import SECRET_KEY
from mission_control.core.settings import inherited, written_in_env_file
from mission_control.integrations.memory.config.configuration import (
    MemoryConfiguration,
    ServerConfiguration,
)
from mission_control.integrations.memory.config.locations import line_of
from mission_control.integrations.memory.config.operations import (
    NEEDED,
    READ_PLACEHOLDERS,
    WRITE_PLACEHOLDERS,
    WRITES,
    Operation,
    OperationName,
    Preset,
)
from mission_control.integrations.memory.config.presets import presets
from mission_control.integrations.memory.errors import MemoryConfigurationError

ENVIRONMENT = "env:"
LARGEST_FILE_BYTES = 1 << 20


def variable(name: str) -> str | None:
    """The value of an environment variable; where it is not set, what `.env` says."""
    return inherited(name).get(name, written_in_env_file(name))


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
        allowed = WRITE_PLACEHOLDERS if name in WRITES else READ_PLACEHOLDERS
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
