"""Scenarios that came from calls, as an optimizer may see them.

An importer takes out what is personal, and a reviewer may put it back in: a reply is corrected, a
name is pasted. What the optimizer is shown ends in feedback, in examples and in prompts that are
deployed, so it is taken out again, the same everywhere in the scenario.
"""

import re

from mission_control.core.personal_data.names import names_said
from mission_control.core.personal_data.redaction import redacted
from mission_control.core.playbook_parts import Check, Scenario

FROM_A_CALL = "call"  # a tag
CALL_ID = re.compile(r"call_(?:\d{8}|undated)_\d\d")


def is_from_a_call(scenario: Scenario) -> bool:
    """By its tag; those that were imported before there was one have their id."""
    return FROM_A_CALL in scenario.tags or CALL_ID.fullmatch(scenario.id) is not None


def without_personal_data(scenario: Scenario) -> Scenario:
    """One that came from a call with placeholders; one that somebody wrote as it is."""
    if not is_from_a_call(scenario):
        return scenario
    people = names_said([*scenario.input.values(), *scenario.expected.values()])

    def clean(text: str) -> str:
        return redacted(text, people)

    def checked(check: Check) -> Check:
        if check.kind == "regex":  # a pattern is no text that somebody said
            return check
        return check.model_copy(update={"values": [clean(value) for value in check.values]})

    return scenario.model_copy(
        update={
            "input": {name: clean(text) for name, text in scenario.input.items()},
            "expected": {name: clean(text) for name, text in scenario.expected.items()},
            "checks": [checked(check) for check in scenario.checks],
            "spoken_forms": {
                clean(value): [clean(form) for form in forms]
                for value, forms in scenario.spoken_forms.items()
            },
        }
    )
