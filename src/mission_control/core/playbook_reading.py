"""Reads a playbook once and collects everything that is wrong with it."""

import re
from collections.abc import Mapping
from typing import Any, cast

from mission_control.core.playbook_parts import (
    AGENT_ID,
    SPLITS,
    UNDECLARED,
    Check,
    Demonstration,
    LanguageModel,
    Playbook,
    Scenario,
    Split,
    content_hash,
)
from mission_control.core.playbook_values import (
    as_list,
    mapping_of,
    output_names,
    scenario_list,
    text_of,
)
from mission_control_protocol import CheckKind
from mission_control_protocol.spelling import has_no_spaces

SCENARIO_ID = re.compile(r"[a-z0-9_]{1,120}")
MAX_PATTERN_CHARACTERS = 500

_DECLARED_KINDS: tuple[CheckKind, ...] = ("contains", "excludes", "exact", "regex", "judge")
_LISTED_KINDS = ("contains", "excludes")


class PlaybookReading:
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
            name=text_of(metadata.get("name")) or agent_id,
            description=text_of(metadata.get("description")) or "",
            tags=tags,
            prompt=prompt,
            first_message=first_message,
            demonstrations=demonstrations,
            language_model=language_model,
            scenarios=scenarios,
        )

    def has_its_sections(self, data: object) -> bool:
        playbook = mapping_of(data)
        if playbook is None:
            self._refuse("yaml", "A playbook is a mapping with `metadata` and `spec`.")
            return False
        for section in ("metadata", "spec"):
            if mapping_of(playbook.get(section)) is None:
                self._refuse(section, "This section is missing, or is not a mapping.")
        return not self.errors

    def scenarios(self, spec: Mapping[str, Any]) -> list[Scenario]:
        where, raw = scenario_list(spec)
        if not isinstance(raw, list):
            self._refuse(where, "It must be a list of scenarios.")
            return []
        found: list[Scenario] = []
        seen: set[str] = set()
        for index, item in enumerate(cast("list[object]", raw)):
            scenario = self._scenario(item, f"{where}[{index}]", output_names(spec))
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
            pair = mapping_of(item) or {}
            inputs = self._fields(pair.get("inputs"), f"{where}.inputs")
            outputs = self._fields(pair.get("outputs"), f"{where}.outputs")
            found.append(Demonstration(inputs=inputs, outputs=outputs))
        return found

    def language_model(self, spec: Mapping[str, Any]) -> LanguageModel:
        raw = mapping_of(spec.get("language_model", {}))
        if raw is None:
            self._refuse("spec.language_model", "It must be a mapping.")
            raw = {}
        return LanguageModel(
            provider=text_of(raw.get("provider")) or None,
            model=text_of(raw.get("model")) or None,
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
        scenario = mapping_of(raw)
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
            "description": text_of(scenario.get("description")) or "",
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
        if split in SPLITS:
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
        expected = mapping_of(scenario.get("expected_output")) or {}
        if has_no_spaces(" ".join(text_of(value) or "" for value in expected.values())):
            self._refuse(
                f"{where}.checks",
                "SuperOptiX's own score compares words between spaces, so it cannot judge this "
                "text. Declare a check: contains, excludes, exact, regex or judge.",
            )
            return []
        return [UNDECLARED]

    def _spoken_forms(self, scenario: Mapping[str, Any], where: str) -> dict[str, list[str]]:
        raw = scenario.get("spoken_forms", {})
        forms = mapping_of(raw)
        if forms is None:
            self._refuse(f"{where}.spoken_forms", "It must be a mapping of values to their forms.")
            return {}
        return {
            value: self._texts(as_list(listed), f"{where}.spoken_forms.{value}")
            for value, listed in forms.items()
        }

    def _check(self, raw: object, where: str, fields: set[str]) -> Check | None:
        declared = mapping_of(raw) or {}
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
        values = [text_of(item) or "" for item in as_list(raw)]
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
        mapping = mapping_of(raw)
        if not mapping:
            self._refuse(where, "It must be a mapping of field names to text, and not empty.")
            return {}
        fields = {name: text_of(value) for name, value in mapping.items()}
        for name, text in fields.items():
            if text is None:
                self._refuse(f"{where}.{name}", "It must be text.")
        return {name: text or "" for name, text in fields.items()}

    def _texts(self, raw: object, where: str) -> list[str]:
        items = cast("list[object]", raw) if isinstance(raw, list) else []
        texts = [text_of(item) for item in items]
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
