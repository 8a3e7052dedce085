"""Whoever sends a playbook that cannot be used is told the field of each problem, and its rule."""

from collections.abc import Callable
from typing import Any

import pytest

from mission_control.core.playbook import (
    PlaybookInvalidError,
    parse_playbook,
    read_playbook,
    scenarios_in,
    split_of,
)
from mission_control.core.playbook_reading import MAX_PATTERN_CHARACTERS
from mission_control.core.safe_yaml import MAX_DEPTH, UnreadableYamlError, refuse_unstorable

Change = Callable[[dict[str, Any]], Any]
SCENARIOS = "spec.feature_specifications.scenarios"
FIRST = f"{SCENARIOS}[0]"


def playbook() -> dict[str, Any]:
    scenario = {
        "name": "price",
        "input": {"caller_says": "What is it?"},
        "expected_output": {"reply": "Five dollars"},
        "checks": [{"contains": "five"}],
    }
    return {
        "metadata": {"id": "ada", "name": "ADA"},
        "spec": {
            "prompt": "Be brief.",
            "output_fields": [{"name": "reply", "type": "str"}, {"name": "mood"}],
            "feature_specifications": {"scenarios": [scenario]},
        },
    }


def refused(data: dict[str, Any]) -> list[dict[str, str]]:
    with pytest.raises(PlaybookInvalidError) as caught:
        read_playbook(data)
    return caught.value.fields["errors"]  # type: ignore[return-value]


def of_scenario(**changes: Any) -> Change:
    return lambda data: data["spec"]["feature_specifications"]["scenarios"][0].update(changes)


def of_metadata(**changes: Any) -> Change:
    return lambda data: data["metadata"].update(changes)


def of_spec(**changes: Any) -> Change:
    return lambda data: data["spec"].update(changes)


REFUSED: list[tuple[Change, str, str]] = [
        (of_metadata(id="9a"), "metadata.id", "start with a letter"),
        (of_metadata(id=None), "metadata.id", "start with a letter"),
        (of_metadata(tags="a"), "metadata.tags", "list of texts"),
        (of_metadata(tags=["a", {}]), "metadata.tags", "list of texts"),
        (of_spec(prompt=" "), "spec.prompt", "text that says something"),
        (of_spec(first_message=7), "spec.first_message", "text that says something"),
        (of_spec(demonstrations={}), "spec.demonstrations", "must be a list"),
        (of_spec(demonstrations=[{"outputs": {"a": "b"}}]), "spec.demonstrations[0].inputs", "mapping"),
        (of_spec(demonstrations=[{"inputs": {"a": "b"}}]), "spec.demonstrations[0].outputs", "mapping"),
        (of_spec(language_model=[]), "spec.language_model", "must be a mapping"),
        (of_spec(language_model={"temperature": 2.1}), "spec.language_model.temperature", "0 to 2"),
        (of_spec(language_model={"temperature": True}), "spec.language_model.temperature", "0 to 2"),
        (of_spec(language_model={"max_tokens": 0}), "spec.language_model.max_tokens", "1 or more"),
        (of_spec(language_model={"max_tokens": 1_000_001}), "spec.language_model.max_tokens", "whole"),
        (of_spec(feature_specifications={"scenarios": {"a": 1}}), SCENARIOS, "list of scenarios"),
        (of_spec(feature_specifications={"scenarios": ["a"]}), FIRST, "is a mapping"),
        (of_scenario(name="a b"), f"{FIRST}.name", "only a-z, 0-9 and _"),
        (of_scenario(tags={"a": 1}), f"{FIRST}.tags", "list of texts"),
        (of_scenario(split="exam"), f"{FIRST}.split", "train, validation or test"),
        (of_scenario(anchor="yes"), f"{FIRST}.anchor", "true or false"),
        (of_scenario(draft=1), f"{FIRST}.draft", "true or false"),
        (of_scenario(input={}), f"{FIRST}.input", "not empty"),
        (of_scenario(input={"a": ["b"]}), f"{FIRST}.input.a", "must be text"),
        (of_scenario(expected_output="a"), f"{FIRST}.expected_output", "not empty"),
        (of_scenario(checks={"contains": "a"}), f"{FIRST}.checks", "must be a list"),
        (of_scenario(checks=[{}]), f"{FIRST}.checks[0]", "contains, excludes, exact, regex, judge"),
        (of_scenario(checks=[{"exact": "a", "regex": "a"}]), f"{FIRST}.checks[0]", "has one of"),
        (of_scenario(checks=[{"exact": "a", "more": 1}]), f"{FIRST}.checks[0]", "has one of"),
        (of_scenario(checks=[{"exact": "a", "field": "x"}]), f"{FIRST}.checks[0].field", "no output"),
        (of_scenario(checks=[{"contains": []}]), f"{FIRST}.checks[0].contains", "not empty"),
        (of_scenario(checks=[{"contains": ["a", " "]}]), f"{FIRST}.checks[0].contains", "not empty"),
        (of_scenario(checks=[{"exact": ["a", "b"]}]), f"{FIRST}.checks[0].exact", "one text"),
        (of_scenario(checks=[{"regex": "("}]), f"{FIRST}.checks[0].regex", "regular expression"),
        (
            of_scenario(checks=[{"regex": "a" * (MAX_PATTERN_CHARACTERS + 1)}]),
            f"{FIRST}.checks[0].regex",
            f"longer than {MAX_PATTERN_CHARACTERS}",
        ),
        (of_scenario(spoken_forms=["a"]), f"{FIRST}.spoken_forms", "values to their forms"),
        (of_scenario(spoken_forms={"5": [{}]}), f"{FIRST}.spoken_forms.5", "list of texts"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        pytest.param(*each, id=f"{number} {each[1].rpartition('.')[2]}")
        for number, each in enumerate(REFUSED)
    ],
)
def test_the_field_is_named(change: Change, field: str, rule: str) -> None:
    data = playbook()
    change(data)
    [error] = refused(data)
    assert error["field"] == field
    assert rule in error["message"]


@pytest.mark.parametrize(
    "change",
    [
        of_spec(language_model={"temperature": 2, "max_tokens": 1_000_000}),
        of_spec(language_model={"temperature": 0, "max_tokens": 1}),
        of_spec(language_model={"temperature": None, "max_tokens": None}),
        of_scenario(checks=[{"regex": "a" * MAX_PATTERN_CHARACTERS}]),
        of_scenario(checks=[{"exact": "a", "field": "mood"}, {"excludes": ["a", "b"]}]),
        of_scenario(checks=[], tags=[], split=None, spoken_forms={"5": "five"}),
    ],
    ids=["highest", "lowest", "nothing", "longest pattern", "fields and lists", "empty"],
)
def test_what_is_just_allowed_is_taken(change: Change) -> None:
    data = playbook()
    change(data)
    assert read_playbook(data).agent_id == "ada"


def test_each_section_is_asked_for() -> None:
    assert [error["field"] for error in refused({"spec": {}})] == ["metadata"]
    assert [error["field"] for error in refused({})] == ["metadata", "spec"]
    assert [error["field"] for error in refused([])] == ["yaml"]  # type: ignore[arg-type]


def test_two_of_one_name_are_told_where_the_second_is() -> None:
    data = playbook()
    data["spec"]["feature_specifications"]["scenarios"] *= 2
    assert [error["field"] for error in refused(data)] == [f"{SCENARIOS}[1].name"]


def test_text_stays_text_wherever_text_is_meant() -> None:
    parsed = parse_playbook(
        """
        metadata: {id: ada, name: on, description: yes, tags: [no, 07]}
        spec:
          prompt: 1e3
          demonstrations: [{inputs: {zip: 01234}, outputs: {reply: off}}]
          scenarios:
          - name: price
            description: 1.0
            input: {zip: 01234}
            expected_output: {reply: yes}
            checks: [{contains: [no, 010]}]
            spoken_forms: {05: [off]}
        """
    )
    assert (parsed.name, parsed.description, parsed.prompt) == ("on", "yes", "1e3")
    assert parsed.tags == ["no", "07"]
    [demonstration] = parsed.demonstrations
    assert (demonstration.inputs, demonstration.outputs) == ({"zip": "01234"}, {"reply": "off"})
    [scenario] = parsed.scenarios
    assert (scenario.description, scenario.input) == ("1.0", {"zip": "01234"})
    assert scenario.expected == {"reply": "yes"}
    assert scenario.checks[0].values == ["no", "010"]
    assert scenario.spoken_forms["05"] == ["off"]


def test_a_split_has_its_reviewed_scenarios_and_no_others() -> None:
    data = playbook()
    [one] = data["spec"]["feature_specifications"]["scenarios"]
    data["spec"]["feature_specifications"]["scenarios"] = [
        {**one, "name": f"n{number}", "draft": number == 0} for number in range(40)
    ]
    book = read_playbook(data)
    for split in ("train", "validation", "test"):
        found = scenarios_in("ada", book, split)
        assert {split_of("ada", each) for each in found} == {split}
        assert all(each.id != "n0" for each in found)
    assert (
        sum(len(scenarios_in("ada", book, each)) for each in ("train", "validation", "test")) == 39
    )


@pytest.mark.parametrize("kind", [list, dict])
def test_data_may_be_nested_as_deep_as_yaml(kind: type) -> None:
    def nested(levels: int) -> Any:
        data: Any = "text"
        for _ in range(levels):
            data = [data] if kind is list else {"a": data}
        return data

    refuse_unstorable(nested(MAX_DEPTH - 1))
    with pytest.raises(UnreadableYamlError, match=f"{MAX_DEPTH}"):
        refuse_unstorable(nested(MAX_DEPTH + 1))


def test_what_cannot_be_read_says_so_as_its_text_too() -> None:
    error = UnreadableYamlError("Line 3: a tag is not allowed here.", field="prompt")
    assert (str(error), error.message, error.field) == (error.message, error.message, "prompt")
