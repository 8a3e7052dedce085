"""How a change to a lead is said to Close, and known by reading it back."""

from typing import Any

import pytest

from mission_control.integrations.close.fields import CustomField, change_of

FIELDS = [
    CustomField(f"{prefix}_{kind}", f"{prefix} {kind}", "text", kind == "Multi", (), 0)
    for prefix in ("cf", "lcf", "xyz")
    for kind in ("Multi", "One")
]


@pytest.mark.parametrize("prefix", ["cf", "lcf", "xyz"])
@pytest.mark.parametrize(
    ("operation", "before", "after"),
    [
        ({"remove": "Fleet"}, ["Cargo", "Fleet"], ["Cargo"]),
        ({"remove": "Fleet"}, ["Fleet"], None),
        ({"add": "Fleet"}, ["Cargo"], ["Cargo", "Fleet"]),
        ({"add": "Fleet"}, None, "Fleet"),
        ({"replace": ["Fleet"]}, ["Cargo"], ["Fleet"]),
    ],
)
def test_a_change_of_several_values_is_known_by_reading_back(
    prefix: str, operation: Any, before: Any, after: Any
) -> None:
    change = change_of({"custom": {f"{prefix} Multi": operation}}, FIELDS)
    key = f"custom.{prefix}_Multi"
    assert not change.is_in({"id": "lead_1", key: before})
    assert change.is_in({"id": "lead_1", key: after})


@pytest.mark.parametrize("prefix", ["cf", "lcf", "xyz"])
def test_a_single_value_too(prefix: str) -> None:
    change = change_of({"custom": {f"{prefix}_One": "add"}}, FIELDS)
    assert change.patch == {f"custom.{prefix}_One": "add"}
    assert change.is_in({f"custom.{prefix}_One": "add"})
    assert not change.is_in({f"custom.{prefix}_One": "remove"})
