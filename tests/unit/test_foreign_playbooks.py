"""A playbook from a marketplace is made regular: what is nested becomes text, names stay apart."""

from typing import Any

import pytest

from mission_control.core.foreign_playbooks import agent_slug, make_regular


def regular(scenarios: Any, **metadata: Any) -> dict[str, Any]:
    data = {"metadata": metadata, "spec": {"scenarios": scenarios}}
    make_regular(data)
    return data


def test_what_goes_in_and_what_is_expected_become_text() -> None:
    fields = {"text": "Hi", "count": 3, "is_on": True, "list": ["ä"], "nothing": None}
    [scenario] = regular([{"name": "a", "input": fields, "expected_output": fields}])["spec"][
        "scenarios"
    ]
    as_text = {"text": "Hi", "count": "3", "is_on": "true", "list": '["ä"]', "nothing": ""}
    assert (scenario["input"], scenario["expected_output"]) == (as_text, as_text)


def test_equal_names_are_counted_and_what_has_none_gets_its_place() -> None:
    names = ["Price!", "price", "price", None, "x" * 120]
    scenarios = regular([{"name": name} for name in names])["spec"]["scenarios"]
    assert [each["name"] for each in scenarios] == [
        "price", "price_2", "price_3", "scenario_4", "x" * 100,
    ]  # fmt: skip


@pytest.mark.parametrize("scenarios", [None, "a", ["a", 7, None]])
def test_what_is_no_scenario_is_left_for_the_reader_to_refuse(scenarios: Any) -> None:
    assert regular(scenarios)["spec"]["scenarios"] == scenarios


@pytest.mark.parametrize(
    ("metadata", "agent_id"),
    [
        ({"id": "sales-bot", "name": "Other"}, "sales-bot"),
        ({"name": "Sales Bot"}, "sales_bot"),
        ({"id": "", "name": "7 Bots"}, "agent_7_bots"),
        ({}, "agent"),
    ],
    ids=["its id", "its name", "a number first", "nothing"],
)
def test_an_agent_is_named_by_its_id_else_by_its_name(
    metadata: dict[str, Any], agent_id: str
) -> None:
    assert regular([], **metadata)["metadata"]["id"] == agent_id


def test_an_id_is_never_too_long() -> None:
    assert agent_slug("Ä" + "b" * 99) == "a" + "b" * 63
