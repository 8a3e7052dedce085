"""The playbooks that ship: enough scenarios, well spread, and model answers that pass their own checks."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from mission_control.core.playbook import Playbook, parse_playbook, split_of
from mission_control.core.playbook_parts import Check

AGENTS = Path(__file__).parents[2] / "agents"


@pytest.fixture(params=["remus", "genesis", "scout"])
def playbook(request: pytest.FixtureRequest) -> Playbook:
    found = parse_playbook((AGENTS / f"{request.param}.yaml").read_text())
    assert found.agent_id == request.param
    return found


def says(text: str, value: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(value.lower())}(?!\w)", text.lower()) is not None


def passes(check: Check, text: str) -> bool:
    """The checks on text; a judge needs a model and is measured elsewhere."""
    match check.kind:
        case "contains":
            return all(says(text, value) for value in check.values)
        case "excludes":
            return not any(says(text, value) for value in check.values)
        case "regex":
            return re.search(check.values[0], text) is not None
        case kind:
            return kind == "judge"


def test_every_agent_has_enough_to_measure_with(playbook: Playbook) -> None:
    splits = [split_of(playbook.agent_id, each) for each in playbook.scenarios]

    assert len(splits) >= 48
    assert splits.count("train") >= 20
    assert splits.count("validation") >= 12
    assert splits.count("test") >= 16
    assert sum(each.anchor for each in playbook.scenarios) >= 4


def test_every_subject_is_learned_tried_and_examined_in_other_words(playbook: Playbook) -> None:
    subjects: dict[str, set[str]] = defaultdict(set)
    for each in playbook.scenarios:
        subjects[each.tags[0]].add(split_of(playbook.agent_id, each))

    assert all(splits == {"train", "validation", "test"} for splits in subjects.values()), subjects
    said = [text.lower() for each in playbook.scenarios for text in each.input.values()]
    assert len(set(said)) == len(said)


def test_every_model_answer_passes_the_checks_beside_it(playbook: Playbook) -> None:
    for scenario in playbook.scenarios:
        (wanted,) = scenario.expected.values()
        failed = [check for check in scenario.checks if not passes(check, wanted)]
        assert failed == [], scenario.id


def test_model_answers_are_one_spoken_sentence(playbook: Playbook) -> None:
    """SuperOptiX's score compares word by word: punctuation that is not spoken would cost points."""
    for scenario in playbook.scenarios:
        (wanted,) = scenario.expected.values()
        assert not re.search(r"[-\"“”!?;:\n]|\.\s|\.$", wanted), scenario.id
        assert 5 <= len(wanted.split()) <= 40, scenario.id


def test_anchors_demand_something(playbook: Playbook) -> None:
    assert all(
        any(check.kind in {"contains", "regex"} for check in scenario.checks)
        for scenario in playbook.scenarios
        if scenario.anchor
    )
