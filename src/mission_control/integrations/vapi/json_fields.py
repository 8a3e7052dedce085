"""Reading JSON that may be anything: nothing is trusted to have the type that the reference says."""

import json
import re
from datetime import UTC, datetime

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.core.storable import storable_text

LONGEST_TEXT = 200


def object_in(value: JsonObject, key: str) -> JsonObject:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def text_of(value: JsonValue) -> str | None:
    """A text of any length, or None when there is nothing in it."""
    return storable_text(value) or None if isinstance(value, str) else None


def text_in(value: JsonObject, key: str, longest: int = LONGEST_TEXT) -> str | None:
    found = text_of(value.get(key))
    return found[:longest] if found else None


def plain_text_of(value: JsonValue) -> str | None:
    """What a rubric answers with may be a text, a number, a boolean, or a list of such."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if abs(value) < 1e15 else None
    found = text_of(
        json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
    )
    return found[:LONGEST_TEXT] if found else None


def id_in(value: JsonObject, key: str) -> str | None:
    found = value.get(key)
    if not isinstance(found, str) or not re.fullmatch(r"[\x21-\x7e]{1,64}", found):
        return None
    return found


def figure_of(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 else None  # NaN is not less than anything


def time_in(value: JsonObject, key: str) -> datetime | None:
    found = value.get(key)
    if not isinstance(found, str):
        return moment_of(found)
    try:
        at = datetime.fromisoformat(found)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return _believable(at)


def moment_of(value: JsonValue) -> datetime | None:
    """Milliseconds since the epoch."""
    figure = figure_of(value)
    if figure is None or not 0 < figure < 4e12:
        return None
    return _believable(datetime.fromtimestamp(round(figure) / 1000, UTC))


def _believable(at: datetime) -> datetime | None:
    return at if 1990 <= at.year < 2200 else None
