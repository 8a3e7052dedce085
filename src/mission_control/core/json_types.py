"""JSON as Python has it, where its shape is not known."""

from pydantic import JsonValue

JsonObject = dict[str, JsonValue]
