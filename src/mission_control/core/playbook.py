"""What a SuperSpec playbook says: its prompt, its model, its scenarios and its identity."""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from mission_control.core import safe_yaml
from mission_control.core.counting import counted
from mission_control.core.errors import NotAcceptableError
from mission_control.core.foreign_playbooks import make_regular
from mission_control.core.playbook_parts import Demonstration, Playbook, Scenario, Split
from mission_control.core.playbook_reading import PlaybookReading
from mission_control.core.safe_yaml import UnreadableYamlError


class PlaybookInvalidError(NotAcceptableError):
    """The playbook cannot be used as it is. `errors` names every field that is wrong."""

    code = "playbook_invalid"
    field = "playbook"


def parse_playbook(text: str, *, lenient: bool = False) -> Playbook:
    """Read YAML. Raises PlaybookInvalidError with `errors`.

    `lenient` is for the marketplace: ids become slugs, equal ones are kept apart by a suffix, and
    nested inputs become JSON text. What it returns is valid without leniency.
    """
    return read_playbook(_loaded(text, is_text=_is_text), lenient=lenient)


@lru_cache(maxsize=64)  # YAML takes 20 ms to read, and a version never changes
def read_stored(text: str) -> Playbook:
    """Read the canonical YAML of a version, which has the values that its author got then.

    Whoever asks again gets the same playbook: change none, copy it.
    """
    return read_playbook(_loaded(text))


def _loaded(text: str, is_text: Callable[[safe_yaml.Path], bool] = lambda _: False) -> object:
    try:
        return safe_yaml.load(text, is_text=is_text)
    except UnreadableYamlError as exc:
        raise _invalid([{"field": exc.field, "message": exc.message}]) from None


def _is_text(path: safe_yaml.Path) -> bool:
    """Where a playbook holds text: `contains: yes` looks for "yes", and a ZIP code keeps its zero."""
    match path:
        case ("metadata", *_) | ("spec", "prompt" | "first_message" | "persona", *_):
            return True
        case ("spec", "tasks", _, "name" | "instruction"):
            return True
        case ("spec", "demonstrations", _, "inputs" | "outputs", _):
            return True
        case ("spec", "feature_specifications", "scenarios", _, *place) | (
            "spec", "scenarios", _, *place,
        ):  # fmt: skip
            return _is_text_of_scenario(place)
        case _:
            return False


def _is_text_of_scenario(place: Sequence[str | int]) -> bool:
    match place:
        case ["name" | "description" | "split"] | ["tags", _]:
            return True
        case ["input" | "expected_output", _]:
            return True
        case ["checks", _, *_] | ["spoken_forms", *_]:
            return True
        case _:
            return False


def read_playbook(data: object, *, lenient: bool = False) -> Playbook:
    """The same for a playbook that is data already (it came as JSON)."""
    try:
        safe_yaml.refuse_unstorable(data)
    except UnreadableYamlError as exc:
        raise _invalid([{"field": exc.field, "message": exc.message}]) from None
    reading = PlaybookReading()
    if not reading.has_its_sections(data):
        raise _invalid(reading.errors)
    content = cast("dict[str, Any]", copy.deepcopy(data))
    if lenient:
        make_regular(content)
    playbook = reading.playbook(content)
    if playbook is None:
        raise _invalid(reading.errors)
    return playbook


def prompt_of(data: Mapping[str, Any]) -> str | None:
    """The prompt as data, or None: SuperOptiX composes it from persona and first task."""
    return data["spec"].get("prompt")


def demonstrations_of(data: Mapping[str, Any]) -> list[Demonstration]:
    return PlaybookReading().demonstrations(data["spec"])


def scenarios_of(data: Mapping[str, Any]) -> list[Scenario]:
    """The scenarios of an accepted playbook, in the author's order, each with at least one check."""
    return PlaybookReading().scenarios(data["spec"])


def with_prompt(
    data: Mapping[str, Any], prompt: str, demonstrations: Sequence[Demonstration] = ()
) -> dict[str, Any]:
    """A copy with this prompt and these demonstrations in place of those it had."""
    changed = copy.deepcopy(dict(data))
    changed["spec"]["prompt"] = prompt
    changed["spec"].pop("demonstrations", None)
    if demonstrations:
        changed["spec"]["demonstrations"] = [each.model_dump() for each in demonstrations]
    return changed


def split_of(agent_id: str, scenario: Scenario) -> Split:
    """The declared split; else half train, a quarter validation, a quarter test, for ever the same."""
    if scenario.split is not None:
        return scenario.split
    digest = hashlib.sha256(f"{agent_id}/{scenario.id}".encode()).digest()
    share = int.from_bytes(digest[:8]) / 2**64
    return "train" if share < 0.5 else "validation" if share < 0.75 else "test"


def scenarios_in(agent_id: str, playbook: Playbook, split: Split) -> list[Scenario]:
    """The reviewed scenarios of a split."""
    return [each for each in playbook.reviewed if split_of(agent_id, each) == split]


def _invalid(errors: list[dict[str, str]]) -> PlaybookInvalidError:
    count = counted(len(errors), "problem")
    first = f"{errors[0]['field']}: {errors[0]['message']}"
    return PlaybookInvalidError(
        f"The playbook has {count} and nothing was saved. Correct it and send it again. {first}",
        errors=errors,
    )
