"""The inputs and outputs that a playbook declares, read as data and allowed by name and type."""

import keyword
import re
from dataclasses import dataclass
from typing import Any, cast

import dspy

from engine_host import vendor
from engine_host.errors import EngineFailure

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ATOM = r"(?:str|int|float|bool)"
_TYPE = re.compile(rf"{_ATOM}|list|dict|list\[{_ATOM}\]|dict\[str, {_ATOM}\]")
_BREAKS_GENERATED_CODE = {"self", "dspy", "super", "str", "int", "float", "bool", "list", "dict"}
_MEANS_SOMETHING_TO_DSPY = {"base", "config", "demos", "lm", "new_signature", "prediction", "trace"}
_MOST_FIELDS = 32


@dataclass(frozen=True)
class Field:
    """One input or output of a program; `default=None` means that a value must be given."""

    name: str
    type: str
    description: str
    default: str | None = None


def mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def field_name(name: str) -> str:
    """The name a field has in the compiled program; SuperOptiX snake-cases what the playbook says."""
    return vendor.snake_case(name)


def read(spec: dict[str, Any], warnings: list[str]) -> tuple[list[Field], list[Field]]:
    """Inputs and outputs as SuperOptiX would resolve them, refusing what could not work."""
    try:
        inputs, outputs = vendor.signature_fields(spec)
    except (TypeError, AttributeError, ValueError, RecursionError) as error:
        raise EngineFailure(
            "playbook", "The declared input or output fields cannot be read."
        ) from error
    found = (
        [_field(item, warnings) for item in inputs] or [Field("query", "str", "User query")],
        [_field(item, warnings) for item in outputs]
        or [Field("response", "str", "Generated response")],
    )
    names = [field.name for side in found for field in side]
    for name in names:
        if names.count(name) > 1:
            raise EngineFailure(
                "playbook", f"The field {name!r} is declared twice; names must be unique."
            )
    if len(names) > _MOST_FIELDS:
        raise EngineFailure("playbook", f"The playbook declares more than {_MOST_FIELDS} fields.")
    return found


def _field(item: dict[str, Any], warnings: list[str]) -> Field:
    name, kind = str(item["name"]), str(item["dspy_type"])
    reason = _why_refused(name)
    if reason:
        raise EngineFailure("playbook", f"The field name {name[:40]!r} cannot be used: {reason}.")
    if not _TYPE.fullmatch(kind):
        warnings.append(f"The type of field {name} is not supported here; it is read as text.")
        kind = "str"
    return Field(name, kind, str(item["description"]), _default(item))


def _default(item: dict[str, Any]) -> str | None:
    if item.get("default") is not None:
        return str(item["default"])
    return None if item.get("required", True) else ""


def _why_refused(name: str) -> str | None:
    if not _NAME.fullmatch(name):
        return "it must be a short lower-case identifier"
    if keyword.iskeyword(name) or name in _BREAKS_GENERATED_CODE:
        return "it is a word of the Python language"
    if name in _MEANS_SOMETHING_TO_DSPY or any(hasattr(owner, name) for owner in _owners()):
        return "DSPy uses it for something else"
    return None


def _owners() -> tuple[object, ...]:
    return dspy.Signature, dspy.Example, dspy.Prediction
