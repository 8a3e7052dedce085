"""Playbooks of other people, made regular: ids become slugs, and equal ones are kept apart."""

import json
import re
from typing import Any, cast

from anyascii import anyascii

from mission_control.core.playbook_parts import AGENT_ID, RESERVED_AGENT_IDS
from mission_control.core.playbook_values import mapping_of, scenario_list, text_of

AN_AGENT = "agent"  # where nothing of a name can be written in an id


def make_regular(data: dict[str, Any]) -> None:
    metadata = data["metadata"]
    metadata["id"] = agent_slug(text_of(metadata.get("id")) or text_of(metadata.get("name")) or "")
    _, scenarios = scenario_list(data["spec"])
    taken: set[str] = set()
    for index, item in enumerate(
        cast("list[object]", scenarios) if isinstance(scenarios, list) else []
    ):
        scenario = mapping_of(item)
        if scenario is None:
            continue
        name = _slug(text_of(scenario.get("name")) or "") or f"scenario_{index + 1}"
        scenario["name"] = _untaken(name[:100], taken)
        for part in ("input", "expected_output"):
            fields = mapping_of(scenario.get(part))
            if fields is not None:
                scenario[part] = {key: _as_text(value) for key, value in fields.items()}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def agent_slug(text: str) -> str:
    """An id for an agent of this name, in whatever script it is; not yet known to be free."""
    slug = text if AGENT_ID.fullmatch(text) else _slug(anyascii(text))
    is_free = slug[:1].isalpha() and slug not in RESERVED_AGENT_IDS
    return (slug if is_free else f"{AN_AGENT}_{slug}".rstrip("_"))[:64]


def _untaken(name: str, taken: set[str]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate)
    return candidate


def _as_text(value: object) -> str:
    text = text_of(value)
    if text is not None:
        return text
    return "" if value is None else json.dumps(value, ensure_ascii=False)
