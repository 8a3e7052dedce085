"""What the organization has stored: leads with their contacts, calls, and the log of what happened to them."""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import chain

from mission_control.core.clock import utc_now
from mission_control_sandbox.close import writing
from mission_control_sandbox.close.collection import Collection, Key, Order
from mission_control_sandbox.close.errors import (
    RefusalError,
    StandInError,
    invalid_field,
    not_found,
)
from mission_control_sandbox.close.events import Author, EventLog, Subject
from mission_control_sandbox.close.journal import Journal, Line
from mission_control_sandbox.close.organization import DEFAULT_STATUS_ID
from mission_control_sandbox.close.records import (
    Record,
    call_as_json,
    call_record,
    contact_as_json,
    contact_record,
    lead_as_json,
    lead_record,
    microseconds,
    timestamp,
    transcript,
    whole_microseconds,
)
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.conversations import Conversation, conversation
from mission_control_sandbox.world.people import (
    Person,
    has_other_contact,
    identifier,
    index_of,
    person,
    person_of_contact,
    person_of_lead,
    times,
)

# Made here, not in the world: numbers from which no index of the world's can come.
FIRST_MADE = 100_000_000
FIRST_MADE_CONTACT = 3_000_000_000


# A call is often asked for twice: for what it was, and for what was said.
_person = lru_cache(maxsize=512)(person)
_conversation = lru_cache(maxsize=256)(conversation)


@dataclass
class Store:
    """Everything stored. Reads are plain; every write logs its event and notes it in the journal.

    Attributes:
        people: How many leads there are from the start.
        today: The day that the world is seen from.
        now: Asked for the time of every write, and for what the lag has let through.
    """

    people: int
    today: date
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
    _times: list[tuple[int, int]] = field(default_factory=list["tuple[int, int]"])

    def __post_init__(self) -> None:
        self.leads = Collection(
            self._world_lead,
            lambda number: 0 <= number < self.people,
            self.now,
            {
                "date_created": self._by_time("date_created", 0),
                "date_updated": self._by_time("date_updated", 1),
                "contacts": Order(lambda: range(self.people), _contact_keys, _keys_of_contacts),
            },
            self.lag,
        )
        self.calls = Collection(
            self._world_call,
            self._is_a_call,
            self.now,
            {"date_created": Order(self._call_numbers, self._call_key, _keys_of_call)},
            self.lag,
        )
        self.events = EventLog(self)
        self._restore(self.journal.read())

    # ------------------------------------------------------------ reading

    def person(self, index: int) -> Person:
        return _person(index, today=self.today)

    def conversation(self, index: int) -> Conversation:
        return _conversation(index, today=self.today, people=self.people)

    def lead_number(self, lead_id: str) -> int:
        """Raises: RefusalError: 404 if there never was such a lead."""
        number = person_of_lead(lead_id)
        if number is None or not (self.leads.knows(number) or number in self.leads.changed):
            raise not_found("Lead")
        return number

    def lead(self, lead_id: str) -> Record:
        """One lead as it is now, the lists' lag left aside."""
        return _found(self.leads.read(self.lead_number(lead_id)), "Lead")

    def contact(self, contact_id: str) -> Record:
        return _contact_in(self.leads.read(self._lead_of_contact(contact_id)), contact_id)

    def call(self, call_id: str) -> Record:
        return _found(self.calls.read(self._call_number(call_id)), "Call")

    def calls_of(self, lead_id: str, *, listed: bool = True) -> list[int]:
        """The calls of one lead, newest first."""
        of = self.calls.listed if listed else self.calls.current
        there: Iterable[int] = ()
        index = person_of_lead(lead_id)
        if index is not None and self.leads.knows(index):
            there = conversations.indices_of_person(index, self.people)
        candidates = {*filter(self._is_a_call, there), *self._calls_of.get(lead_id, ())}
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
        said = self.conversation(call["world_call"])
        return transcript(call, said, self.person(said.person_index))

    def times(self, number: int) -> tuple[int, int]:
        """When a lead of the world's was created and last changed, in microseconds."""
        if not self._times:
            found = (times(index, today=self.today) for index in range(self.people))
            self._times = [(whole_microseconds(a), whole_microseconds(b)) for a, b in found]
        return self._times[number]

    def totals(self) -> dict[str, int]:
        leads = (record for record in self.leads.changed.values() if record is not None)
        touched = sum(number < self.people for number in self.leads.changed)
        untouched = self.people - touched
        contacts = sum(len(record["contacts"]) for record in leads)
        contacts += untouched + sum(
            has_other_contact(index)
            for index in range(self.people)
            if index not in self.leads.changed
        )
        return {
            "leads": self.leads.count(self.people),
            "contacts": contacts,
            "calls": self.calls.count(sum(1 for _ in self._call_numbers())),
            "events": self.events.count(),
        }

    # ------------------------------------------------------------ leads

    def create_lead(self, body: writing.Body, author: Author) -> Record:
        number = self._make()
        at = timestamp(self.now())
        empty: Record = {
            "number": number,
            "id": identifier("lead", number),
            "name": "",
            "description": "",
            "url": None,
            "status_id": DEFAULT_STATUS_ID,
            "addresses": [],
            "contacts": [],
            "custom": {},
            "created_by": author.user_id,
            "updated_by": author.user_id,
            "date_created": at,
            "date_updated": at,
        }
        record = writing.patched_lead(empty, body)
        record["contacts"] = [
            self._new_contact(record["id"], writing.dictionary("contacts", one), author)
            for one in writing.valid_list("contacts", body.get("contacts") or [])
        ]
        self._put_lead(record)
        self.events.created(_lead_subject(record), lead_as_json(record), author)
        return record

    def update_lead(self, lead_id: str, body: writing.Body, author: Author) -> Record:
        before = self._current_lead(lead_id)
        after = writing.patched_lead(before, body)
        if after == before:
            return before
        return self._changed_lead(before, after, author)

    def delete_lead(self, lead_id: str, author: Author) -> None:
        """Takes its contacts and calls with it, an event for each."""
        record = self._current_lead(lead_id)
        for number in self.calls_of(lead_id, listed=False):
            self._delete_call(self.calls.current(number), author)
        for contact in record["contacts"]:
            self.events.deleted(_contact_subject(contact), contact_as_json(contact), author)
        self._gone(record)
        self.events.deleted(_lead_subject(record), lead_as_json(record), author)

    def merge_leads(self, source_id: str, destination_id: str, author: Author) -> Record:
        """The source's contacts and calls go over; of its values those that were missing."""
        source = self._current_lead(source_id, "Source lead")
        destination = self._current_lead(destination_id, "Destination lead")
        if source_id == destination_id:
            raise RefusalError(400, {"errors": ["Source and destination are the same lead."]})
        author = author.merging(source_id, destination_id)
        moved = [{**one, "lead_id": destination_id} for one in source["contacts"]]
        after = {
            **destination,
            "addresses": destination["addresses"] or source["addresses"],
            "description": destination["description"] or source["description"],
            "custom": {**source["custom"], **destination["custom"]},
            "contacts": [*destination["contacts"], *moved],
        }
        for number in self.calls_of(source_id, listed=False):
            call = self.calls.current(number)
            self._put_call({**_found(call, "Call"), "lead_id": destination_id})
        self._gone(source)
        merged = self._changed_lead(destination, after, author)
        self.events.deleted(_lead_subject(source), lead_as_json(source), author)
        self.events.merged(_lead_subject(merged), lead_as_json(merged), author)
        return merged

    # ------------------------------------------------------------ contacts

    def create_contact(self, body: writing.Body, author: Author) -> Record:
        """Without a lead_id it makes a lead of its own, as the vendor does."""
        if not body.get("lead_id"):
            lead = self.create_lead({"name": body.get("name"), "contacts": [body]}, author)
            return lead["contacts"][0]
        lead = self._current_lead(body["lead_id"])
        contact = self._new_contact(lead["id"], body, author)
        self._changed_lead(lead, {**lead, "contacts": [*lead["contacts"], contact]}, author)
        return contact

    def update_contact(self, contact_id: str, body: writing.Body, author: Author) -> Record:
        before = self._current_contact(contact_id)
        after = writing.patched_contact(before, body)
        if after == before:
            return before
        after |= {"date_updated": self._later_than(before), "updated_by": author.user_id}
        lead = self._current_lead(before["lead_id"])
        contacts = [after if one["id"] == contact_id else one for one in lead["contacts"]]
        self._put_lead({**lead, "contacts": contacts, "date_updated": self._later_than(lead)})
        self.events.updated(
            _contact_subject(after), contact_as_json(before), contact_as_json(after), author
        )
        return after

    def delete_contact(self, contact_id: str, author: Author) -> None:
        contact = self._current_contact(contact_id)
        lead = self._current_lead(contact["lead_id"])
        left = [one for one in lead["contacts"] if one["id"] != contact_id]
        self.events.deleted(_contact_subject(contact), contact_as_json(contact), author)
        self._changed_lead(lead, {**lead, "contacts": left}, author)

    # ------------------------------------------------------------ calls

    def log_call(
        self, body: writing.Body, author: Author, *, world_call: int | None = None
    ) -> Record:
        """A call that was made elsewhere; `world_call` is the one whose words it has."""
        lead = self._current_lead(self._lead_of_new_call(body))
        contact_id = body.get("contact_id") or next((one["id"] for one in lead["contacts"]), None)
        at = timestamp(self.now())
        number = self._make()
        created = writing.moment(body, "date_created", at)
        blank: Record = {
            "number": number,
            "id": identifier("acti", number),
            "lead_id": lead["id"],
            "contact_id": contact_id,
            "user_id": writing.user_id("user_id", body.get("user_id") or author.user_id),
            "direction": "outbound",
            "status": "completed",
            "disposition": "answered",
            "duration": 0,
            "phone": None,
            "local_phone": None,
            "note": "",
            "source": "External",
            "call_method": "external",
            "outcome_id": None,
            "recording_url": None,
            "date_created": created,
            "activity_at": writing.moment(body, "activity_at", created),
            "date_answered": None,
            "date_updated": at,
            "world_call": world_call,
        }
        record = writing.patched_call(blank, body)
        if world_call is not None:  # dialled in Close itself, by somebody else
            record |= {"source": "Close.io", "call_method": "regular"}
        self._put_call(record)
        self._put_lead({**lead, "date_updated": self._later_than(lead)})
        self.events.created(_call_subject(record), self._call_as_json(record), author)
        return record

    def update_call(self, call_id: str, body: writing.Body, author: Author) -> Record:
        before = self._current_call(call_id)
        after = writing.patched_call(before, body)
        if after == before:
            return before
        after["date_updated"] = self._later_than(before)
        self._put_call(after)
        shown = self._call_as_json(before), self._call_as_json(after)
        self.events.updated(_call_subject(after), *shown, author)
        return after

    def delete_call(self, call_id: str, author: Author) -> None:
        self._delete_call(self._current_call(call_id), author)

    # ------------------------------------------------------------ what writes are made of

    def _current_lead(self, lead_id: object, name: str = "") -> Record:
        number = person_of_lead(lead_id) if isinstance(lead_id, str) else None
        record = None if number is None else self.leads.current(number)
        if record is None and name:
            raise RefusalError(404, {"errors": [f"{name} does not exist."]})
        return copy.deepcopy(_found(record, "Lead"))

    def _current_contact(self, contact_id: str) -> Record:
        return _contact_in(self.leads.current(self._lead_of_contact(contact_id)), contact_id)

    def _current_call(self, call_id: str) -> Record:
        return _found(self.calls.current(self._call_number(call_id)), "Call")

    def _lead_of_contact(self, contact_id: str) -> int:
        if contact_id in self._home:
            return self._home[contact_id]
        index = person_of_contact(contact_id)
        if index is None or not self.leads.knows(index):
            raise not_found("Contact")
        return index

    def _call_number(self, call_id: str) -> int:
        number = index_of("acti", call_id)
        if number is None or not (self._is_a_call(number) or number in self.calls.changed):
            raise not_found("Call")
        return number

    def _lead_of_new_call(self, body: writing.Body) -> object:
        if body.get("lead_id"):
            return body["lead_id"]
        if isinstance(body.get("contact_id"), str):
            return self._current_contact(body["contact_id"])["lead_id"]
        raise invalid_field("lead_id", "This field is required.")

    def _new_contact(self, lead_id: str, body: writing.Body, author: Author) -> Record:
        made = identifier("cont", FIRST_MADE_CONTACT + self._make())
        blank = contact_record(made, lead_id, "", "", "", "", timestamp(self.now()))
        blank |= {"created_by": author.user_id, "updated_by": author.user_id}
        return writing.patched_contact(blank, body)

    def _changed_lead(self, before: Record, after: Record, author: Author) -> Record:
        changed = {
            **after,
            "date_updated": self._later_than(before),
            "updated_by": author.user_id,
        }
        self._put_lead(changed)
        shown = lead_as_json(before), lead_as_json(changed)
        self.events.updated(_lead_subject(changed), *shown, author)
        self._contact_events(before, changed, author)
        return changed

    def _contact_events(self, before: Record, after: Record, author: Author) -> None:
        there = {one["id"] for one in before["contacts"]}
        for contact in after["contacts"]:
            if contact["id"] not in there and "merge_source_lead_id" not in author.meta:
                self.events.created(_contact_subject(contact), contact_as_json(contact), author)

    def _delete_call(self, record: Record | None, author: Author) -> None:
        call = _found(record, "Call")
        self._note("call", call["number"], None)
        self.calls.put(call["number"], None)
        self.events.deleted(_call_subject(call), self._call_as_json(call), author)

    def _gone(self, lead: Record) -> None:
        self._note("lead", lead["number"], None)
        self.leads.put(lead["number"], None)

    def _put_lead(self, record: Record) -> None:
        self._note("lead", record["number"], record)
        self._remember_contacts(record)
        self.leads.put(record["number"], record)

    def _put_call(self, record: Record) -> None:
        self._note("call", record["number"], record)
        self._calls_of.setdefault(record["lead_id"], set()).add(record["number"])
        self.calls.put(record["number"], record)

    def _remember_contacts(self, lead: Record) -> None:
        self._home |= {contact["id"]: lead["number"] for contact in lead["contacts"]}

    def _make(self) -> int:
        self.made += 1
        return FIRST_MADE + self.made

    def _later_than(self, record: Record) -> str:
        """The time of a change, after the one before even where the clock has not moved on."""
        least = datetime.fromisoformat(record["date_updated"]) + timedelta(microseconds=1)
        return timestamp(max(self.now(), least))

    def _call_as_json(self, record: Record) -> Record:
        return call_as_json(record, origin="https://api.close.com")

    # ------------------------------------------------------------ the world behind it

    def _world_lead(self, number: int) -> Record:
        return lead_record(self.person(number))

    def _world_call(self, number: int) -> Record:
        call = self.conversation(number)
        return call_record(call, self.person(call.person_index))

    def _is_a_call(self, number: int) -> bool:
        """Whether this call of the world's is in Close."""
        return number in conversations.close_indices(
            self.people
        ) or number in conversations.logged_indices(self.people)

    def _call_numbers(self) -> Iterator[int]:
        logged = conversations.logged_indices(self.people)
        return chain(logged, conversations.close_indices(self.people))

    def _call_key(self, number: int) -> Sequence[Key]:
        at = conversations.created_at(number, today=self.today, people=self.people)
        return ((whole_microseconds(at), number),)

    def calls_since(self, since: datetime) -> Iterator[tuple[datetime, int]]:
        """The calls that were there from the start, as far back as this."""
        for number in self._call_numbers():
            at = conversations.created_at(number, today=self.today, people=self.people)
            if at >= since:
                yield at, number

    def _by_time(self, name: str, place: int) -> Order:
        return Order(
            lambda: range(self.people),
            lambda number: ((self.times(number)[place], number),),
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
        if header["people"] != self.people:
            raise StandInError(
                f"{self.journal.path} was made for {header['people']} people, not {self.people}. "
                "Nothing was changed; move it away to start afresh."
            )
        self.today = date.fromisoformat(header["today"])

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

    def lines(self) -> Iterator[Line]:
        """All that a new process has to know."""
        yield {"stand_in": "close", "today": self.today.isoformat(), "people": self.people}
        yield {"kind": "made", "made": self.made}
        yield from self.also_kept()
        for kind, collection in (("lead", self.leads), ("call", self.calls)):
            for number, record in collection.changed.items():
                yield {"kind": kind, "number": number, "record": record}
        yield from ({"kind": "event", "event": event} for event in self.events.happened())


def _found(record: Record | None, kind: str) -> Record:
    if record is None:
        raise not_found(kind)
    return record


def _contact_in(lead: Record | None, contact_id: str) -> Record:
    contacts: list[Record] = lead["contacts"] if lead else []
    return _found(next((one for one in contacts if one["id"] == contact_id), None), "Contact")


def _contact_keys(index: int) -> Sequence[Key]:
    return ((index, 0), (index, 1)) if has_other_contact(index) else ((index, 0),)


def _keys_of_contacts(lead: Record) -> Sequence[Key]:
    return [(lead["number"], place) for place in range(len(lead["contacts"]))]


def _keys_of_call(record: Record) -> Sequence[Key]:
    return ((microseconds(record["date_created"]), record["number"]),)


def _lead_subject(record: Record) -> Subject:
    return Subject("lead", record["id"], record["id"])


def _contact_subject(record: Record) -> Subject:
    return Subject("contact", record["id"], record["lead_id"])


def _call_subject(record: Record) -> Subject:
    return Subject("activity.call", record["id"], record["lead_id"])
