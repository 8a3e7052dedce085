"""The conditions of a search: a tree of tests that a lead or a contact passes or not."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from mission_control_sandbox.close.errors import invalid_search
from mission_control_sandbox.close.organization import FIELDS_BY_ID, KEY_OWNER
from mission_control_sandbox.close.records import Record, microseconds, whole_microseconds

Node = dict[str, Any]

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
class Candidate:
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


Holds = Callable[[Candidate], bool]


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
        return (lambda candidate: not holds(candidate)) if given.get("negate") else holds

    def all_of(self, node: Node) -> Holds:
        parts = [self.read(one) for one in _sequence(node, "queries")]
        return lambda candidate: all(part(candidate) for part in parts)

    def any_of(self, node: Node) -> Holds:
        parts = [self.read(one) for one in _sequence(node, "queries")]
        return lambda candidate: any(part(candidate) for part in parts)

    def object_type(self, node: Node) -> Holds:
        wanted = node.get("object_type")
        if str(wanted) not in _FIELDS:
            raise invalid_search("query", f"Unknown object type '{wanted}'.")
        return lambda candidate: candidate.object_type == wanted

    def identity(self, node: Node) -> Holds:
        wanted = node.get("value")
        return lambda candidate: candidate.record["id"] == wanted

    def text(self, node: Node) -> Holds:
        matches = _text_matcher(node)
        return lambda candidate: matches(_words_of(candidate))

    def related(self, node: Node) -> Holds:
        this, other = node.get("this_object_type"), node.get("related_object_type")
        place = _RELATED.get((str(this), str(other)))
        if place is None:
            raise invalid_search("query", f"'{this}' has no related '{other}'.")
        inner = self.read(node.get("related_query"))

        def holds(candidate: Candidate) -> bool:
            return candidate.object_type == this and any(
                inner(Candidate(str(other), candidate.number, at_hand(one)))
                for one in candidate.record[place]
            )

        return holds

    def field(self, node: Node) -> Holds:
        place, condition = _mapping(node, "field"), _mapping(node, "condition")
        object_type, name = field_name(place)
        accepts = self._condition(condition)

        def holds(candidate: Candidate) -> bool:
            if object_type is not None and candidate.object_type != object_type:
                return False
            value = value_of(candidate, name)
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


def at_hand(record: Record) -> Callable[[], Record]:
    return lambda: record


def field_name(place: Node) -> tuple[str | None, str]:
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


def value_of(candidate: Candidate, name: str) -> Any:
    if name.startswith("custom."):
        return candidate.record["custom"].get(name.removeprefix("custom."))
    return candidate.value(name)


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


def _words_of(candidate: Candidate) -> str:
    record = candidate.record
    contacts = [record] if candidate.object_type == "contact" else record.get("contacts", [])
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
