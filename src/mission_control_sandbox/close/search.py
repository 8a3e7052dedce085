"""Advanced Filtering: a tree of conditions, a sort, and a cursor that lives for half a minute."""

import asyncio
import base64
import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from mission_control_sandbox.close.conditions import (
    Candidate,
    Conditions,
    Holds,
    Node,
    at_hand,
    field_name,
    value_of,
)
from mission_control_sandbox.close.errors import invalid_search
from mission_control_sandbox.close.paging import cut_down
from mission_control_sandbox.close.records import (
    Record,
    contact_as_json,
    lead_as_json,
    whole_microseconds,
)
from mission_control_sandbox.close.store import Store
from mission_control_sandbox.world.people import lead_id_of

LARGEST_PAGE, DEFAULT_PAGE = 200, 100
MOST_OBJECTS = 10_000
CURSOR_LIFE = timedelta(seconds=30)
BREATH = 200  # candidates looked at before other requests get their turn

SortKey = tuple[Any, ...]


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
            "data": [self._shown(candidate) for _, candidate in shown],
            "cursor": self._cursor(done + len(shown), shown[-1][0]) if more else None,
        }
        if self.body.get("include_counts"):
            total = await self._count()
            answer["count"] = {"limited": min(total, most), "total": total}
        return answer

    # ------------------------------------------------------------ finding

    async def _first(self, wanted: int, after: SortKey | None) -> list[tuple[SortKey, Candidate]]:
        found: list[tuple[SortKey, Candidate]] = []
        if wanted == 1 and self.body.get("results_limit") == 0:
            return found
        seen = 0
        async for key, candidate in self._sorted(after):
            seen += 1
            if seen % BREATH == 0:
                await asyncio.sleep(0)
            if self.holds(candidate):
                found.append((key, candidate))
                if len(found) == wanted:
                    break
        return found

    async def _count(self) -> int:
        total = 0
        for seen, (_, candidate) in enumerate(self._in_time_order(None, Sort())):
            total += self.holds(candidate)
            if seen % BREATH == 0:
                await asyncio.sleep(0)
        return total

    async def _sorted(self, after: SortKey | None) -> AsyncIterator[tuple[SortKey, Candidate]]:
        if self.sort.by_time and self.object_type == "lead":
            for pair in self._in_time_order(after, self.sort):
                yield pair
            return
        everything = list(self._in_time_order(None, Sort()))
        keyed: list[tuple[SortKey, Candidate]] = []
        for seen, (_, candidate) in enumerate(everything):
            if seen % BREATH == 0:
                await asyncio.sleep(0)
            if self.holds(candidate):
                keyed.append((self._sort_key(candidate), candidate))
        keyed.sort(key=lambda pair: pair[0], reverse=self.sort.descending)
        for key, candidate in keyed:
            if after is None or (key < after if self.sort.descending else key > after):
                yield key, candidate

    def _sort_key(self, candidate: Candidate) -> SortKey:
        value = value_of(candidate, self.sort.name)
        kind = 0 if value is None else 1 if isinstance(value, int | float) else 2
        return (kind, value if kind else 0, candidate.number, candidate.record["id"])

    def _in_time_order(
        self, after: SortKey | None, sort: Sort
    ) -> Iterator[tuple[SortKey, Candidate]]:
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
            candidate = self._lead(key[1])
            if candidate is not None:
                yield key, candidate

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

    def _lead(self, number: int) -> Candidate | None:
        collection = self.store.leads
        if collection.knows(number) and number not in collection.changed:
            make = lambda: collection.from_the_start(number)  # noqa: E731
            return Candidate("lead", number, make, self.store.world.times(number))
        record = collection.listed(number)
        return None if record is None else Candidate("lead", number, at_hand(record))

    def _contacts(self) -> Iterator[tuple[SortKey, Candidate]]:
        for number, place in list(self.store.leads.order("contacts")):
            lead = self.store.leads.listed(number)
            if lead is not None and place < len(lead["contacts"]):
                contact = lead["contacts"][place]
                yield (number, place), Candidate("contact", number, at_hand(contact))

    # ------------------------------------------------------------ answering

    def _shown(self, candidate: Candidate) -> Record:
        # The id of a lead is known without making its record.
        own = (
            candidate.record["id"]
            if self.object_type == "contact"
            else lead_id_of(candidate.number)
        )
        head = {"__object_type": self.object_type, "id": own}
        wanted = self.body.get("_fields")
        fields = cast("Node", wanted).get(self.object_type) if isinstance(wanted, dict) else None
        if not isinstance(fields, list):
            return head
        as_json = lead_as_json if self.object_type == "lead" else contact_as_json
        return {
            **head,
            **cut_down(as_json(candidate.record), map(str, cast("list[object]", fields))),
        }

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
    object_type, name = field_name(sort["field"])
    return Sort(name, object_type, descending=sort.get("direction") == "desc")


def _whole(body: Node, name: str, default: int, largest: int) -> int:
    given = body.get(name, default)
    if not isinstance(given, int) or isinstance(given, bool) or given < 0:
        raise invalid_search(name, "Input should be a valid integer")
    if given > largest:
        raise invalid_search(name, f"Input should be less than or equal to {largest}")
    return given
