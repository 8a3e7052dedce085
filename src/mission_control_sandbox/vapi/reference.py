"""Checks a body the way Vapi's API does: a whitelist, and the messages of NestJS.

The rules are `reference.json`, reduced from Vapi's OpenAPI document.
"""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

Rule = Mapping[str, Any]

# Out of the document, and still taken: old assistants carry them, and clients send them back.
LEGACY_OF_SERVER = frozenset({"secret"})
LEGACY_OF_MODEL = frozenset({"systemPrompt", "functions"})

JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
TYPE_MESSAGES = {
    "string": "a string",
    "number": "a number conforming to the specified constraints",
    "integer": "an integer number",
    "boolean": "a boolean value",
    "array": "an array",
    "object": "an object",
}


def complaints(body: Mapping[str, Any], schema: str = "CreateAssistantDTO") -> list[str]:
    """What Vapi would say against this body; empty if nothing."""
    return list(_object(body, schema, ""))


@lru_cache
def _schemas() -> dict[str, Rule]:
    text = Path(__file__).with_name("reference.json").read_text(encoding="utf-8")
    return json.loads(text)["schemas"]


def _object(value: Mapping[str, Any], name: str, path: str) -> Iterator[str]:
    schema = _schemas()[name]
    if not schema:
        return
    properties: dict[str, Rule] = schema["properties"]
    for key, one in value.items():
        if key in properties:
            yield from _value(one, properties[key], path, key)
        elif key not in _legacy(name):
            yield f"{path}property {key} should not exist"
    for key in schema["required"]:
        if value.get(key) is None and not _may_be_null(name, key, value):
            yield from _missing(key, properties[key], path)


def _value(value: object, rule: Rule, path: str, key: str) -> Iterator[str]:
    if value is None:
        return
    if "ref" in rule:
        yield from _nested(value, rule["ref"], path, key)
    elif "tag" in rule:
        yield from _tagged(value, rule, path, key)
    elif "type" in rule:
        yield from _plain(value, rule, path, key)


def _nested(value: object, name: str, path: str, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _object(cast("dict[str, Any]", value), name, f"{path}{key}.")
    else:
        yield f"{path}nested property {key} must be either object or array"


def _tagged(value: object, rule: Rule, path: str, key: str) -> Iterator[str]:
    tag, names = rule["tag"], rule["of"]
    if not isinstance(value, dict):
        yield f"{path}nested property {key} must be either object or array"
        return
    found = cast("dict[str, Any]", value).get(tag)
    if isinstance(found, str) and found in names:
        yield from _nested(cast("object", value), names[found], path, key)
    else:
        yield f"{path}{key}.{tag} must be one of the following values: {', '.join(names)}"


def _plain(value: object, rule: Rule, path: str, key: str) -> Iterator[str]:
    if not _is(value, rule["type"]):
        yield f"{path}{key} must be {TYPE_MESSAGES[rule['type']]}"
    elif isinstance(value, list):
        for index, one in enumerate(cast("list[object]", value)):
            yield from _value(one, rule.get("items", {}), f"{path}{key}.", str(index))
    elif isinstance(value, str):
        yield from _text(value, rule, f"{path}{key}")
    elif isinstance(value, int | float):
        if value < rule.get("minimum", value):
            yield f"{path}{key} must not be less than {rule['minimum']}"
        if value > rule.get("maximum", value):
            yield f"{path}{key} must not be greater than {rule['maximum']}"


def _text(value: str, rule: Rule, path: str) -> Iterator[str]:
    if len(value) > rule.get("maxLength", len(value)):
        yield f"{path} must be shorter than or equal to {rule['maxLength']} characters"
    if len(value) < rule.get("minLength", 0):
        yield f"{path} must be longer than or equal to {rule['minLength']} characters"
    if "enum" in rule and value not in rule["enum"]:
        yield f"{path} must be one of the following values: {', '.join(rule['enum'])}"


def _missing(key: str, rule: Rule, path: str) -> Iterator[str]:
    if "enum" in rule:
        yield f"{path}{key} must be one of the following values: {', '.join(rule['enum'])}"
    elif "type" in rule:
        yield f"{path}{key} must be {TYPE_MESSAGES[rule['type']]}"
    else:
        yield f"{path}{key} should not be null or undefined"


def _is(value: object, json_type: str) -> bool:
    if isinstance(value, bool):
        return json_type == "boolean"
    return isinstance(value, JSON_TYPES[json_type])


def _may_be_null(name: str, key: str, value: Mapping[str, Any]) -> bool:
    """The content of a message is required and may be null."""
    return name == "OpenAIMessage" and key == "content" and key in value


def _legacy(name: str) -> frozenset[str]:
    if name == "Server":
        return LEGACY_OF_SERVER
    return LEGACY_OF_MODEL if name.endswith("Model") else frozenset()
