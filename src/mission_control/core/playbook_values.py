"""Single values of a playbook, as YAML and JSON give them."""

from collections.abc import Mapping
from typing import Any, cast


def mapping_of(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]


def text_of(value: object) -> str | None:
    """A scalar as text; None for what is not one."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case _:
            return None


def scenario_list(spec: Mapping[str, Any]) -> tuple[str, object]:
    """Where the scenarios are. SuperOptiX reads `spec.scenarios` when the first place has none."""
    features = mapping_of(spec.get("feature_specifications")) or {}
    if features.get("scenarios") or "scenarios" not in spec:
        raw = features.get("scenarios")
        return "spec.feature_specifications.scenarios", [] if raw is None else raw
    return "spec.scenarios", spec["scenarios"]


def output_names(spec: Mapping[str, Any]) -> set[str]:
    outputs = spec.get("output_fields")
    fields = (
        [mapping_of(each) for each in cast("list[object]", outputs or [])]
        if isinstance(outputs, list | None)
        else []
    )
    return {str(each["name"]) for each in fields if each and "name" in each}
