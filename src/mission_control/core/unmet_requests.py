"""What a playbook asks for and does not get here: said at import, never silently dropped."""

from collections.abc import Mapping
from typing import Any, cast

# Where the playbook says it, and what happens instead.
_UNMET = (
    (
        ("language_model", "api_base"),
        "The address of its model's server (`language_model.api_base`) is not used: models are "
        "reached where the settings say (OPENAI_BASE_URL).",
    ),
    (
        ("language_model", "base_url"),
        "The address of its model's server (`language_model.base_url`) is not used: models are "
        "reached where the settings say (OPENAI_BASE_URL).",
    ),
    (
        ("language_model", "api_key"),
        "The key in `language_model.api_key` is not used; keys come from the settings "
        "(OPENAI_API_KEY). Take it out of the playbook: it is stored as it was written.",
    ),
    (
        ("datasets",),
        "Its `datasets` are not loaded: only the scenarios of the playbook are learned from and "
        "measured.",
    ),
    (
        ("optimization", "metric"),
        "Its `optimization.metric` is not used: scenarios are scored by the checks they declare, "
        "else by SuperOptiX's own score.",
    ),
    (
        ("optimization", "optimizer"),
        "Its `optimization.optimizer` is not used: the optimizer is chosen when a search is "
        "started.",
    ),
    (
        ("evaluation", "builtin_metrics"),
        "Its `evaluation.builtin_metrics` are not used: scenarios are scored by the checks they "
        "declare, else by SuperOptiX's own score.",
    ),
)


def unmet_requests(playbook: Mapping[str, Any]) -> list[str]:
    """One sentence for each; no values, since an address or key may be a secret."""
    return [sentence for path, sentence in _UNMET if _at(playbook.get("spec"), path)]


def _at(value: object, path: tuple[str, ...]) -> object:
    for name in path:
        if not isinstance(value, dict):
            return None
        value = cast("dict[str, object]", value).get(name)
    return value
