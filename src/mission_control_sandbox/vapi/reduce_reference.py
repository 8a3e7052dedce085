"""Reduces Vapi's OpenAPI document to what the stand-in checks: names, types, limits and tags.

`python -m mission_control_sandbox.vapi.reduce_reference openapi.json` rewrites `reference.json`.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

Schema = dict[str, Any]

ROOTS = (
    "CreateAssistantDTO",
    "CreateCallDTO",
    "UpdateCallDTO",
    "DeleteCallDTO",
    "CreateChatDTO",
    "CreateSessionDTO",
    "UpdateSessionDTO",
    *(
        f"{verb}{provider}PhoneNumberDTO"
        for verb in ("Create", "Update")
        for provider in ("Byo", "Telnyx", "Twilio", "Vapi", "Vonage")
    ),
)
TARGET = Path(__file__).with_name("reference.json")
LIMITS = ("minimum", "maximum", "minLength", "maxLength")
TAGS = ("provider", "type", "kind")  # what tells the variants of a union apart
# Whole worlds of their own that no prompt touches; they are accepted as they come.
NOT_CHECKED = frozenset(
    {
        "credentials",
        "workflow",
        "workflowOverrides",
        "squad",
        "squadOverrides",
        "tools:append",
        "destinations",
        "fallbackDestination",
        "fallbackPlan",
        "hooks",
        "structuredOutputs",
    }
)
LARGEST_ENUM = 12  # longer ones (models, languages) grow every week


def reduce_reference(openapi: Schema) -> dict[str, Schema]:
    """The schemas that the bodies of requests are made of, by name."""
    schemas: dict[str, Schema] = openapi["components"]["schemas"]
    reduced: dict[str, Schema] = {}
    waiting = [*ROOTS]
    while waiting:
        name = waiting.pop()
        if name not in reduced:
            reduced[name] = _object(schemas[name], schemas)
            waiting += sorted(_references(reduced[name]))
    return dict(sorted(reduced.items()))


def _object(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    if "properties" not in schema or schema.get("additionalProperties"):
        return {}
    rules = {
        name: {} if name in NOT_CHECKED else _rule(value, schemas)
        for name, value in schema["properties"].items()
    }
    return {"required": sorted(schema.get("required", [])), "properties": rules}


def _rule(schema: Schema, schemas: dict[str, Schema]) -> Schema:
    alternatives = schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf")
    if "$ref" in schema:
        return {"ref": _name(schema)}
    if alternatives:
        return _union(alternatives, schemas)
    rule = {key: schema[key] for key in ("type", *LIMITS) if key in schema}
    if rule.get("type") == "object" and "enum" in schema:
        return {}  # a slip in the document: it is a text
    if rule.get("type") == "string" and len(schema.get("enum", [])) <= LARGEST_ENUM:
        rule |= {key: schema[key] for key in ("enum",) if key in schema}
    if rule.get("type") == "array" and "items" in schema:
        rule["items"] = _rule(schema["items"], schemas)
    return rule


def _union(alternatives: list[Schema], schemas: dict[str, Schema]) -> Schema:
    if not all("$ref" in one for one in alternatives):
        return {}
    names = list(dict.fromkeys(map(_name, alternatives)))
    if len(names) == 1:
        return {"ref": names[0]}
    for tag in TAGS:
        values = [_only_value(schemas[name], tag) for name in names]
        if None not in values and len(set(values)) == len(values):
            return {"tag": tag, "of": dict(zip(values, names, strict=True))}
    return {}


def _only_value(schema: Schema, tag: str) -> str | None:
    allowed = schema.get("properties", {}).get(tag, {}).get("enum", [])
    return allowed[0] if len(allowed) == 1 else None


def _name(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def _references(rule: object) -> Iterator[str]:
    if isinstance(rule, dict):
        values = cast("Schema", rule)
        if isinstance(values.get("ref"), str):
            yield values["ref"]
        if isinstance(values.get("tag"), str) and isinstance(values.get("of"), dict):
            yield from values["of"].values()
        for value in values.values():
            yield from _references(value)


def main() -> None:
    document = Path(sys.argv[1]).read_bytes()
    schemas = reduce_reference(json.loads(document))
    lines = [
        f"    {json.dumps(name)}: {json.dumps(schema, separators=(',', ':'))}"
        for name, schema in schemas.items()
    ]
    digest = hashlib.sha256(document).hexdigest()
    TARGET.write_text(
        "{\n"
        '  "source": "VapiAI/docs fern/apis/api/openapi.json",\n'
        f'  "sha256": "{digest}",\n'
        '  "schemas": {\n' + ",\n".join(lines) + "\n  }\n}\n"
    )


if __name__ == "__main__":
    main()
