"""Custom fields of leads: what they are, and how a change to a lead is said so that nothing is lost."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from mission_control.integrations.close.errors import (
    LeadChoiceUnknownError,
    LeadFieldAmbiguousError,
    LeadFieldHoldsOneError,
    LeadFieldHoldsSeveralError,
    LeadFieldUnknownError,
)
from mission_control.integrations.close.objects import JsonObject, moment

PREFIX = "custom."
OPERATIONS = ("add", "remove", "replace")


@dataclass(frozen=True, slots=True)
class CustomField:
    id: str
    name: str
    type: str
    accepts_multiple: bool
    choices: tuple[str, ...]
    position: int

    @classmethod
    def of(cls, definition: JsonObject, position: int) -> "CustomField":
        choices = definition.get("choices")
        return cls(
            id=str(definition["id"]),
            name=str(definition.get("name") or definition["id"]),
            type=str(definition.get("type") or "unknown"),
            accepts_multiple=definition.get("accepts_multiple_values") is True,
            choices=tuple(str(one) for one in choices) if isinstance(choices, list) else (),
            position=position,
        )


@dataclass(frozen=True, slots=True)
class LeadChange:
    """`patch` is the body of the PUT."""

    patch: JsonObject

    def is_in(self, lead: JsonObject) -> bool:
        """Whether the lead, as read back, shows all of it."""
        return all(_shows(lead, key, wanted) for key, wanted in self.patch.items())


def has_custom(data: Mapping[str, JsonValue]) -> bool:
    return any(key == "custom" or key.startswith(PREFIX) for key in data)


def change_of(data: Mapping[str, JsonValue], fields: Sequence[CustomField]) -> LeadChange:
    """What to send for `data`: Close's own keys, `custom.…` keys, and `custom` by id or name.

    Raises:
        LeadFieldUnknownError: Close has no field with this id or name.
        LeadFieldAmbiguousError: Several fields have this name.
        LeadFieldHoldsSeveralError: A plain value for a field that holds several.
        LeadFieldHoldsOneError: An operation on a field that holds one.
        LeadChoiceUnknownError: A value that is not among the field's choices.
    """
    patch: JsonObject = {}
    for key, value in data.items():
        if key == "custom" and isinstance(value, dict):
            for named, inner in value.items():
                patch |= _of_field(field_named(named.removeprefix(PREFIX), fields), named, inner)
        elif key.startswith(PREFIX):
            patch |= _of_literal(key.removeprefix(PREFIX), value, fields)
        else:
            patch[key] = value
    return LeadChange(patch)


def field_named(named: str, fields: Sequence[CustomField]) -> CustomField:
    """The field with this id, or else with exactly this name.

    Raises:
        LeadFieldUnknownError: There is none.
        LeadFieldAmbiguousError: Several have the name.
    """
    found = [field for field in fields if field.id == named]
    found = found or [field for field in fields if field.name == named]
    if not found:
        raise LeadFieldUnknownError(named, [field.name for field in fields])
    if len(found) > 1:
        raise LeadFieldAmbiguousError(named, [field.id for field in found])
    return found[0]


def _of_literal(named: str, value: JsonValue, fields: Sequence[CustomField]) -> JsonObject:
    """`custom.cf_….add` says the same as `{"add": …}`, unless a field has such a name."""
    stem, _, operation = named.rpartition(".")
    if operation in {"add", "remove"} and any(stem in {one.id, one.name} for one in fields):
        return _of_field(field_named(stem, fields), stem, {operation: value})
    return _of_field(field_named(named, fields), named, value)


def _of_field(field: CustomField, named: str, value: JsonValue) -> JsonObject:
    key = f"{PREFIX}{field.id}"
    if value is None:
        return {key: None}
    if not field.accepts_multiple:
        if isinstance(value, dict | list):
            raise LeadFieldHoldsOneError(named)
        _check_choice(field, named, [value])
        return {key: value}
    return {f"{key}{suffix}": inner for suffix, inner in _operations(field, named, value).items()}


def _operations(field: CustomField, named: str, value: JsonValue) -> dict[str, JsonValue]:
    """By the suffix of the key that says it to Close."""
    if not isinstance(value, dict) or not value or not value.keys() <= set(OPERATIONS):
        raise LeadFieldHoldsSeveralError(named)
    if "replace" in value:
        values = value["replace"]
        if len(value) > 1 or not isinstance(values, list):
            raise LeadFieldHoldsSeveralError(named)
        _check_choice(field, named, values)
        return {"": values}
    if any(isinstance(inner, dict | list) or inner is None for inner in value.values()):
        raise LeadFieldHoldsSeveralError(named)
    if "add" in value:
        _check_choice(field, named, [value["add"]])
    return {f".{operation}": inner for operation, inner in value.items()}


def _check_choice(field: CustomField, named: str, values: Sequence[JsonValue]) -> None:
    if field.type == "choices" and any(value not in field.choices for value in values):
        raise LeadChoiceUnknownError(named, field.choices)


# -------------------------------------------------------------------- reading back


def _shows(lead: JsonObject, key: str, wanted: JsonValue) -> bool:
    base, _, operation = key.rpartition(".")
    if base.startswith(PREFIX) and operation in {"add", "remove"}:
        has = any(_same(one, wanted) for one in _values(lead.get(base)))
        return has if operation == "add" else not has
    return _same(lead.get("status_label" if key == "status" else key), wanted)


def _values(stored: JsonValue) -> list[JsonValue]:
    if isinstance(stored, list):
        return stored
    return [] if stored is None else [stored]


def _same(stored: JsonValue, wanted: JsonValue) -> bool:
    """Close spells some values in its own way: 5 as 5.0, a time with another offset."""
    if wanted in (None, "", []):
        return stored in (None, "", [])
    match stored, wanted:
        case list(), list():
            return len(stored) == len(wanted) and all(
                any(_same(one, other) for one in stored) for other in wanted
            )
        case ((int() | float()), (int() | float())):
            return math.isclose(stored, wanted)
        case str(), str():
            at = moment(stored)
            return stored.strip() == wanted.strip() or (at is not None and at == moment(wanted))
        case _:
            return stored == wanted
