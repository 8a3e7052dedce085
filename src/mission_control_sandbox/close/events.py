"""The event log: what happened to leads, contacts and calls in the last thirty days, newest first."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from mission_control_sandbox.close.collection import Key
from mission_control_sandbox.close.earlier_events import EarlierEvent, EarlierEvents
from mission_control_sandbox.close.errors import RefusalError, not_found
from mission_control_sandbox.close.event_pages import Place
from mission_control_sandbox.close.journal import Line
from mission_control_sandbox.close.organization import (
    KEY_OWNER,
    ORGANIZATION_ID,
)
from mission_control_sandbox.close.paging import whole
from mission_control_sandbox.close.records import (
    Record,
    instant,
    whole_microseconds,
    without_offset,
)
from mission_control_sandbox.world.people import identifier

RETENTION = timedelta(days=30)
LARGEST_PAGE = 50
MOST_KEPT = 50_000
CONSOLIDATED_WITHIN = timedelta(seconds=60)
API_KEY_ID = identifier("api", 1)

FILTERS = ("object_type", "object_id", "action", "lead_id", "user_id", "request_id")
_COMBINATIONS = [
    set(one.split())
    for one in (
        "",
        "request_id",
        "object_type object_id",
        "object_type action",
        "object_id action",
        "lead_id",
        "lead_id object_type",
        "lead_id object_type action",
        "lead_id user_id",
        "lead_id user_id object_type",
        "lead_id user_id object_type action",
        "user_id",
        "user_id action",
        "user_id object_id",
        "user_id object_id action",
        "user_id object_type",
        "user_id object_type action",
    )
]

_NOT_COMPARED = {"date_updated", "updated_by", "updated_by_name", "contacts", "custom"}
_DERIVED = {"primary_email", "primary_phone"}

Event = dict[str, Any]
Listener = Callable[[Event], None]


@dataclass(frozen=True)
class Author:
    """Who asked for a change, and how."""

    user_id: str = KEY_OWNER.id
    api_key_id: str | None = API_KEY_ID
    request_id: str = field(default_factory=lambda: f"req_{uuid4().hex[:22]}")
    meta: Mapping[str, str] = field(default_factory=dict[str, str])

    def merging(self, source_id: str, destination_id: str) -> "Author":
        merge = {"merge_source_lead_id": source_id, "merge_destination_lead_id": destination_id}
        return replace(self, meta={**self.meta, **merge})


@dataclass(frozen=True)
class Subject:
    object_type: str
    object_id: str
    lead_id: str


@dataclass
class EventLog:
    """Events by the time of their last change. Close folds quick repeated updates into one."""

    now: Callable[[], datetime]
    note: Callable[[Line], None]  # in the journal
    earlier: EarlierEvents
    listeners: list[Listener] = field(default_factory=list[Listener])
    _log: list[Event] = field(default_factory=list[Event])
    _places: dict[str, int] = field(default_factory=dict[str, int])
    _last_update: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    _keys: list[Key] = field(default_factory=list[Key])
    _earlier: list[EarlierEvent] | None = None

    # ------------------------------------------------------------ writing

    def created(self, subject: Subject, data: Record, author: Author) -> None:
        self._add(subject, "created", author, data=data)

    def updated(self, subject: Subject, before: Record, after: Record, author: Author) -> None:
        """Nothing is logged where only what is derived has changed."""
        names = [*before, *(name for name in after if name not in before)]
        changed = [
            name
            for name in names
            if name not in _NOT_COMPARED | _DERIVED and before.get(name) != after.get(name)
        ]
        if not changed:
            return
        previous = {name: before.get(name) for name in changed}
        if not self._consolidated(subject, changed, previous, after, author):
            event = self._add(
                subject, "updated", author, data=after, changed=changed, previous=previous
            )
            self._last_update[subject.object_id, author.user_id] = event["id"]

    def deleted(self, subject: Subject, previous: Record, author: Author) -> None:
        self._add(subject, "deleted", author, data=None, previous=previous)

    def merged(self, subject: Subject, data: Record, author: Author) -> None:
        self._add(subject, "merged", author, data=data)

    def _add(
        self,
        subject: Subject,
        action: str,
        author: Author,
        *,
        data: Record | None,
        changed: list[str] | None = None,
        previous: Record | None = None,
    ) -> Event:
        at = without_offset(self.now())
        event = {
            "id": f"ev_{uuid4().hex[:22]}",
            "date_created": at,
            "date_updated": at,
            "organization_id": ORGANIZATION_ID,
            "user_id": author.user_id,
            "request_id": author.request_id,
            "api_key_id": author.api_key_id,
            "oauth_client_id": None,
            "oauth_scope": None,
            "object_type": subject.object_type,
            "object_id": subject.object_id,
            "lead_id": subject.lead_id,
            "action": action,
            "changed_fields": changed or [],
            "data": data,
            "previous_data": previous,
            "meta": dict(author.meta),
        }
        self._keep(event)
        return event

    def _consolidated(
        self,
        subject: Subject,
        changed: list[str],
        previous: Record,
        after: Record,
        author: Author,
    ) -> bool:
        last = self._log_entry(self._last_update.get((subject.object_id, author.user_id)))
        now = self.now()
        if last is None or now - instant(last["date_updated"]) > CONSOLIDATED_WITHIN:
            return False
        if "merge_source_lead_id" in {*author.meta, *last["meta"]}:
            return False
        self._keep(
            {
                **last,
                "date_updated": without_offset(now),
                "changed_fields": list(dict.fromkeys([*last["changed_fields"], *changed])),
                "previous_data": {**previous, **last["previous_data"]},
                "data": after,
            }
        )
        return True

    def _log_entry(self, event_id: str | None) -> Event | None:
        return self._log[self._places[event_id]] if event_id in self._places else None

    def _keep(self, event: Event) -> None:
        self.restore(event)
        self.note({"kind": "event", "event": event})
        for listener in self.listeners:
            listener(event)

    def restore(self, event: Event) -> None:
        place = self._places.setdefault(event["id"], len(self._log))
        at = whole_microseconds(instant(event["date_updated"]))
        if place == len(self._log):
            self._log.append(event)
        else:
            before = whole_microseconds(instant(self._log[place]["date_updated"]))
            del self._keys[bisect_left(self._keys, (before, place))]
            self._log[place] = event
        insort(self._keys, (at, place))

    def happened(self) -> Iterable[Event]:
        """What happened while it ran, as far as it is still kept."""
        oldest = self.now() - RETENTION
        recent = [one for one in self._log if instant(one["date_updated"]) >= oldest]
        return recent[-MOST_KEPT:]

    def count(self) -> int:
        return len(self._all_keys())

    # ------------------------------------------------------------ reading

    def get(self, event_id: str) -> Event:
        found = self._log_entry(event_id)
        for place, event in enumerate(self._all_earlier()):
            if found is None and event.id == event_id:
                found = self._event(-1 - place)
        if found is None:
            raise not_found("Event")
        return found

    def page(self, query: Mapping[str, str]) -> Record:
        """One page, newest first. `_cursor` remembers the times that the first page asked for."""
        filters = {name: query[name] for name in FILTERS if query.get(name)}
        if set(filters) not in _COMBINATIONS:
            raise RefusalError(
                400,
                {"errors": ["This combination of filters is not supported."], "field-errors": {}},
            )
        limit = whole(query, "_limit", LARGEST_PAGE, largest=LARGEST_PAGE)
        place = Place.read(query["_cursor"]) if query.get("_cursor") else Place.first(query)
        keys = self._all_keys()
        found = self._matching(keys, place, filters, limit)
        return {
            "data": [self._event(number) for _, number in found[:limit]],
            "cursor_next": place.older(found[limit - 1]) if len(found) > limit else None,
            "cursor_previous": place.newer(found[0]) if found else place.again(),
        }

    def _matching(
        self, keys: list[Key], place: Place, filters: Mapping[str, str], limit: int
    ) -> list[Key]:
        """One more than asked for, so that it is known whether there are more."""
        oldest = whole_microseconds(self.now() - RETENTION)
        low = bisect_left(keys, (max(place.low, oldest), -(10**9)))
        high = bisect_right(keys, (place.high, 10**9))
        if place.before is not None:
            high = min(high, bisect_left(keys, place.before))
        if place.after is not None:
            low = max(low, bisect_right(keys, place.after))
        matching = (
            at for at in self._in_order(keys, low, high, place) if self._passes(at, filters)
        )
        found = [key for key, _ in zip(matching, range(limit + 1), strict=False)]
        # Towards the newer ones the nearest are taken, and still answered newest first.
        return found[:limit][::-1] if place.after is not None else found

    def _in_order(self, keys: list[Key], low: int, high: int, place: Place) -> Iterator[Key]:
        indices = range(low, high) if place.after is not None else range(high - 1, low - 1, -1)
        return (keys[index] for index in indices)

    def _passes(self, key: Key, filters: Mapping[str, str]) -> bool:
        if not filters:
            return True
        header = self._header(key[1])
        return all(header.get(name) == value for name, value in filters.items())

    def _header(self, number: int) -> Mapping[str, Any]:
        if number >= 0:
            return self._log[number]
        return self.earlier.header(self._all_earlier()[-1 - number])

    def _event(self, number: int) -> Event:
        if number >= 0:
            return self._log[number]
        return self.earlier.written_out(self._all_earlier()[-1 - number])

    def _all_keys(self) -> list[Key]:
        self._all_earlier()
        return self._keys

    def _all_earlier(self) -> list[EarlierEvent]:
        if self._earlier is None:
            self._earlier = list(self.earlier.since(RETENTION))
            self._keys += [
                (whole_microseconds(event.at), -1 - place)
                for place, event in enumerate(self._earlier)
            ]
            self._keys.sort()
        return self._earlier
