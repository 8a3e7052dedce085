"""A time cut into whole days, in UTC, and the parts of days beside them."""

from datetime import UTC, date, datetime, time
from typing import NamedTuple


class WholeDays(NamedTuple):
    """None: without an end. `first` is inclusive, `until` is not."""

    first: date | None
    until: date | None


Part = tuple[datetime | None, datetime | None]
NO_DAYS = WholeDays(date.min, date.min)
DAYS_THERE_ARE = date.max.toordinal()


def cut_into_days(start: datetime | None, end: datetime | None) -> tuple[WholeDays, list[Part]]:
    """The days that lie wholly between the two moments, and the parts of days beside them."""
    first = 1 if start is None else start.toordinal() + int(start.time() != time.min)
    until = DAYS_THERE_ARE if end is None else end.toordinal()
    if first > until:  # within one day
        return NO_DAYS, [(start, end)]
    parts: list[Part] = []
    if start is not None and start.time() != time.min:
        parts.append((start, _midnight(first)))
    if end is not None and end.time() != time.min:
        parts.append((_midnight(until), end))
    return WholeDays(
        None if start is None else date.fromordinal(first),
        None if end is None else date.fromordinal(until),
    ), parts


def in_utc(at: datetime | None) -> datetime | None:
    return None if at is None else at.astimezone(UTC)


def _midnight(ordinal: int) -> datetime:
    return datetime.combine(date.fromordinal(ordinal), time.min, UTC)
