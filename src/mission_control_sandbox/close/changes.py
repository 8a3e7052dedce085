"""Every way in which leads, contacts and calls are changed; each writes its events."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mission_control_sandbox.close import writing
from mission_control_sandbox.close.errors import RefusalError, invalid_field
from mission_control_sandbox.close.events import Author, Subject
from mission_control_sandbox.close.organization import DEFAULT_STATUS_ID
from mission_control_sandbox.close.records import (
    Record,
    call_as_json,
    contact_as_json,
    contact_record,
    lead_as_json,
    timestamp,
)
from mission_control_sandbox.close.store import FIRST_MADE_CONTACT, Store, found
from mission_control_sandbox.world.people import identifier


@dataclass(frozen=True)
class Changes:
    """Raises RefusalError where the vendor refuses."""

    store: Store

    # ------------------------------------------------------------ leads

    def create_lead(self, body: writing.Body, author: Author) -> Record:
        number = self.store.new_number()
        at = timestamp(self.store.now())
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
        self.store.put_lead(record)
        self.store.events.created(_lead_subject(record), lead_as_json(record), author)
        return record

    def update_lead(self, lead_id: str, body: writing.Body, author: Author) -> Record:
        before = self.store.current_lead(lead_id)
        after = writing.patched_lead(before, body)
        if after == before:
            return before
        return self._changed_lead(before, after, author)

    def delete_lead(self, lead_id: str, author: Author) -> None:
        """Takes its contacts and calls with it, an event for each."""
        record = self.store.current_lead(lead_id)
        for number in self.store.calls_of(lead_id, listed=False):
            self._delete_call(self.store.calls.current(number), author)
        for contact in record["contacts"]:
            self.store.events.deleted(_contact_subject(contact), contact_as_json(contact), author)
        self.store.delete_lead(record)
        self.store.events.deleted(_lead_subject(record), lead_as_json(record), author)

    def merge_leads(self, source_id: str, destination_id: str, author: Author) -> Record:
        """The source's contacts and calls go over; of its values those that were missing."""
        source = self.store.current_lead(source_id, "Source lead")
        destination = self.store.current_lead(destination_id, "Destination lead")
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
        for number in self.store.calls_of(source_id, listed=False):
            call = self.store.calls.current(number)
            self.store.put_call({**found(call, "Call"), "lead_id": destination_id})
        self.store.delete_lead(source)
        merged = self._changed_lead(destination, after, author)
        self.store.events.deleted(_lead_subject(source), lead_as_json(source), author)
        self.store.events.merged(_lead_subject(merged), lead_as_json(merged), author)
        return merged

    # ------------------------------------------------------------ contacts

    def create_contact(self, body: writing.Body, author: Author) -> Record:
        """Without a lead_id it makes a lead of its own, as the vendor does."""
        if not body.get("lead_id"):
            lead = self.create_lead({"name": body.get("name"), "contacts": [body]}, author)
            return lead["contacts"][0]
        lead = self.store.current_lead(body["lead_id"])
        contact = self._new_contact(lead["id"], body, author)
        self._changed_lead(lead, {**lead, "contacts": [*lead["contacts"], contact]}, author)
        return contact

    def update_contact(self, contact_id: str, body: writing.Body, author: Author) -> Record:
        before = self.store.current_contact(contact_id)
        after = writing.patched_contact(before, body)
        if after == before:
            return before
        after |= {"date_updated": self._later_than(before), "updated_by": author.user_id}
        lead = self.store.current_lead(before["lead_id"])
        contacts = [after if one["id"] == contact_id else one for one in lead["contacts"]]
        self.store.put_lead({**lead, "contacts": contacts, "date_updated": self._later_than(lead)})
        self.store.events.updated(
            _contact_subject(after), contact_as_json(before), contact_as_json(after), author
        )
        return after

    def delete_contact(self, contact_id: str, author: Author) -> None:
        contact = self.store.current_contact(contact_id)
        lead = self.store.current_lead(contact["lead_id"])
        left = [one for one in lead["contacts"] if one["id"] != contact_id]
        self.store.events.deleted(_contact_subject(contact), contact_as_json(contact), author)
        self._changed_lead(lead, {**lead, "contacts": left}, author)

    # ------------------------------------------------------------ calls

    def log_call(
        self, body: writing.Body, author: Author, *, world_call: int | None = None
    ) -> Record:
        """A call that was made elsewhere; `world_call` is the one whose words it has."""
        lead = self.store.current_lead(self._lead_of_new_call(body))
        contact_id = body.get("contact_id") or next((one["id"] for one in lead["contacts"]), None)
        at = timestamp(self.store.now())
        number = self.store.new_number()
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
        self.store.put_call(record)
        self.store.put_lead({**lead, "date_updated": self._later_than(lead)})
        self.store.events.created(_call_subject(record), self._call_as_json(record), author)
        return record

    def update_call(self, call_id: str, body: writing.Body, author: Author) -> Record:
        before = self.store.current_call(call_id)
        after = writing.patched_call(before, body)
        if after == before:
            return before
        after["date_updated"] = self._later_than(before)
        self.store.put_call(after)
        shown = self._call_as_json(before), self._call_as_json(after)
        self.store.events.updated(_call_subject(after), *shown, author)
        return after

    def delete_call(self, call_id: str, author: Author) -> None:
        self._delete_call(self.store.current_call(call_id), author)

    # ------------------------------------------------------------ what they are made of

    def _lead_of_new_call(self, body: writing.Body) -> object:
        if body.get("lead_id"):
            return body["lead_id"]
        if isinstance(body.get("contact_id"), str):
            return self.store.current_contact(body["contact_id"])["lead_id"]
        raise invalid_field("lead_id", "This field is required.")

    def _new_contact(self, lead_id: str, body: writing.Body, author: Author) -> Record:
        made = identifier("cont", FIRST_MADE_CONTACT + self.store.new_number())
        blank = contact_record(made, lead_id, "", "", "", "", timestamp(self.store.now()))
        blank |= {"created_by": author.user_id, "updated_by": author.user_id}
        return writing.patched_contact(blank, body)

    def _changed_lead(self, before: Record, after: Record, author: Author) -> Record:
        changed = {
            **after,
            "date_updated": self._later_than(before),
            "updated_by": author.user_id,
        }
        self.store.put_lead(changed)
        shown = lead_as_json(before), lead_as_json(changed)
        self.store.events.updated(_lead_subject(changed), *shown, author)
        self._contact_events(before, changed, author)
        return changed

    def _contact_events(self, before: Record, after: Record, author: Author) -> None:
        there = {one["id"] for one in before["contacts"]}
        for contact in after["contacts"]:
            if contact["id"] not in there and "merge_source_lead_id" not in author.meta:
                self.store.events.created(
                    _contact_subject(contact), contact_as_json(contact), author
                )

    def _delete_call(self, record: Record | None, author: Author) -> None:
        call = found(record, "Call")
        self.store.delete_call(call)
        self.store.events.deleted(_call_subject(call), self._call_as_json(call), author)

    def _later_than(self, record: Record) -> str:
        """The time of a change, after the one before even where the clock has not moved on."""
        least = datetime.fromisoformat(record["date_updated"]) + timedelta(microseconds=1)
        return timestamp(max(self.store.now(), least))

    def _call_as_json(self, record: Record) -> Record:
        return call_as_json(record, origin="https://api.close.com")


def _lead_subject(record: Record) -> Subject:
    return Subject("lead", record["id"], record["id"])


def _contact_subject(record: Record) -> Subject:
    return Subject("contact", record["id"], record["lead_id"])


def _call_subject(record: Record) -> Subject:
    return Subject("activity.call", record["id"], record["lead_id"])
