"""Reads points in time in the forms that memory servers write them."""

import math
import re
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from mission_control.core.clock import utc_now

_UNITS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 30 * 86_400,
    "year": 365 * 86_400,
}
_AGO = re.compile(
    rf"(?:about |over )?(an?|\d{{1,6}})\s*({'|'.join(_UNITS)})s?\s+ago", re.IGNORECASE
)
_NUMBER = re.compile(r"-?\d{9,17}(\.\d+)?")


def moment(value: JsonValue, *, now: datetime | None = None) -> datetime | None:
    """In UTC; None for what cannot be read.

    Epoch seconds, milliseconds or microseconds, as number or text; ISO 8601 (without an offset it
    is UTC; a date is its midnight); `3 days ago`, `yesterday`, `just now`.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _epoch(float(value))
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _epoch(float(text))
    try:
        read = datetime.fromisoformat(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return _relative(text, now or utc_now())


def _epoch(number: float) -> datetime | None:
    if not math.isfinite(number):
        return None
    size = abs(number)
    divisor = 1 if size < 1e11 else 1e3 if size < 1e14 else 1e6
    try:
        return datetime.fromtimestamp(number / divisor, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _relative(text: str, now: datetime) -> datetime | None:
    match text.lower():
        case "now" | "just now" | "today":
            return now
        case "yesterday":
            return now - timedelta(days=1)
        case _:
            pass
    found = _AGO.fullmatch(text)
    if found is None:
        return None
    count = 1 if found[1].lower() in {"a", "an"} else int(found[1])
    try:
        return now - timedelta(seconds=count * _UNITS[found[2].lower()])
    except OverflowError:
        return None
