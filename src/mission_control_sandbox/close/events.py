"""The event log: what happened to leads, contacts and calls in the last thirty days, newest first."""

import base64
import hashlib
import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from mission_control_sandbox.close.errors import RefusalError, invalid_field, not_found
from mission_control_sandbox.close.organization import (
    KEY_OWNER,
    ORGANIZATION_ID,
    STATUS_LABELS,
    USERS,
)
from mission_control_sandbox.close.paging import whole
from mission_control_sandbox.close.records import (
    Record,
    call_as_json,
    lead_as_json,
    timestamp,
    whole_microseconds,
)
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.people import identifier, lead_id_of

if TYPE_CHECKING:
    from mission_control_sandbox.close.store import Store

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

# What deleted and merged leads of the past were, before the stand-in was started.
_FIRST_GONE, _DELETED, _MERGED = 200_000_000, 40, 20
_NOT_COMPARED = {"date_updated", "updated_by", "updated_by_name", "contacts", "custom"}
_DERIVED = {"primary_email", "primary_phone"}

Event = dict[str, Any]
Key = tuple[int, int]
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


@dataclass(frozen=True)
class _Past:
    """An event from before the start, written out only when it is asked for."""

    at: datetime
    object_type: str
    action: str
    number: int


@dataclass
class EventLog:
    """Events by the time of their last change. Close folds quick repeated updates into one."""

    store: "Store"
    listeners: list[Listener] = field(default_factory=list[Listener])
    _log: list[Event] = field(default_factory=list[Event])
    _places: dict[str, int] = field(default_factory=dict[str, int])
    _last_update: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    _keys: list[Key] = field(default_factory=list[Key])
    _past: list[_Past] | None = None

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
        at = _without_offset(self.store.now())
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
        now = self.store.now()
        if last is None or now - _instant(last["date_updated"]) > CONSOLIDATED_WITHIN:
            return False
        if "merge_source_lead_id" in {*author.meta, *last["meta"]}:
            return False
        self._keep(
            {
                **last,
                "date_updated": _without_offset(now),
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
        self.store.journal.note({"kind": "event", "event": event})
        for listener in self.listeners:
            listener(event)

    def restore(self, event: Event) -> None:
        place = self._places.setdefault(event["id"], len(self._log))
        at = whole_microseconds(_instant(event["date_updated"]))
        if place == len(self._log):
            self._log.append(event)
        else:
            before = whole_microseconds(_instant(self._log[place]["date_updated"]))
            del self._keys[bisect_left(self._keys, (before, place))]
            self._log[place] = event
        insort(self._keys, (at, place))

    def happened(self) -> Iterable[Event]:
        """What happened while it ran, as far as it is still kept."""
        oldest = self.store.now() - RETENTION
        recent = [one for one in self._log if _instant(one["date_updated"]) >= oldest]
        return recent[-MOST_KEPT:]

    def count(self) -> int:
        return len(self._all_keys())

    # ------------------------------------------------------------ reading

    def get(self, event_id: str) -> Event:
        found = self._log_entry(event_id)
        for place, past in enumerate(self._all_past()):
            if found is None and _past_id(past) == event_id:
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
        place = _Place.read(query["_cursor"]) if query.get("_cursor") else _Place.first(query)
        keys = self._all_keys()
        found = self._matching(keys, place, filters, limit)
        return {
            "data": [self._event(number) for _, number in found[:limit]],
            "cursor_next": place.older(found[limit - 1]) if len(found) > limit else None,
            "cursor_previous": place.newer(found[0]) if found else place.again(),
        }

    def _matching(
        self, keys: list[Key], place: "_Place", filters: Mapping[str, str], limit: int
    ) -> list[Key]:
        """One more than asked for, so that it is known whether there are more."""
        oldest = whole_microseconds(self.store.now() - RETENTION)
        low = bisect_left(keys, (max(place.low, oldest), -(10**9)))
        high = bisect_right(keys, (place.high, 10**9))
        if place.before is not None:
            high = min(high, bisect_left(keys, place.before))
        if place.after is not None:
            low = max(low, bisect_right(keys, place.after))
        matching = (at for at in self._walk(keys, low, high, place) if self._passes(at, filters))
        found = [key for key, _ in zip(matching, range(limit + 1), strict=False)]
        # Towards the newer ones the nearest are taken, and still answered newest first.
        return found[:limit][::-1] if place.after is not None else found

    def _walk(self, keys: list[Key], low: int, high: int, place: "_Place") -> Iterator[Key]:
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
        past = self._all_past()[-1 - number]
        user = _past_user(past)
        head = {"object_type": past.object_type, "action": past.action, "user_id": user}
        if past.object_type == "lead":
            lead_id = object_id = lead_id_of(self._lead_behind(past))
        else:
            object_id = identifier("acti", past.number)
            lead_id = lead_id_of(conversations.person_index(past.number, self.store.people))
        return head | {"object_id": object_id, "lead_id": lead_id}

    def _lead_behind(self, past: _Past) -> int:
        """A merge is told of the lead that remains."""
        return past.number % self.store.people if past.action == "merged" else past.number

    def _event(self, number: int) -> Event:
        if number >= 0:
            return self._log[number]
        return self._written_out(self._all_past()[-1 - number], self._header(number))

    # ------------------------------------------------------------ before the start

    def _all_keys(self) -> list[Key]:
        self._all_past()
        return self._keys

    def _all_past(self) -> list[_Past]:
        if self._past is None:
            self._past = list(self._remembered())
            self._keys += [
                (whole_microseconds(past.at), -1 - place) for place, past in enumerate(self._past)
            ]
            self._keys.sort()
        return self._past

    def _remembered(self) -> Iterator[_Past]:
        midnight = datetime.combine(self.store.today, datetime.min.time(), tzinfo=UTC)
        since = whole_microseconds(midnight - RETENTION)
        for number in range(self.store.people):
            created, updated = self.store.times(number)
            if created >= since:
                yield _Past(_at(created), "lead", "created", number)
            if updated >= since and updated > created:
                yield _Past(_at(updated), "lead", "updated", number)
        for at, number in self.store.calls_since(midnight - RETENTION):
            yield _Past(at, "activity.call", "created", number)
        step = RETENTION / (_DELETED + _MERGED)
        for place in range(_DELETED + _MERGED):
            action = "merged" if place % 3 == 2 else "deleted"
            number = _FIRST_GONE + place * 211
            yield _Past(midnight - step * place - timedelta(minutes=7), "lead", action, number)

    def _written_out(self, past: _Past, header: Mapping[str, Any]) -> Event:
        at = _without_offset(past.at)
        changed, data, previous, meta = self._substance(past, header)
        return {
            "id": _past_id(past),
            "date_created": at,
            "date_updated": at,
            "organization_id": ORGANIZATION_ID,
            "request_id": f"req_{_past_id(past)[3:]}",
            "api_key_id": None,
            "oauth_client_id": None,
            "oauth_scope": None,
            **header,
            "changed_fields": changed,
            "data": data,
            "previous_data": previous,
            "meta": meta,
        }

    def _substance(
        self, past: _Past, header: Mapping[str, Any]
    ) -> tuple[list[str], Record | None, Record | None, Record]:
        if past.object_type == "activity.call":
            call = self.store.calls.from_the_start(past.number)
            return [], call_as_json(call, origin="https://api.close.com"), None, {}
        if past.action == "deleted":
            return [], None, _gone(header["object_id"], past), {}
        lead = lead_as_json(self.store.leads.from_the_start(self._lead_behind(past)))
        if past.action == "merged":
            source = lead_id_of(past.number)
            meta = {
                "merge_source_lead_id": source,
                "merge_destination_lead_id": header["lead_id"],
            }
            return [], lead, None, meta
        if past.action == "created":
            return [], lead, None, {}
        before = next(one for one in STATUS_LABELS if one != lead["status_id"])
        previous = {"status_id": before, "status_label": STATUS_LABELS[before]}
        return list(previous), lead, previous, {}


@dataclass(frozen=True)
class _Place:
    """Where a page starts, and between which times everything lies."""

    low: int = 0
    high: int = 2**62
    before: Key | None = None
    after: Key | None = None

    @classmethod
    def first(cls, query: Mapping[str, str]) -> "_Place":
        low, high = 0, 2**62
        for name, shift in (("gt", 1), ("gte", 0)):
            if value := query.get(f"date_updated__{name}"):
                low = max(low, _bound(name, value) + shift)
        for name, shift in (("lt", -1), ("lte", 0)):
            if value := query.get(f"date_updated__{name}"):
                high = min(high, _bound(name, value) + shift)
        return cls(low, high)

    @classmethod
    def read(cls, cursor: str) -> "_Place":
        try:
            low, high, *keys = json.loads(base64.urlsafe_b64decode(cursor))
            before, after = (key and (int(key[0]), int(key[1])) for key in keys)
            return cls(int(low), int(high), before, after)
        except (ValueError, TypeError, LookupError):
            raise invalid_field("_cursor", "Invalid cursor") from None

    def older(self, key: Key) -> str:
        return self._written(key, None)

    def newer(self, key: Key) -> str:
        return self._written(None, key)

    def again(self) -> str | None:
        return self._written(self.before, self.after) if self.after is not None else None

    def _written(self, before: Key | None, after: Key | None) -> str:
        place = [self.low, self.high, before, after]
        return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def _bound(name: str, value: str) -> int:
    try:
        return whole_microseconds(_instant(value.replace(" ", "+")))
    except ValueError:
        raise invalid_field(f"date_updated__{name}", "Input should be a valid datetime") from None


def _at(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _without_offset(at: datetime) -> str:
    return timestamp(at).removesuffix("+00:00")


def _past_id(past: _Past) -> str:
    subject = f"{past.object_type}.{past.action}:{past.number}"
    return f"ev_{hashlib.blake2b(subject.encode(), digest_size=11).hexdigest()}"


def _past_user(past: _Past) -> str:
    return USERS[past.number % len(USERS)].id


def _gone(lead_id: str, past: _Past) -> Record:
    status = list(STATUS_LABELS)[past.number % len(STATUS_LABELS)]
    return {
        "id": lead_id,
        "display_name": f"Duplicate {past.number - _FIRST_GONE}",
        "name": f"Duplicate {past.number - _FIRST_GONE}",
        "status_id": status,
        "status_label": STATUS_LABELS[status],
        "organization_id": ORGANIZATION_ID,
    }
