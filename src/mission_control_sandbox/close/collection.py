"""What is stored of one kind: computed from the world until somebody changes it."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mission_control_sandbox.close.records import Record

Key = tuple[int, int]


@dataclass
class Order:
    """The keys of everything listed, ascending. Sorted once, at the first question."""

    numbers: Callable[[], Iterable[int]]
    keys_from_the_start: Callable[[int], Sequence[Key]]
    keys_of: Callable[[Record], Sequence[Key]]
    _changed: dict[int, Sequence[Key]] = field(default_factory=dict[int, Sequence[Key]])
    _keys: list[Key] | None = None

    def keys(self) -> list[Key]:
        """Not to be changed, and only good until the next write."""
        if self._keys is None:
            untouched = (number for number in self.numbers() if number not in self._changed)
            found = [key for number in untouched for key in self.keys_from_the_start(number)]
            found += [key for keys in self._changed.values() for key in keys]
            self._keys = sorted(found)
        return self._keys

    def replace(self, number: int, record: Record | None, *, known_from_the_start: bool) -> None:
        new = () if record is None else self.keys_of(record)
        if self._keys is not None:
            first = self.keys_from_the_start(number) if known_from_the_start else ()
            for key in self._changed.get(number, first):
                del self._keys[bisect_left(self._keys, key)]
            for key in new:
                insort(self._keys, key)
        self._changed[number] = new


@dataclass
class Collection:
    """Records by number. A write is seen at once by number, and in lists after the lag.

    Attributes:
        from_the_start: The record that the world gives, or None for a number it does not know.
        knows: Whether the world has this number.
    """

    from_the_start: Callable[[int], Record]
    knows: Callable[[int], bool]
    now: Callable[[], datetime]
    orders: dict[str, Order]
    lag: timedelta = timedelta()
    changed: dict[int, Record | None] = field(default_factory=dict[int, Record | None])
    _listed: dict[int, Record | None] = field(default_factory=dict[int, Record | None])
    _waiting: deque[tuple[datetime, int, Record | None]] = field(
        default_factory=deque[tuple[datetime, int, "Record | None"]]
    )

    def current(self, number: int) -> Record | None:
        """What is really stored. Not to be changed in place."""
        if number in self.changed:
            return self.changed[number]
        return self.from_the_start(number) if self.knows(number) else None

    def read(self, number: int) -> Record | None:
        """What a read of this one record answers: a deleted one lives on while the lag lasts."""
        return self.current(number) or self.listed(number)

    def listed(self, number: int) -> Record | None:
        """What lists and searches say."""
        self._settle()
        if number in self._listed:
            return self._listed[number]
        return self.from_the_start(number) if self.knows(number) else None

    def order(self, name: str) -> list[Key]:
        self._settle()
        return self.orders[name].keys()

    def put(self, number: int, record: Record | None) -> None:
        self.changed[number] = record
        self._waiting.append((self.now() + self.lag, number, record))
        self._settle()

    def restore(self, number: int, record: Record | None) -> None:
        """As it was left by an earlier process; seen everywhere."""
        self.changed[number] = record
        self._list(number, record)

    def count(self, from_the_start: int) -> int:
        """How many there really are."""
        made = sum(
            record is not None and not self.knows(number) for number, record in self.changed.items()
        )
        gone = sum(record is None and self.knows(number) for number, record in self.changed.items())
        return from_the_start + made - gone

    def _settle(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.now():
            _, number, record = self._waiting.popleft()
            self._list(number, record)

    def _list(self, number: int, record: Record | None) -> None:
        self._listed[number] = record
        for order in self.orders.values():
            order.replace(number, record, known_from_the_start=self.knows(number))
