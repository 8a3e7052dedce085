"""How two states of an assistant differ, as paths of fields."""

import re
from collections.abc import Iterator

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.integrations.vapi.assistant import SERVER_MANAGED
from mission_control.integrations.vapi.prompt_slots import NOTHING_KNOWN, Known, without_texts

UNSPEAKABLE = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")
LONGEST_PATH = 200


def differences(before: JsonObject, after: JsonObject) -> list[str]:
    """Paths (`model.messages[0].content`) whose value is not the same in both.

    Fields that Vapi manages itself are left out. A null and a missing key are the same. A path can
    be stored and shown, whatever the names of the keys.
    """
    return [
        UNSPEAKABLE.sub("\ufffd", path)[:LONGEST_PATH]
        for key in dict.fromkeys([*before, *after])
        if key not in SERVER_MANAGED
        for path in _differing(before.get(key), after.get(key), key)
    ]


def differences_elsewhere(
    before: JsonObject, after: JsonObject, known: Known = NOTHING_KNOWN, *, first_message: bool
) -> list[str]:
    """Which parts differ besides the live prompt (and the first message, if told so).

    `known` is what is known of both.

    Paths of two keys at most (`model.tools`): what is deeper may say too much.
    """
    paths = differences(
        without_texts(before, known, first_message=first_message),
        without_texts(after, known, first_message=first_message),
    )
    return list(dict.fromkeys(".".join(re.split(r"[.\[]", path)[:2]) for path in paths))


def _differing(before: JsonValue, after: JsonValue, path: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            yield from _differing(before.get(key), after.get(key), f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            here = f"{path}[{index}]"
            if index >= min(len(before), len(after)):
                yield here
            else:
                yield from _differing(before[index], after[index], here)
    elif isinstance(before, bool) is not isinstance(after, bool) or before != after:
        yield path
