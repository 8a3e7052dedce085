"""Advanced Filtering: a tree of conditions, a sort, and a cursor that lives for half a minute."""

import asyncio
import base64
import hashlib
import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from mission_control_sandbox.close.errors import invalid_search
from mission_control_sandbox.close.organization import FIELDS_BY_ID, KEY_OWNER
from mission_control_sandbox.close.paging import cut_down
from mission_control_sandbox.close.records import (
    Record,
    contact_as_json,
    lead_as_json,
    microseconds,
    whole_microseconds,
)
from mission_control_sandbox.close.store import Store
from mission_control_sandbox.world.people import lead_id_of

LARGEST_PAGE, DEFAULT_PAGE = 200, 100
MOST_OBJECTS = 10_000
CURSOR_LIFE = timedelta(seconds=30)
BREATH = 200  # subjects looked at before other requests get their turn

Node = dict[str, Any]
SortKey = tuple[Any, ...]

_LEAD_FIELDS = {
    *("id", "name", "display_name", "description", "url", "status_id", "date_created"),
    *("date_updated", "created_by", "updated_by", "addresses_count", "contacts_count"),
}
_CONTACT_FIELDS = {
    *("id", "name", "title", "lead_id", "emails_count", "phones_count", "date_created"),
    *("date_updated", "created_by", "updated_by"),
}
_FIELDS = {
    "lead": _LEAD_FIELDS,
    "contact": _CONTACT_FIELDS,
    "contact_phone": {"phone", "type"},
    "contact_email": {"email", "type"},
    "contact_url": {"url", "type"},
    "address": {"label", "address_1", "address_2", "city", "state", "zipcode", "country"},
}
_RELATED = {
    ("lead", "contact"): "contacts",
    ("lead", "address"): "addresses",
    ("contact", "contact_phone"): "phones",
    ("contact", "contact_email"): "emails",
    ("contact", "contact_url"): "urls",
}


# ---------------------------------------------------------------- what is searched


@dataclass
class Subject:
    """Something that may match; its record is only made if a condition asks for more than times."""

    object_type: str
    number: int
    make: Callable[[], Record]
    times: tuple[int, int] | None = None
    _record: Record | None = None

    @property
    def record(self) -> Record:
        if self._record is None:
            self._record = self.make()
        return self._record

    def value(self, name: str) -> Any:
        if name in ("date_created", "date_updated"):
            return self.time(name)
        if name.endswith("_count"):
            return len(self.record.get(name.removesuffix("_count"), ()))
        return self.record.get(name)

    def time(self, name: str) -> int:
        if self.times is not None:
            return self.times[0 if name == "date_created" else 1]
        return microseconds(self.record[name])


Holds = Callable[[Subject], bool]


# ---------------------------------------------------------------- conditions


@dataclass(frozen=True)
class Conditions:
    """Reads the tree of a query.

    Attributes:
        offset: What the caller's `x-tz-offset` adds to UTC; local days begin by it.
    """

    offset: timedelta = timedelta()

    def read(self, node: object) -> Holds:
        """Raises: RefusalError: 400 for a node that is not one."""
        if not isinstance(node, dict) or not isinstance(node.get("type"), str):  # pyright: ignore[reportUnknownMemberType]
            raise invalid_search("query", "Every node needs a type.")
        given = cast("Node", node)
        reader = _READERS.get(given["type"])
        if reader is None:
            raise invalid_search("query", f"Unknown query type '{given['type']}'.")
        holds = reader(self, given)
        return (lambda subject: not holds(subject)) if given.get("negate") else holds

    def all_of(self, node: Node) -> Holds:
        parts = [self.read(one) for one in _sequence(node, "queries")]
        return lambda subject: all(part(subject) for part in parts)

    def any_of(self, node: Node) -> Holds:
        parts = [self.read(one) for one in _sequence(node, "queries")]
        return lambda subject: any(part(subject) for part in parts)

    def object_type(self, node: Node) -> Holds:
        wanted = node.get("object_type")
        if str(wanted) not in _FIELDS:
            raise invalid_search("query", f"Unknown object type '{wanted}'.")
        return lambda subject: subject.object_type == wanted

    def identity(self, node: Node) -> Holds:
        wanted = node.get("value")
        return lambda subject: subject.record["id"] == wanted

    def text(self, node: Node) -> Holds:
        matches = _text_matcher(node)
        return lambda subject: matches(_words_of(subject))

    def related(self, node: Node) -> Holds:
        this, other = node.get("this_object_type"), node.get("related_object_type")
        place = _RELATED.get((str(this), str(other)))
        if place is None:
            raise invalid_search("query", f"'{this}' has no related '{other}'.")
        inner = self.read(node.get("related_query"))

        def holds(subject: Subject) -> bool:
            return subject.object_type == this and any(
                inner(Subject(str(other), subject.number, _given(one)))
                for one in subject.record[place]
            )

        return holds

    def field(self, node: Node) -> Holds:
        place, condition = _mapping(node, "field"), _mapping(node, "condition")
        object_type, name = _field_name(place)
        accepts = self._condition(condition)

        def holds(subject: Subject) -> bool:
            if object_type is not None and subject.object_type != object_type:
                return False
            value = _value(subject, name)
            many = cast("list[Any]", value) if isinstance(value, list) else [value]
            return any(accepts(one) for one in many) if many else accepts(None)

        return holds

    def _condition(self, condition: Node) -> Callable[[Any], bool]:
        kind = condition.get("type")
        if kind == "moment_range":
            low, high = self.bounds(condition)
            return lambda value: value is not None and low <= _moment(value) < high
        reader = _TESTS.get(str(kind))
        if reader is None:
            raise invalid_search("query", f"Unknown condition type '{kind}'.")
        return reader(condition)

    def bounds(self, condition: Node) -> tuple[int, int]:
        """From which microsecond, and before which."""
        unknown = condition.keys() - {"type", "on_or_after", "before"}
        if unknown:
            raise invalid_search("query", f"Unknown bounds {sorted(unknown)}.")
        low = self._bound(condition.get("on_or_after"), -(2**62))
        return low, self._bound(condition.get("before"), 2**62)

    def _bound(self, given: object, otherwise: int) -> int:
        if given is None:
            return otherwise
        moment = cast("Node", given) if isinstance(given, dict) else {}
        if moment.get("type") != "fixed_local_date":
            raise invalid_search("query", f"Unknown moment type '{moment.get('type')}'.")
        try:
            day = datetime.fromisoformat(str(moment.get("value"))).replace(tzinfo=UTC)
        except ValueError:
            raise invalid_search("query", "Not a date in the format YYYY-MM-DD.") from None
        if moment.get("which", "start") == "end":
            day += timedelta(days=1)
        return whole_microseconds(day - self.offset)


_READERS: dict[str, Callable[[Conditions, Node], Holds]] = {
    "and": Conditions.all_of,
    "or": Conditions.any_of,
    "object_type": Conditions.object_type,
    "id": Conditions.identity,
    "text": Conditions.text,
    "has_related": Conditions.related,
    "field_condition": Conditions.field,
}


def _text_test(condition: Node) -> Callable[[Any], bool]:
    matches = _text_matcher(condition)
    return lambda value: value is not None and matches(str(value))


def _term_test(condition: Node) -> Callable[[Any], bool]:
    given: Any = condition.get("values") or condition.get("object_ids") or []
    wanted = cast("list[Any]", given) if isinstance(given, list) else [given]
    return lambda value: value in wanted


def _number_range(condition: Node) -> Callable[[Any], bool]:
    tests: dict[str, Callable[[float, float], bool]] = {
        "gt": lambda value, bound: value > bound,
        "gte": lambda value, bound: value >= bound,
        "lt": lambda value, bound: value < bound,
        "lte": lambda value, bound: value <= bound,
    }
    given = [(tests[name], condition[name]) for name in tests if condition.get(name) is not None]
    if not all(isinstance(bound, int | float) for _, bound in given):
        raise invalid_search("query", "The bounds of a number_range must be numbers.")
    return lambda value: (
        isinstance(value, int | float) and all(test(value, bound) for test, bound in given)
    )


_TESTS: dict[str, Callable[[Node], Callable[[Any], bool]]] = {
    "text": _text_test,
    "term": _term_test,
    "reference": _term_test,
    "boolean": lambda condition: lambda value: value is condition.get("value"),
    "current_user": lambda _condition: lambda value: value == KEY_OWNER.id,
    "exists": lambda _condition: lambda value: value not in (None, ""),
    "number_range": _number_range,
}


def _given(record: Record) -> Callable[[], Record]:
    return lambda: record


def _field_name(place: Node) -> tuple[str | None, str]:
    """The object type that a field belongs to, and its name or `custom.cf_…`."""
    if place.get("type") == "custom_field":
        if str(place.get("custom_field_id")) not in FIELDS_BY_ID:
            raise invalid_search("query", "This custom field does not exist.")
        return "lead", f"custom.{place['custom_field_id']}"
    object_type, name = str(place.get("object_type")), str(place.get("field_name"))
    if place.get("type") != "regular_field" or object_type not in _FIELDS:
        raise invalid_search("query", f"Unknown field type '{place.get('type')}'.")
    if name not in _FIELDS[object_type]:
        raise invalid_search("query", f"Field '{name}' does not belong to type '{object_type}'")
    return object_type, "name" if name == "display_name" else name


def _value(subject: Subject, name: str) -> Any:
    if name.startswith("custom."):
        return subject.record["custom"].get(name.removeprefix("custom."))
    return subject.value(name)


def _moment(value: Any) -> int:
    if isinstance(value, int):
        return value
    at = datetime.fromisoformat(str(value))
    return whole_microseconds(at if at.tzinfo else at.replace(tzinfo=UTC))


def _text_matcher(node: Node) -> Callable[[str], bool]:
    """How a text is compared: by whole words in any order unless the mode says otherwise."""
    wanted, mode = str(node.get("value", "")).casefold(), node.get("mode", "full_words")
    words = _words(wanted)
    match mode:
        case "exact_value":
            return lambda text: text.casefold() == wanted
        case "phrase":
            return lambda text: f" {' '.join(words)} " in f" {' '.join(_words(text))} "
        case "beginning_of_words":
            return lambda text: all(
                any(there.startswith(word) for there in _words(text)) for word in words
            )
        case "full_words":
            return lambda text: set(words) <= set(_words(text))
        case _:
            raise invalid_search("query", f"Unknown text mode '{mode}'.")


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _words_of(subject: Subject) -> str:
    record = subject.record
    contacts = [record] if subject.object_type == "contact" else record.get("contacts", [])
    found = [str(record.get(name) or "") for name in ("name", "description", "url", "title")]
    for contact in contacts:
        found += [contact["name"], *(one["email"] for one in contact["emails"])]
        found += [one["phone"] for one in contact["phones"]]
    found += [one["city"] for one in record.get("addresses", [])]
    return " ".join(found)


def _sequence(node: Node, name: str) -> Sequence[object]:
    if not isinstance(node.get(name), list):
        raise invalid_search("query", f"'{name}' must be a list.")
    return node[name]


def _mapping(node: Node, name: str) -> Node:
    if not isinstance(node.get(name), dict):
        raise invalid_search("query", f"'{name}' must be an object.")
    return node[name]


# ---------------------------------------------------------------- one search


@dataclass(frozen=True)
class Sort:
    """By which field, and which way. Equal ones in the order in which they were stored."""

    name: str = "date_updated"
    object_type: str | None = None
    descending: bool = True

    @property
    def by_time(self) -> bool:
        return self.name in ("date_created", "date_updated")


@dataclass
class Search:
    """One request to /data/search/."""

    store: Store
    body: Node
    offset: timedelta = timedelta()
    conditions: Conditions = field(init=False)
    holds: Holds = field(init=False)
    object_type: str = field(init=False)
    sort: Sort = field(init=False)

    def __post_init__(self) -> None:
        self.conditions = Conditions(self.offset)
        self.holds = self.conditions.read(self.body.get("query"))
        self.object_type = _object_type(self.body["query"]) or "lead"
        self.sort = _sort(self.body.get("sort"))
        if self.object_type not in ("lead", "contact"):
            raise invalid_search("query", f"Cannot search for '{self.object_type}'.")

    async def page(self) -> Record:
        limit = _whole(self.body, "_limit", DEFAULT_PAGE, LARGEST_PAGE)
        most = min(_whole(self.body, "results_limit", MOST_OBJECTS, 10**9), MOST_OBJECTS)
        done, after = self._resumed()
        wanted = max(0, min(limit, most - done))
        found = await self._first(wanted + 1, after)
        shown = found[:wanted]
        more = len(found) > wanted and done + wanted < most and bool(shown)
        answer: Record = {
            "data": [self._shown(subject) for _, subject in shown],
            "cursor": self._cursor(done + len(shown), shown[-1][0]) if more else None,
        }
        if self.body.get("include_counts"):
            total = await self._count()
            answer["count"] = {"limited": min(total, most), "total": total}
        return answer

    # ------------------------------------------------------------ finding

    async def _first(self, wanted: int, after: SortKey | None) -> list[tuple[SortKey, Subject]]:
        found: list[tuple[SortKey, Subject]] = []
        if wanted == 1 and self.body.get("results_limit") == 0:
            return found
        seen = 0
        async for key, subject in self._sorted(after):
            seen += 1
            if seen % BREATH == 0:
                await asyncio.sleep(0)
            if self.holds(subject):
                found.append((key, subject))
                if len(found) == wanted:
                    break
        return found

    async def _count(self) -> int:
        total = 0
        for seen, (_, subject) in enumerate(self._in_time_order(None, Sort())):
            total += self.holds(subject)
            if seen % BREATH == 0:
                await asyncio.sleep(0)
        return total

    async def _sorted(self, after: SortKey | None) -> AsyncIterator[tuple[SortKey, Subject]]:
        if self.sort.by_time and self.object_type == "lead":
            for pair in self._in_time_order(after, self.sort):
                yield pair
            return
        everything = list(self._in_time_order(None, Sort()))
        keyed: list[tuple[SortKey, Subject]] = []
        for seen, (_, subject) in enumerate(everything):
            if seen % BREATH == 0:
                await asyncio.sleep(0)
            if self.holds(subject):
                keyed.append((self._sort_key(subject), subject))
        keyed.sort(key=lambda pair: pair[0], reverse=self.sort.descending)
        for key, subject in keyed:
            if after is None or (key < after if self.sort.descending else key > after):
                yield key, subject

    def _sort_key(self, subject: Subject) -> SortKey:
        value = _value(subject, self.sort.name)
        kind = 0 if value is None else 1 if isinstance(value, int | float) else 2
        return (kind, value if kind else 0, subject.number, subject.record["id"])

    def _in_time_order(
        self, after: SortKey | None, sort: Sort
    ) -> Iterator[tuple[SortKey, Subject]]:
        if self.object_type == "contact":
            yield from self._contacts()
            return
        keys = list(self.store.leads.order(sort.name if sort.by_time else "date_updated"))
        low, high = self._narrowed(keys, sort.name)
        if after is not None:
            place = cast("tuple[int, int]", after)
            low = low if sort.descending else max(low, bisect_right(keys, place))
            high = min(high, bisect_left(keys, place)) if sort.descending else high
        possible = self._possible(sort.name)
        for key in reversed(keys[low:high]) if sort.descending else keys[low:high]:
            if possible is not None and key[1] not in possible:
                continue
            subject = self._lead(key[1])
            if subject is not None:
                yield key, subject

    def _possible(self, sorted_by: str) -> set[int] | None:
        """The leads of the days asked for, where the query is about the other time."""
        other = "date_created" if sorted_by == "date_updated" else "date_updated"
        keys = self.store.leads.order(other)
        low, high = self._narrowed(keys, other)
        return None if high - low == len(keys) else {number for _, number in keys[low:high]}

    def _narrowed(self, keys: list[tuple[int, int]], name: str) -> tuple[int, int]:
        """Only the days asked for, where the query requires some of this time."""
        low, high = -(2**62), 2**62
        for node in _required(self.body["query"]):
            place, condition = node.get("field"), node.get("condition")
            if not isinstance(place, dict) or not isinstance(condition, dict):
                continue
            moments = cast("Node", condition)
            if (
                cast("Node", place).get("field_name") == name
                and moments.get("type") == "moment_range"
            ):
                first, last = self.conditions.bounds(moments)
                low, high = max(low, first), min(high, last)
        return bisect_left(keys, (low, -1)), bisect_left(keys, (high, -1))

    def _lead(self, number: int) -> Subject | None:
        collection = self.store.leads
        if collection.knows(number) and number not in collection.changed:
            make = lambda: collection.from_the_start(number)  # noqa: E731
            return Subject("lead", number, make, self.store.times(number))
        record = collection.listed(number)
        return None if record is None else Subject("lead", number, _given(record))

    def _contacts(self) -> Iterator[tuple[SortKey, Subject]]:
        for number, place in list(self.store.leads.order("contacts")):
            lead = self.store.leads.listed(number)
            if lead is not None and place < len(lead["contacts"]):
                contact = lead["contacts"][place]
                yield (number, place), Subject("contact", number, _given(contact))

    # ------------------------------------------------------------ answering

    def _shown(self, subject: Subject) -> Record:
        # The id of a lead is known without making its record.
        own = subject.record["id"] if self.object_type == "contact" else lead_id_of(subject.number)
        head = {"__object_type": self.object_type, "id": own}
        wanted = self.body.get("_fields")
        fields = cast("Node", wanted).get(self.object_type) if isinstance(wanted, dict) else None
        if not isinstance(fields, list):
            return head
        as_json = lead_as_json if self.object_type == "lead" else contact_as_json
        return {**head, **cut_down(as_json(subject.record), map(str, cast("list[object]", fields)))}

    # ------------------------------------------------------------ cursors

    def _cursor(self, done: int, key: SortKey) -> str:
        issued = whole_microseconds(self.store.now())
        written = json.dumps([self._digest(), issued, done, key])
        return base64.urlsafe_b64encode(written.encode()).decode()

    def _resumed(self) -> tuple[int, SortKey | None]:
        """How many were answered before, and after which key to go on."""
        cursor = self.body.get("cursor")
        if not cursor:
            return 0, None
        try:
            digest, issued, done, key = json.loads(base64.urlsafe_b64decode(str(cursor)))
        except (ValueError, TypeError):
            raise invalid_search("cursor", "Invalid cursor") from None
        if digest != self._digest():
            raise invalid_search("cursor", "Invalid cursor")
        if whole_microseconds(self.store.now()) - issued > CURSOR_LIFE.total_seconds() * 1e6:
            raise invalid_search("cursor", "Expired cursor")
        return done, tuple(key)

    def _digest(self) -> str:
        """Of all that has to be the same on every page."""
        same = {key: value for key, value in self.body.items() if key != "cursor"}
        text = json.dumps(same, sort_keys=True).encode()
        return hashlib.blake2b(text, digest_size=8).hexdigest()


def _object_type(node: object) -> str | None:
    """The object type that a query is about: the one that it requires."""
    return next(
        (one.get("object_type") for one in _required(node) if one.get("type") == "object_type"),
        None,
    )


def _required(node: object) -> Iterator[Node]:
    """The node, or the parts that must all hold."""
    if not isinstance(node, dict):
        return
    given = cast("Node", node)
    if given.get("negate"):
        return
    if given.get("type") == "and":
        for part in given["queries"]:
            yield from _required(part)
    else:
        yield given


def _sort(given: object) -> Sort:
    if not given:
        return Sort()
    first = cast("list[Any]", given)[0] if isinstance(given, list) else given
    if not isinstance(first, dict) or not isinstance(first.get("field"), dict):  # pyright: ignore[reportUnknownMemberType]
        raise invalid_search("sort", "Every sort needs a field.")
    sort = cast("Node", first)
    object_type, name = _field_name(sort["field"])
    return Sort(name, object_type, descending=sort.get("direction") == "desc")


def _whole(body: Node, name: str, default: int, largest: int) -> int:
    given = body.get(name, default)
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise invalid_search(name, "Input should be a valid integer")
    if given > largest:
        raise invalid_search(name, f"Input should be less than or equal to {largest}")
    return given
