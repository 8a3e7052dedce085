"""The world as Close has it from the start: which leads and calls there are before anybody writes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from itertools import chain

from mission_control_sandbox.close.records import (
    Record,
    call_record,
    lead_record,
    whole_microseconds,
)
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.conversations import Conversation, conversation
from mission_control_sandbox.world.people import Person, person, times

# A call is often asked for twice: for what it was, and for what was said.
_person = lru_cache(maxsize=512)(person)
_conversation = lru_cache(maxsize=256)(conversation)


@dataclass
class World:
    """What is computed, not stored.

    Attributes:
        people: How many leads there are.
        today: The day that it is seen from.
    """

    people: int
    today: date
    _times: list[tuple[int, int]] = field(default_factory=list["tuple[int, int]"])

    def has_lead(self, number: int) -> bool:
        return 0 <= number < self.people

    def person(self, index: int) -> Person:
        return _person(index, today=self.today)

    def conversation(self, index: int) -> Conversation:
        return _conversation(index, today=self.today, people=self.people)

    def lead(self, number: int) -> Record:
        return lead_record(self.person(number))

    def call(self, number: int) -> Record:
        call = self.conversation(number)
        return call_record(call, self.person(call.person_index))

    def has_call(self, number: int) -> bool:
        """Whether this call of the world's is in Close."""
        return number in conversations.close_indices(
            self.people
        ) or number in conversations.logged_indices(self.people)

    def call_numbers(self) -> Iterator[int]:
        logged = conversations.logged_indices(self.people)
        return chain(logged, conversations.close_indices(self.people))

    def call_created_at(self, number: int) -> datetime:
        return conversations.created_at(number, today=self.today, people=self.people)

    def calls_since(self, since: datetime) -> Iterator[tuple[datetime, int]]:
        """The calls that were there from the start, as far back as this."""
        for number in self.call_numbers():
            at = self.call_created_at(number)
            if at >= since:
                yield at, number

    def times(self, number: int) -> tuple[int, int]:
        """When a lead of the world's was created and last changed, in microseconds."""
        if not self._times:
            found = (times(index, today=self.today) for index in range(self.people))
            self._times = [(whole_microseconds(a), whole_microseconds(b)) for a, b in found]
        return self._times[number]
