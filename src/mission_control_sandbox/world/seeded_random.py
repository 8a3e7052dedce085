"""Choices that are random to look at and the same every time: drawn from a hash of a name."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class SeededRandom:
    """Draws from 512 bits: enough for some eighty choices among sixty-four."""

    __slots__ = ("_left",)

    def __init__(self, name: str) -> None:
        self._left = int.from_bytes(blake2b(name.encode()).digest())

    def below(self, bound: int) -> int:
        """A number from 0 to `bound` - 1."""
        self._left, drawn = divmod(self._left, bound)
        return drawn

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent

    def one(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def some(self, choices: Sequence[T], number: int) -> list[T]:
        """Different ones, in a drawn order."""
        left = list(choices)
        return [left.pop(self.below(len(left))) for _ in range(min(number, len(left)))]
