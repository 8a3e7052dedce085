"""Turns our questions into a server's arguments."""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.integrations.memory.config.operations import (
    NEEDED,
    Operation,
    OperationName,
    placeholders_in,
)

Values = Mapping[str, JsonValue]


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
