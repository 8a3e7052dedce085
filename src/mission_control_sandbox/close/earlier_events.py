"""The events from before the start: what leads and calls of the world's would have left in the log."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mission_control_sandbox.close.organization import ORGANIZATION_ID, STATUS_LABELS, USERS
from mission_control_sandbox.close.records import (
    Record,
    call_as_json,
    lead_as_json,
    whole_microseconds,
    without_offset,
)
from mission_control_sandbox.close.world import World
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.people import identifier, lead_id_of

# What deleted and merged leads of the past were, before the stand-in was started.
_FIRST_GONE, _DELETED, _MERGED = 200_000_000, 40, 20


@dataclass(frozen=True)
class EarlierEvent:
    """One of them, written out only when it is asked for."""

    at: datetime
    object_type: str
    action: str
    number: int

    @property
    def id(self) -> str:
        subject = f"{self.object_type}.{self.action}:{self.number}"
        return f"ev_{hashlib.blake2b(subject.encode(), digest_size=11).hexdigest()}"


@dataclass(frozen=True)
class EarlierEvents:
    world: World

    def since(self, retention: timedelta) -> Iterator[EarlierEvent]:
        midnight = datetime.combine(self.world.today, datetime.min.time(), tzinfo=UTC)
        since = whole_microseconds(midnight - retention)
        for number in range(self.world.people):
            created, updated = self.world.times(number)
            if created >= since:
                yield EarlierEvent(_at(created), "lead", "created", number)
            if updated >= since and updated > created:
                yield EarlierEvent(_at(updated), "lead", "updated", number)
        for at, number in self.world.calls_since(midnight - retention):
            yield EarlierEvent(at, "activity.call", "created", number)
        step = retention / (_DELETED + _MERGED)
        for place in range(_DELETED + _MERGED):
            action = "merged" if place % 3 == 2 else "deleted"
            number = _FIRST_GONE + place * 211
            yield EarlierEvent(
                midnight - step * place - timedelta(minutes=7), "lead", action, number
            )

    def header(self, event: EarlierEvent) -> Mapping[str, Any]:
        """What the log's filters look at."""
        user = USERS[event.number % len(USERS)].id
        head = {"object_type": event.object_type, "action": event.action, "user_id": user}
        if event.object_type == "lead":
            lead_id = object_id = lead_id_of(self._lead_behind(event))
        else:
            object_id = identifier("acti", event.number)
            lead_id = lead_id_of(conversations.person_index(event.number, self.world.people))
        return head | {"object_id": object_id, "lead_id": lead_id}

    def written_out(self, event: EarlierEvent) -> Record:
        at, header = without_offset(event.at), self.header(event)
        changed, data, previous, meta = self._substance(event, header)
        return {
            "id": event.id,
            "date_created": at,
            "date_updated": at,
            "organization_id": ORGANIZATION_ID,
            "request_id": f"req_{event.id[3:]}",
            "api_key_id": None,
            "oauth_client_id": None,
            "oauth_scope": None,
            **header,
            "changed_fields": changed,
            "data": data,
            "previous_data": previous,
            "meta": meta,
        }

    def _substance(
        self, event: EarlierEvent, header: Mapping[str, Any]
    ) -> tuple[list[str], Record | None, Record | None, Record]:
        if event.object_type == "activity.call":
            call = self.world.call(event.number)
            return [], call_as_json(call, origin="https://api.close.com"), None, {}
        if event.action == "deleted":
            return [], None, _gone(header["object_id"], event), {}
        lead = lead_as_json(self.world.lead(self._lead_behind(event)))
        if event.action == "merged":
            source = lead_id_of(event.number)
            meta = {
                "merge_source_lead_id": source,
                "merge_destination_lead_id": header["lead_id"],
            }
            return [], lead, None, meta
        if event.action == "created":
            return [], lead, None, {}
        before = next(one for one in STATUS_LABELS if one != lead["status_id"])
        previous = {"status_id": before, "status_label": STATUS_LABELS[before]}
        return list(previous), lead, previous, {}

    def _lead_behind(self, event: EarlierEvent) -> int:
        """A merge is told of the lead that remains."""
        return event.number % self.world.people if event.action == "merged" else event.number


def _at(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _gone(lead_id: str, event: EarlierEvent) -> Record:
    status = list(STATUS_LABELS)[event.number % len(STATUS_LABELS)]
    return {
        "id": lead_id,
        "display_name": f"Duplicate {event.number - _FIRST_GONE}",
        "name": f"Duplicate {event.number - _FIRST_GONE}",
        "status_id": status,
        "status_label": STATUS_LABELS[status],
        "organization_id": ORGANIZATION_ID,
    }
