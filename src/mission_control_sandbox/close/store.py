"""What the organization has stored: leads with their contacts, calls, and the log of what happened to them."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from mission_control.core.clock import utc_now
from mission_control_sandbox.close.collection import Collection, Key, Order
from mission_control_sandbox.close.earlier_events import EarlierEvents
from mission_control_sandbox.close.errors import RefusalError, StandInError, not_found
from mission_control_sandbox.close.events import EventLog
from mission_control_sandbox.close.journal import Journal, Line
from mission_control_sandbox.close.records import (
    Record,
    microseconds,
    transcript,
    whole_microseconds,
)
from mission_control_sandbox.close.world import World
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.people import (
    has_other_contact,
    index_of,
    person_of_contact,
    person_of_lead,
)

# Made here, not in the world: numbers from which no index of the world's can come.
FIRST_MADE = 100_000_000
FIRST_MADE_CONTACT = 3_000_000_000


@dataclass
class Store:
    """Everything stored. Reads are plain; every write logs its event and notes it in the journal.

    Attributes:
        world: What there is from the start.
        now: Asked for the time of every write, and for what the lag has let through.
    """

    world: World
    journal: Journal
    lag: timedelta = timedelta()
    now: Callable[[], datetime] = utc_now
    events: EventLog = field(init=False)
    leads: Collection = field(init=False)
    calls: Collection = field(init=False)
    also_kept: Callable[[], Sequence[Line]] = list  # what others keep in the same journal
    made: int = 0
    _home: dict[str, int] = field(default_factory=dict[str, int])
    _calls_of: dict[str, set[int]] = field(default_factory=dict[str, "set[int]"])

    def __post_init__(self) -> None:
        world = self.world
        self.leads = Collection(
            world.lead,
            world.has_lead,
            self.now,
            {
                "date_created": self._by_time("date_created", 0),
                "date_updated": self._by_time("date_updated", 1),
                "contacts": Order(lambda: range(world.people), _contact_keys, _keys_of_contacts),
            },
            self.lag,
        )
        self.calls = Collection(
            world.call,
            world.has_call,
            self.now,
            {"date_created": Order(world.call_numbers, self._call_key, _keys_of_call)},
            self.lag,
        )
        self.events = EventLog(self.now, self.journal.note, EarlierEvents(world))
        self._restore(self.journal.read())

    # ------------------------------------------------------------ reading

    def lead_number(self, lead_id: str) -> int:
        """Raises: RefusalError: 404 if there never was such a lead."""
        number = person_of_lead(lead_id)
        if number is None or not (self.leads.knows(number) or number in self.leads.changed):
            raise not_found("Lead")
        return number

    def lead(self, lead_id: str) -> Record:
        """One lead as it is now, the lists' lag left aside."""
        return found(self.leads.read(self.lead_number(lead_id)), "Lead")

    def contact(self, contact_id: str) -> Record:
        return contact_in(self.leads.read(self._lead_of_contact(contact_id)), contact_id)

    def call(self, call_id: str) -> Record:
        return found(self.calls.read(self._call_number(call_id)), "Call")

    def calls_of(self, lead_id: str, *, listed: bool = True) -> list[int]:
        """The calls of one lead, newest first."""
        of = self.calls.listed if listed else self.calls.current
        there: Iterable[int] = ()
        index = person_of_lead(lead_id)
        if index is not None and self.leads.knows(index):
            there = conversations.indices_of_person(index, self.world.people)
        candidates = {*filter(self.world.has_call, there), *self._calls_of.get(lead_id, ())}
        records = ((number, of(number)) for number in candidates)
        own = [
            (record["date_created"], number)
            for number, record in records
            if record is not None and record["lead_id"] == lead_id
        ]
        return [number for _, number in sorted(own, reverse=True)]

    def transcript(self, call: Record) -> Record | None:
        """What was said in a call, where Close would have transcribed it."""
        if call.get("world_call") is None:
            return None
        said = self.world.conversation(call["world_call"])
        return transcript(call, said, self.world.person(said.person_index))

    def totals(self) -> dict[str, int]:
        leads = (record for record in self.leads.changed.values() if record is not None)
        touched = sum(number < self.world.people for number in self.leads.changed)
        untouched = self.world.people - touched
        contacts = sum(len(record["contacts"]) for record in leads)
        contacts += untouched + sum(
            has_other_contact(index)
            for index in range(self.world.people)
            if index not in self.leads.changed
        )
        return {
            "leads": self.leads.count(self.world.people),
            "contacts": contacts,
            "calls": self.calls.count(sum(1 for _ in self.world.call_numbers())),
            "events": self.events.count(),
        }

    # ------------------------------------------------------------ what is really stored

    def current_lead(self, lead_id: object, name: str = "") -> Record:
        number = person_of_lead(lead_id) if isinstance(lead_id, str) else None
        record = None if number is None else self.leads.current(number)
        if record is None and name:
            raise RefusalError(404, {"errors": [f"{name} does not exist."]})
        return copy.deepcopy(found(record, "Lead"))

    def current_contact(self, contact_id: str) -> Record:
        return contact_in(self.leads.current(self._lead_of_contact(contact_id)), contact_id)

    def current_call(self, call_id: str) -> Record:
        return found(self.calls.current(self._call_number(call_id)), "Call")

    def _lead_of_contact(self, contact_id: str) -> int:
        if contact_id in self._home:
            return self._home[contact_id]
        index = person_of_contact(contact_id)
        if index is None or not self.leads.knows(index):
            raise not_found("Contact")
        return index

    def _call_number(self, call_id: str) -> int:
        number = index_of("acti", call_id)
        if number is None or not (self.world.has_call(number) or number in self.calls.changed):
            raise not_found("Call")
        return number

    def delete_call(self, call: Record) -> None:
        self._note("call", call["number"], None)
        self.calls.put(call["number"], None)

    def delete_lead(self, lead: Record) -> None:
        self._note("lead", lead["number"], None)
        self.leads.put(lead["number"], None)

    def put_lead(self, record: Record) -> None:
        self._note("lead", record["number"], record)
        self._remember_contacts(record)
        self.leads.put(record["number"], record)

    def put_call(self, record: Record) -> None:
        self._note("call", record["number"], record)
        self._calls_of.setdefault(record["lead_id"], set()).add(record["number"])
        self.calls.put(record["number"], record)

    def _remember_contacts(self, lead: Record) -> None:
        self._home |= {contact["id"]: lead["number"] for contact in lead["contacts"]}

    def new_number(self) -> int:
        self.made += 1
        return FIRST_MADE + self.made

    def _call_key(self, number: int) -> Sequence[Key]:
        return ((whole_microseconds(self.world.call_created_at(number)), number),)

    def _by_time(self, name: str, place: int) -> Order:
        return Order(
            lambda: range(self.world.people),
            lambda number: ((self.world.times(number)[place], number),),
            lambda record: ((microseconds(record[name]), record["number"]),),
        )

    # ------------------------------------------------------------ over restarts

    def _note(self, kind: str, number: int, record: Record | None) -> None:
        self.journal.note({"kind": kind, "number": number, "record": record, "made": self.made})

    def _restore(self, lines: list[Line]) -> None:
        if lines:
            self._check(lines[0])
        for line in lines[1:]:
            self._restore_line(line)
        self.journal.rewrite(self.lines())

    def _check(self, header: Line) -> None:
        if header["people"] != self.world.people:
            raise StandInError(
                f"{self.journal.path} was made for {header['people']} people, not {self.world.people}. "
                "Nothing was changed; move it away to start afresh."
            )
        self.world.today = date.fromisoformat(header["today"])

    def _restore_line(self, line: Line) -> None:
        number, record = line.get("number", 0), line.get("record")
        self.made = max(self.made, line.get("made", 0), number - FIRST_MADE)
        match line["kind"]:
            case "lead":
                self.leads.restore(number, record)
                if record:
                    self._remember_contacts(record)
            case "call":
                self.calls.restore(number, record)
                if record:
                    self._calls_of.setdefault(record["lead_id"], set()).add(number)
            case "event":
                self.events.restore(line["event"])
            case _:
                pass

    def header(self) -> Line:
        return {
            "stand_in": "close",
            "today": self.world.today.isoformat(),
            "people": self.world.people,
        }

    def lines(self) -> Iterator[Line]:
        """All that a new process has to know."""
        yield {
            "stand_in": "close",
            "today": self.world.today.isoformat(),
            "people": self.world.people,
        }
        yield {"kind": "made", "made": self.made}
        yield from self.also_kept()
        for kind, collection in (("lead", self.leads), ("call", self.calls)):
            for number, record in collection.changed.items():
                yield {"kind": kind, "number": number, "record": record}
        yield from ({"kind": "event", "event": event} for event in self.events.happened())


def found(record: Record | None, kind: str) -> Record:
    if record is None:
        raise not_found(kind)
    return record


def contact_in(lead: Record | None, contact_id: str) -> Record:
    contacts: list[Record] = lead["contacts"] if lead else []
    return found(next((one for one in contacts if one["id"] == contact_id), None), "Contact")


def _contact_keys(index: int) -> Sequence[Key]:
    return ((index, 0), (index, 1)) if has_other_contact(index) else ((index, 0),)


def _keys_of_contacts(lead: Record) -> Sequence[Key]:
    return [(lead["number"], place) for place in range(len(lead["contacts"]))]


def _keys_of_call(record: Record) -> Sequence[Key]:
    return ((microseconds(record["date_created"]), record["number"]),)
