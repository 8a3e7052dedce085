"""The lists of leads, contacts and calls: which ones, in which order, and one page of them."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from mission_control_sandbox.close.collection import Key
from mission_control_sandbox.close.errors import RefusalError, invalid_field
from mission_control_sandbox.close.organization import STATUS_IDS
from mission_control_sandbox.close.paging import (
    LARGEST_SKIP,
    LARGEST_SKIP_OF_ACTIVITIES,
    Query,
    cut_down,
    envelope,
    listed,
    wanted_fields,
    whole,
)
from mission_control_sandbox.close.records import (
    Record,
    call_as_json,
    contact_as_json,
    lead_as_json,
    microseconds,
    user_of_call,
    whole_microseconds,
)
from mission_control_sandbox.close.store import Store
from mission_control_sandbox.world import conversations

MOST_LEADS, MOST_CONTACTS, MOST_CALLS, USUAL = 200, 100, 100, 100
FOREVER = 2**62


@dataclass(frozen=True)
class Between:
    """Microseconds from `low` on and before `high`."""

    low: int = -FOREVER
    high: int = FOREVER

    def slice_of(self, keys: list[Key]) -> list[Key]:
        return keys[bisect_left(keys, (self.low, -1)) : bisect_left(keys, (self.high, -1))]

    def holds(self, at: int) -> bool:
        return self.low <= at < self.high

    def narrowed(self, operator: str, at: int) -> "Between":
        match operator:
            case "gt" | ">":
                return Between(max(self.low, at + 1), self.high)
            case "gte" | ">=":
                return Between(max(self.low, at), self.high)
            case "lt" | "<":
                return Between(self.low, min(self.high, at))
            case _:
                return Between(self.low, min(self.high, at + 1))


def between(query: Query, name: str) -> Between:
    """What `date_created__gte` and its like ask for."""
    found = Between()
    for operator in ("gt", "gte", "lt", "lte"):
        key = f"{name}__{operator}"
        if query.get(key):
            found = found.narrowed(operator, _instant(key, query[key]))
    return found


def _instant(name: str, text: str) -> int:
    try:
        # A plus sign that nobody escaped arrives as a space.
        at = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise invalid_field(name, "Input should be a valid datetime") from None
    return whole_microseconds(at if at.tzinfo else at.replace(tzinfo=UTC))


# ---------------------------------------------------------------- leads


def leads_page(store: Store, query: Query) -> Record:
    limit = whole(query, "_limit", USUAL, largest=MOST_LEADS)
    skip = whole(query, "_skip", 0, largest=LARGEST_SKIP)
    keys = _lead_keys(store, query)
    fields = wanted_fields(query)
    records = (store.leads.listed(number) for _, number in keys[skip : skip + limit])
    shown = [cut_down(lead_as_json(record), fields) for record in records if record is not None]
    return envelope(shown, has_more=skip + limit < len(keys), total=len(keys))


def _lead_keys(store: Store, query: Query) -> list[Key]:
    """Which leads, in the order of the answer; by default the last changed first."""
    ids = listed(query, "id__in")
    if ids is not None:
        return [(0, number) for number in _numbers_of(store, ids)]
    if query.get("query"):
        return _Phrase.read(query["query"]).keys(store)
    return store.leads.order("date_updated")[::-1]


def _numbers_of(store: Store, ids: Iterable[str]) -> list[int]:
    """Those that are there; the others are passed over."""
    found: list[int] = []
    for lead_id in dict.fromkeys(ids):
        with suppress(RefusalError):
            number = store.lead_number(lead_id)
            if store.leads.listed(number) is not None:
                found.append(number)
    return found


@dataclass(frozen=True)
class _Phrase:
    """The deprecated query language, as far as it is understood; the rest is passed over."""

    times: tuple[tuple[str, Between], ...]
    status: str | None
    part: tuple[int, int]
    sort: str
    ascending: bool

    @classmethod
    def read(cls, text: str) -> "_Phrase":
        bounds: dict[str, Between] = {}
        for name, operator, value in _TIME.findall(text):
            key = name if name.startswith("date_") else f"date_{name}"
            at = _instant("query", value)
            bounds[key] = bounds.get(key, Between()).narrowed(operator, at)
        status, part, sort = _STATUS.search(text), _SLICE.search(text), _SORT.search(text)
        name = sort[2] if sort else "date_updated"
        return cls(
            times=tuple(bounds.items()),
            status=status[1] if status else None,
            part=(int(part[1]), int(part[2])) if part else (0, 1),
            sort=name if name.startswith("date_") else f"date_{name}",
            ascending=bool(sort and not sort[1]),
        )

    def keys(self, store: Store) -> list[Key]:
        keys = list(store.leads.order(self.sort))
        for name, bounds in self.times:
            if name == self.sort:
                keys = bounds.slice_of(keys)
            else:
                there = {number for _, number in bounds.slice_of(store.leads.order(name))}
                keys = [key for key in keys if key[1] in there]
        which, of = self.part
        if of > 1:
            keys = [key for key in keys if key[1] % of == which]
        if self.status is not None:
            wanted = STATUS_IDS.get(self.status)
            keys = [key for key in keys if _status_of(store, key[1]) == wanted]
        return keys if self.ascending else keys[::-1]


_TIME = re.compile(
    r"\b(date_created|date_updated|created|updated)\s*(>=|<=|>|<)\s*\"?([0-9][0-9T:.+Z-]*)\"?"
)
_STATUS = re.compile(r"\bstatus:\s*\"([^\"]+)\"")
_SLICE = re.compile(r"\bslice:(\d+)/(\d+)")
_SORT = re.compile(r"\bsort:(-?)(date_created|date_updated|created|updated)")


def _status_of(store: Store, number: int) -> str | None:
    record = store.leads.listed(number)
    return record["status_id"] if record else None


# ---------------------------------------------------------------- contacts


def contacts_page(store: Store, query: Query) -> Record:
    limit = whole(query, "_limit", USUAL, largest=MOST_CONTACTS)
    skip = whole(query, "_skip", 0, largest=LARGEST_SKIP)
    fields = wanted_fields(query)
    found = _contacts(store, query, skip, skip + limit + 1)
    shown = [cut_down(contact_as_json(one), fields) for one in found[:limit]]
    return envelope(shown, has_more=len(found) > limit)


def _contacts(store: Store, query: Query, first: int, last: int) -> list[Record]:
    ids, leads = listed(query, "id__in"), listed(query, "lead_id")
    if ids is not None:
        return _there(store.contact, ids)[first:last]
    if leads is not None:
        records = map(store.leads.listed, _numbers_of(store, leads))
        contacts = [contact for lead in records if lead is not None for contact in lead["contacts"]]
        return contacts[first:last]
    found: list[Record] = []
    for number, place in store.leads.order("contacts")[first:last]:
        lead = store.leads.listed(number)
        if lead is not None:
            found.append(lead["contacts"][place])
    return found


# ---------------------------------------------------------------- calls


def calls_page(store: Store, query: Query, *, origin: str) -> Record:
    limit = whole(query, "_limit", USUAL, largest=MOST_CALLS)
    skip = whole(query, "_skip", 0, largest=LARGEST_SKIP_OF_ACTIVITIES)
    fields = wanted_fields(query)
    keys = _ordered_call_keys(store, query)
    records = (store.calls.listed(number) for _, number in keys[skip : skip + limit])
    shown = [
        shown_call(store, record, fields, origin=origin) for record in records if record is not None
    ]
    return envelope(shown, has_more=skip + limit < len(keys))


def shown_call(
    store: Store, record: Record, fields: Sequence[str] | None, *, origin: str
) -> Record:
    """Transcripts only where they are asked for by name, as they are costly to load."""
    whole_call = call_as_json(record, origin=origin)
    if fields is None:
        return whole_call
    if "recording_transcript" in fields:
        whole_call["recording_transcript"] = store.transcript(record)
    if "voicemail_transcript" in fields:
        whole_call["voicemail_transcript"] = None
    return cut_down(whole_call, fields)


def _ordered_call_keys(store: Store, query: Query) -> list[Key]:
    keys, tests = _call_keys(store, query), _call_tests(store, query)
    if tests:
        keys = [key for key in keys if all(test(key) for test in tests)]
    return keys if query.get("_order_by") in ("date_created", "activity_at") else keys[::-1]


def _call_keys(store: Store, query: Query) -> list[Key]:
    """The calls that may be meant, by the time of their creation."""
    created = between(query, "date_created")
    ids, leads = listed(query, "id__in"), listed(query, "lead_id")
    if ids is None and leads is None:
        return created.slice_of(store.calls.order("date_created"))
    if ids is not None:
        records = _there(store.call, ids)
    else:
        numbers = (number for lead_id in leads or () for number in store.calls_of(lead_id))
        records = [one for one in map(store.calls.listed, numbers) if one is not None]
    keys = sorted({(microseconds(one["date_created"]), one["number"]) for one in records})
    return created.slice_of(keys)


def _call_tests(store: Store, query: Query) -> list[Callable[[Key], bool]]:
    """What a call must pass besides the time of its creation."""
    tests: list[Callable[[Key], bool]] = []
    active = between(query, "activity_at")
    users, contacts = listed(query, "user_id"), listed(query, "contact_id")
    if active != Between():
        tests.append(lambda key: active.holds(_active_at(store, key)))
    if users is not None:
        tests.append(lambda key: _user_of_call(store, key[1]) in users)
    if contacts is not None:
        tests.append(lambda key: _contact_of_call(store, key[1]) in contacts)
    return tests


def _contact_of_call(store: Store, number: int) -> str | None:
    record = store.calls.listed(number)
    return record["contact_id"] if record else None


def _user_of_call(store: Store, number: int) -> str | None:
    if number in store.calls.changed:
        record = store.calls.listed(number)
        return record["user_id"] if record else None
    logged = number in conversations.logged_indices(store.world.people)
    return user_of_call(number, external=logged)


def _active_at(store: Store, key: Key) -> int:
    changed = store.calls.changed.get(key[1])
    return microseconds(changed["activity_at"]) if changed else key[0]


def _there(read: Callable[[str], Record], ids: Iterable[str]) -> list[Record]:
    """Those of these records that there are."""
    found: list[Record] = []
    for one in ids:
        with suppress(RefusalError):
            found.append(read(one))
    return found
