"""What a SuperSpec playbook says: its prompt, its model, its scenarios and its identity."""

import copy
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict

from mission_control.core import safe_yaml
from mission_control.core.errors import NotAcceptableError
from mission_control.core.safe_yaml import UnreadableYamlError
from mission_control_protocol.spelling import has_no_spaces

CheckKind = Literal["contains", "excludes", "exact", "regex", "judge", "superoptix"]
Split = Literal["train", "validation", "test"]

AGENT_ID = re.compile(r"[a-z][a-z0-9_-]{0,63}")
SCENARIO_ID = re.compile(r"[a-z0-9_]{1,120}")
MAX_PATTERN_CHARACTERS = 500

_SPLITS: tuple[Split, ...] = get_args(Split)
_DECLARED_KINDS: tuple[CheckKind, ...] = ("contains", "excludes", "exact", "regex", "judge")
_LISTED_KINDS = ("contains", "excludes")


class PlaybookInvalidError(NotAcceptableError):
    """The playbook cannot be used as it is. `errors` names every field that is wrong."""

    code = "playbook_invalid"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Check(_Part):
    """One condition on an answer. `contains` needs all values, `excludes` none of them."""

    kind: CheckKind
    values: list[str]
    field: str | None = None  # None: every expected field together


class Scenario(_Part):
    """One case. `split=None`: decided by `split_of`. `anchor`: it may never break.

    `draft`: nobody has said yet that what it expects is right, so nothing is measured by it.
    """

    id: str
    description: str
    tags: list[str]
    split: Split | None
    anchor: bool
    draft: bool = False
    input: dict[str, str]
    expected: dict[str, str]
    checks: list[Check]
    spoken_forms: dict[str, list[str]] = {}  # of a value: {"$49": ["forty nine dollars"]}


class Demonstration(_Part):
    inputs: dict[str, str]
    outputs: dict[str, str]


class LanguageModel(_Part):
    """What the playbook asks for; None where it leaves the choice to the settings."""

    provider: str | None
    model: str | None
    temperature: float | None
    max_tokens: int | None


class Playbook(_Part):
    """A playbook that can be used. `data` is what is stored, `hash` is what identifies it."""

    data: dict[str, Any]
    hash: str
    agent_id: str
    name: str
    description: str
    tags: list[str]
    prompt: str | None
    first_message: str | None  # what a phone bot says first; None leaves what the target has
    demonstrations: list[Demonstration]
    language_model: LanguageModel
    scenarios: list[Scenario]

    @property
    def reviewed(self) -> list[Scenario]:
        """The scenarios that count: all but the drafts."""
        return [each for each in self.scenarios if not each.draft]


# SuperOptiX's own lexical score decides where an author declared nothing.
UNDECLARED = Check(kind="superoptix", values=[])


def parse_playbook(text: str, *, lenient: bool = False) -> Playbook:
    """Read YAML. Raises PlaybookInvalidError with `errors`.

    `lenient` is for the marketplace: ids become slugs, equal ones are kept apart by a suffix, and
    nested inputs become JSON text. What it returns is valid without leniency.
    """
    return read_playbook(_loaded(text, is_text=_is_text), lenient=lenient)


def read_stored(text: str) -> Playbook:
    """Read the canonical YAML of a version, which has the values that its author got then."""
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
    reading = _Reading()
    if not reading.has_its_sections(data):
        raise _invalid(reading.errors)
    content = cast("dict[str, Any]", copy.deepcopy(data))
    if lenient:
        _make_regular(content)
    playbook = reading.playbook(content)
    if playbook is None:
        raise _invalid(reading.errors)
    return playbook


def canonical_yaml(data: Mapping[str, Any]) -> str:
    """The one text of this content, whatever the order in which it was written."""
    return safe_yaml.dump(dict(data))


def content_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical YAML, as hex."""
    return hashlib.sha256(canonical_yaml(data).encode()).hexdigest()


def prompt_of(data: Mapping[str, Any]) -> str | None:
    """The prompt as data, or None: SuperOptiX composes it from persona and first task."""
    return data["spec"].get("prompt")


def demonstrations_of(data: Mapping[str, Any]) -> list[Demonstration]:
    return _Reading().demonstrations(data["spec"])


def scenarios_of(data: Mapping[str, Any]) -> list[Scenario]:
    """The scenarios of an accepted playbook, in the author's order, each with at least one check."""
    return _Reading().scenarios(data["spec"])


def language_model_of(data: Mapping[str, Any]) -> LanguageModel:
    return _Reading().language_model(data["spec"])


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
    count = "1 problem" if len(errors) == 1 else f"{len(errors)} problems"
    first = f"{errors[0]['field']}: {errors[0]['message']}"
    return PlaybookInvalidError(
        f"The playbook has {count} and nothing was saved. Correct it and send it again. {first}",
        errors=errors,
    )


class _Reading:
    """One pass over a playbook that collects everything that is wrong, not only the first."""

    def __init__(self) -> None:
        self.errors: list[dict[str, str]] = []

    def playbook(self, data: dict[str, Any]) -> Playbook | None:
        metadata, spec = data["metadata"], data["spec"]
        agent_id = self._agent_id(metadata)
        prompt = self._text_that_says_something(spec, "prompt")
        first_message = self._text_that_says_something(spec, "first_message")
        demonstrations = self.demonstrations(spec)
        language_model = self.language_model(spec)
        scenarios = self.scenarios(spec)
        tags = self._texts(metadata.get("tags"), "metadata.tags")
        if self.errors:
            return None
        return Playbook(
            data=data,
            hash=content_hash(data),
            agent_id=agent_id,
            name=_text(metadata.get("name")) or agent_id,
            description=_text(metadata.get("description")) or "",
            tags=tags,
            prompt=prompt,
            first_message=first_message,
            demonstrations=demonstrations,
            language_model=language_model,
            scenarios=scenarios,
        )

    def has_its_sections(self, data: object) -> bool:
        playbook = _mapping(data)
        if playbook is None:
            self._refuse("yaml", "A playbook is a mapping with `metadata` and `spec`.")
            return False
        for section in ("metadata", "spec"):
            if _mapping(playbook.get(section)) is None:
                self._refuse(section, "This section is missing, or is not a mapping.")
        return not self.errors

    def scenarios(self, spec: Mapping[str, Any]) -> list[Scenario]:
        where, raw = _scenario_list(spec)
        if not isinstance(raw, list):
            self._refuse(where, "It must be a list of scenarios.")
            return []
        found: list[Scenario] = []
        seen: set[str] = set()
        for index, item in enumerate(cast("list[object]", raw)):
            scenario = self._scenario(item, f"{where}[{index}]", _output_names(spec))
            if scenario is None:
                continue
            if scenario.id in seen:
                self._refuse(f"{where}[{index}].name", "Another scenario has this name.")
            seen.add(scenario.id)
            found.append(scenario)
        return found

    def demonstrations(self, spec: Mapping[str, Any]) -> list[Demonstration]:
        raw = spec.get("demonstrations", [])
        if not isinstance(raw, list):
            self._refuse("spec.demonstrations", "It must be a list.")
            return []
        found: list[Demonstration] = []
        for index, item in enumerate(cast("list[object]", raw)):
            where = f"spec.demonstrations[{index}]"
            pair = _mapping(item) or {}
            inputs = self._fields(pair.get("inputs"), f"{where}.inputs")
            outputs = self._fields(pair.get("outputs"), f"{where}.outputs")
            found.append(Demonstration(inputs=inputs, outputs=outputs))
        return found

    def language_model(self, spec: Mapping[str, Any]) -> LanguageModel:
        raw = _mapping(spec.get("language_model", {}))
        if raw is None:
            self._refuse("spec.language_model", "It must be a mapping.")
            raw = {}
        return LanguageModel(
            provider=_text(raw.get("provider")) or None,
            model=_text(raw.get("model")) or None,
            temperature=self._number(raw, "temperature", lowest=0, highest=2),
            max_tokens=self._whole_number(raw, "max_tokens"),
        )

    # ---------------------------------------------------------------- parts

    def _agent_id(self, metadata: Mapping[str, Any]) -> str:
        agent_id = metadata.get("id")
        if isinstance(agent_id, str) and AGENT_ID.fullmatch(agent_id):
            return agent_id
        self._refuse(
            "metadata.id",
            "It must start with a letter and hold only a-z, 0-9, _ and -; 64 characters at most.",
        )
        return ""

    def _text_that_says_something(self, spec: Mapping[str, Any], name: str) -> str | None:
        text = spec.get(name)
        if text is None or (isinstance(text, str) and text.strip()):
            return text
        self._refuse(f"spec.{name}", "It must be text that says something, or be left out.")
        return None

    def _scenario(self, raw: object, where: str, outputs: set[str]) -> Scenario | None:
        scenario = _mapping(raw)
        if scenario is None:
            self._refuse(where, "A scenario is a mapping.")
            return None
        before = len(self.errors)
        name = scenario.get("name")
        if not (isinstance(name, str) and SCENARIO_ID.fullmatch(name)):
            self._refuse(
                f"{where}.name", "It must hold only a-z, 0-9 and _; 120 characters at most."
            )
        expected = self._fields(scenario.get("expected_output"), f"{where}.expected_output")
        content = {
            "id": name,
            "description": _text(scenario.get("description")) or "",
            "tags": self._texts(scenario.get("tags"), f"{where}.tags"),
            "split": self._split(scenario, where),
            "anchor": self._flag(scenario, "anchor", where),
            "draft": self._flag(scenario, "draft", where),
            "input": self._fields(scenario.get("input"), f"{where}.input"),
            "expected": expected,
            "checks": self._checks(scenario, where, {*expected, *outputs}),
            "spoken_forms": self._spoken_forms(scenario, where),
        }
        return Scenario.model_validate(content) if len(self.errors) == before else None

    def _split(self, scenario: Mapping[str, Any], where: str) -> Split | None:
        split = scenario.get("split")
        if split in _SPLITS:
            return split
        if split is not None:
            self._refuse(f"{where}.split", "It must be train, validation or test, or be left out.")
        return None

    def _flag(self, scenario: Mapping[str, Any], name: str, where: str) -> bool:
        flag = scenario.get(name, False)
        if not isinstance(flag, bool):
            self._refuse(f"{where}.{name}", "It must be true or false.")
        return flag is True

    def _checks(self, scenario: Mapping[str, Any], where: str, fields: set[str]) -> list[Check]:
        raw = scenario.get("checks")
        if raw is None or raw == []:
            return self._undeclared(scenario, where)
        if not isinstance(raw, list):
            self._refuse(f"{where}.checks", "It must be a list.")
            return []
        read = (
            self._check(item, f"{where}.checks[{index}]", fields)
            for index, item in enumerate(cast("list[object]", raw))
        )
        return [check for check in read if check is not None]

    def _undeclared(self, scenario: Mapping[str, Any], where: str) -> list[Check]:
        expected = _mapping(scenario.get("expected_output")) or {}
        if has_no_spaces(" ".join(_text(value) or "" for value in expected.values())):
            self._refuse(
                f"{where}.checks",
                "SuperOptiX's own score compares words between spaces, so it cannot judge this "
                "text. Declare a check: contains, excludes, exact, regex or judge.",
            )
            return []
        return [UNDECLARED]

    def _spoken_forms(self, scenario: Mapping[str, Any], where: str) -> dict[str, list[str]]:
        raw = scenario.get("spoken_forms", {})
        forms = _mapping(raw)
        if forms is None:
            self._refuse(f"{where}.spoken_forms", "It must be a mapping of values to their forms.")
            return {}
        return {
            value: self._texts(_as_list(listed), f"{where}.spoken_forms.{value}")
            for value, listed in forms.items()
        }

    def _check(self, raw: object, where: str, fields: set[str]) -> Check | None:
        declared = _mapping(raw) or {}
        kinds: list[CheckKind] = [kind for kind in _DECLARED_KINDS if kind in declared]
        if len(kinds) != 1 or not declared.keys() <= {*kinds, "field"}:
            self._refuse(
                where, f"A check has one of {', '.join(_DECLARED_KINDS)}, and perhaps `field`."
            )
            return None
        kind, field = kinds[0], declared.get("field")
        if field is not None and field not in fields:
            self._refuse(f"{where}.field", "The agent has no output field of this name.")
            return None
        values = self._values(kind, declared[kind], f"{where}.{kind}")
        return Check(kind=kind, values=values, field=field) if values else None

    def _values(self, kind: CheckKind, raw: object, where: str) -> list[str]:
        values = [_text(item) or "" for item in _as_list(raw)]
        if not values or not all(value.strip() for value in values):
            self._refuse(where, "It must be text, and not empty.")
            return []
        if len(values) > 1 and kind not in _LISTED_KINDS:
            self._refuse(where, "It must be one text, not a list.")
            return []
        if kind == "regex" and not self._is_pattern(values[0], where):
            return []
        return values

    def _is_pattern(self, pattern: str, where: str) -> bool:
        if len(pattern) > MAX_PATTERN_CHARACTERS:
            self._refuse(where, f"It is longer than {MAX_PATTERN_CHARACTERS} characters.")
            return False
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError):
            self._refuse(where, "It is not a regular expression that Python can read.")
            return False
        return True

    # ---------------------------------------------------------------- values

    def _fields(self, raw: object, where: str) -> dict[str, str]:
        mapping = _mapping(raw)
        if not mapping:
            self._refuse(where, "It must be a mapping of field names to text, and not empty.")
            return {}
        fields = {name: _text(value) for name, value in mapping.items()}
        for name, text in fields.items():
            if text is None:
                self._refuse(f"{where}.{name}", "It must be text.")
        return {name: text or "" for name, text in fields.items()}

    def _texts(self, raw: object, where: str) -> list[str]:
        items = cast("list[object]", raw) if isinstance(raw, list) else []
        texts = [_text(item) for item in items]
        if (raw is not None and not isinstance(raw, list)) or None in texts:
            self._refuse(where, "It must be a list of texts.")
        return [text for text in texts if text is not None]

    def _number(
        self, raw: Mapping[str, Any], name: str, *, lowest: float, highest: float
    ) -> float | None:
        value = raw.get(name)
        if value is None:
            return None
        if type(value) in {int, float} and lowest <= value <= highest:
            return float(value)
        self._refuse(f"spec.language_model.{name}", f"It must be a number, {lowest} to {highest}.")
        return None

    def _whole_number(self, raw: Mapping[str, Any], name: str) -> int | None:
        value = raw.get(name)
        if value is None or (type(value) is int and 1 <= value <= 1_000_000):
            return value
        self._refuse(f"spec.language_model.{name}", "It must be a whole number, 1 or more.")
        return None

    def _refuse(self, field: str, message: str) -> None:
        self.errors.append({"field": field, "message": message})


def _mapping(value: object) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _as_list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else [value]


def _text(value: object) -> str | None:
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


def _scenario_list(spec: Mapping[str, Any]) -> tuple[str, object]:
    """Where the scenarios are. SuperOptiX reads `spec.scenarios` when the first place has none."""
    features = _mapping(spec.get("feature_specifications")) or {}
    if features.get("scenarios") or "scenarios" not in spec:
        raw = features.get("scenarios")
        return "spec.feature_specifications.scenarios", [] if raw is None else raw
    return "spec.scenarios", spec["scenarios"]


def _output_names(spec: Mapping[str, Any]) -> set[str]:
    outputs = spec.get("output_fields")
    fields = (
        [_mapping(each) for each in cast("list[object]", outputs or [])]
        if isinstance(outputs, list | None)
        else []
    )
    return {str(each["name"]) for each in fields if each and "name" in each}


# ---------------------------------------------------------------- playbooks of other people


def _make_regular(data: dict[str, Any]) -> None:
    metadata = data["metadata"]
    metadata["id"] = agent_slug(_text(metadata.get("id")) or _text(metadata.get("name")) or "")
    _, scenarios = _scenario_list(data["spec"])
    taken: set[str] = set()
    for index, item in enumerate(
        cast("list[object]", scenarios) if isinstance(scenarios, list) else []
    ):
        scenario = _mapping(item)
        if scenario is None:
            continue
        name = _slug(_text(scenario.get("name")) or "") or f"scenario_{index + 1}"
        scenario["name"] = _untaken(name[:100], taken)
        for part in ("input", "expected_output"):
            fields = _mapping(scenario.get(part))
            if fields is not None:
                scenario[part] = {key: _as_text(value) for key, value in fields.items()}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def agent_slug(text: str) -> str:
    """An id for an agent of this name; not yet known to be free."""
    slug = text if AGENT_ID.fullmatch(text) else _slug(text)
    return (slug if slug[:1].isalpha() else f"agent_{slug}".rstrip("_"))[:64]


def _untaken(name: str, taken: set[str]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


def _as_text(value: object) -> str:
    text = _text(value)
    if text is not None:
        return text
    return "" if value is None else json.dumps(value, ensure_ascii=False)
