"""A search of Close read to its end, though its cursor lives 30 s and ends after 10,000 finds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from mission_control.integrations.close.errors import TooManyLeadsInADayError
from mission_control.integrations.close.objects import moment
from mission_control.integrations.close.queries import JsonObject, all_of, created, oldest_first

PAGE_SIZE = 200
LONGEST_SEQUENCE = 10_000


@dataclass(slots=True)
class SearchPages:
    """Where a search is. It starts again from the last day seen, and tells what it has told once."""

    query: JsonObject
    fields: Sequence[str]
    cursor: str | None = None
    is_over: bool = False
    _seen: set[str] = field(default_factory=set[str])
    _seen_before: int = 0  # when the present sequence began
    _in_sequence: int = 0
    _latest: datetime | None = None
    _from: date | None = None

    def body(self) -> JsonObject:
        """The next request."""
        query = self.query if self._from is None else all_of(self.query, created(since=self._from))
        return {
            "query": query,
            "sort": oldest_first(),
            "_fields": {"lead": list(dict.fromkeys(["id", "date_created", *self.fields]))},
            "_limit": PAGE_SIZE,
            **({"cursor": self.cursor} if self.cursor else {}),
        }

    def take(self, found: Sequence[JsonObject], cursor: str | None) -> list[JsonObject]:
        """What of this page is new.

        Raises:
            TooManyLeadsInADayError: A day has more than a search can tell.
        """
        new = [lead for lead in found if str(lead["id"]) not in self._seen]
        self._seen |= {str(lead["id"]) for lead in new}
        self._in_sequence += len(found)
        times = [at for lead in new if (at := moment(lead.get("date_created"))) is not None]
        self._latest = max([*times, *([self._latest] if self._latest else [])], default=None)
        self.cursor, self.is_over = cursor, cursor is None or not found
        if self._in_sequence >= LONGEST_SEQUENCE and not self.start_again():
            raise TooManyLeadsInADayError([f"{self._latest:%Y-%m-%d}" if self._latest else "a day"])
        return new

    def start_again(self) -> bool:
        """Go on from the last day seen. False: that has been done, and brought nothing new."""
        if len(self._seen) == self._seen_before:
            return False
        self._seen_before, self._in_sequence = len(self._seen), 0
        self.cursor, self.is_over = None, False
        # A day early: where Close's day begins depends on who asks.
        self._from = self._latest.date() - timedelta(days=1) if self._latest else None
        return True
