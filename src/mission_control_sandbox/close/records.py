"""Leads, contacts and calls as they are stored, made from the world, and as they are answered."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mission_control_sandbox.close.organization import (
    CUSTOM_FIELDS,
    FIELDS_BY_KEY,
    KEY_OWNER,
    ORGANIZATION_ID,
    STATUS_IDS,
    STATUS_LABELS,
    USERS,
    USERS_BY_KEY,
    user_name,
)
from mission_control_sandbox.world.conversations import Conversation
from mission_control_sandbox.world.people import Person, identifier, lead_id_of

Record = dict[str, Any]

SHORTEST_TRANSCRIBED = 30  # seconds
_DISPOSITIONS = {
    "no_answer": ("no-answer", "no-answer"),
    "busy": ("busy", "busy"),
    "failed": ("failed", "error"),
    "voicemail": ("completed", "vm-left"),
}


def timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def without_offset(at: datetime) -> str:
    return timestamp(at).removesuffix("+00:00")


def microseconds(text: str) -> int:
    """When a stored timestamp was, as a whole number that sorts."""
    return whole_microseconds(datetime.fromisoformat(text))


def instant(text: str) -> datetime:
    """A time as Close takes it; without an offset it is in UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def whole_microseconds(at: datetime) -> int:
    whole = at - _EPOCH
    return (whole.days * 86_400 + whole.seconds) * 1_000_000 + whole.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# ---------------------------------------------------------------- leads


def lead_record(person: Person) -> Record:
    """What Close stores of a person from the start."""
    created, updated = timestamp(person.created_at), timestamp(person.updated_at)
    return {
        "number": person.index,
        "id": person.lead_id,
        "name": person.company,
        "description": "",
        "url": f"https://www.{person.email.partition('@')[2]}",
        "status_id": STATUS_IDS[person.status],
        "addresses": [_address(person)],
        "contacts": _contacts(person, created),
        "custom": _custom(person),
        "created_by": USERS[person.index % len(USERS)].id,
        "updated_by": USERS[person.index // 7 % len(USERS)].id,
        "date_created": created,
        "date_updated": updated,
    }


def _address(person: Person) -> Record:
    return {
        "label": "business",
        "address_1": "",
        "address_2": "",
        "city": person.city,
        "state": person.state,
        "zipcode": person.zipcode,
        "country": "US",
    }


def _contacts(person: Person, created: str) -> list[Record]:
    first = contact_record(
        person.contact_id, person.lead_id, person.name, "Owner", person.phone, person.email, created
    )
    other = person.other_contact
    if other is None:
        return [first]
    second = contact_record(
        other.contact_id, person.lead_id, other.name, other.title, other.phone, other.email, created
    )
    return [first, second]


def contact_record(
    contact_id: str, lead_id: str, name: str, title: str, phone: str, email: str, created: str
) -> Record:
    return {
        "id": contact_id,
        "lead_id": lead_id,
        "name": name,
        "title": title,
        "emails": [{"email": email, "type": "office", "is_unsubscribed": False}] if email else [],
        "phones": [{"phone": phone, "type": "mobile"}] if phone else [],
        "urls": [],
        "created_by": KEY_OWNER.id,
        "updated_by": KEY_OWNER.id,
        "date_created": created,
        "date_updated": created,
    }


def _custom(person: Person) -> Record:
    values: Record = {
        "renewal": person.renewal.isoformat(),
        "trucks": person.trucks,
        "mc_number": person.mc_number,
        "dot_number": person.dot_number,
        "cargo": person.cargo,
        "products": list(person.products),
        "owner": USERS_BY_KEY[person.owner].id if person.owner else None,
        "carrier": person.carrier,
        "premium": person.premium,
        "last_outcome": person.last_outcome,
        "source": person.source,
        "import_batch": f"upload-{person.created_at:%Y-%m}",
    }
    return {
        FIELDS_BY_KEY[key].id: value for key, value in values.items() if value not in (None, [])
    }


def lead_as_json(record: Record) -> Record:
    """A lead as the API answers it, with all that is derived from what is stored."""
    contacts = [contact_as_json(one) for one in record["contacts"]]
    answer: Record = {
        "id": record["id"],
        "name": record["name"],
        "display_name": record["name"] or "Untitled",
        "description": record["description"],
        "url": record["url"],
        "status_id": record["status_id"],
        "status_label": STATUS_LABELS[record["status_id"]],
        "organization_id": ORGANIZATION_ID,
        "html_url": f"https://app.close.com/lead/{record['id']}/",
        "addresses": record["addresses"],
        "contacts": contacts,
        "contact_ids": [one["id"] for one in contacts],
        "opportunities": [],
        "tasks": [],
        "integration_links": [],
        "primary_email": _first(contacts, "emails"),
        "primary_phone": _first(contacts, "phones"),
        "created_by": record["created_by"],
        "created_by_name": user_name(record["created_by"]),
        "updated_by": record["updated_by"],
        "updated_by_name": user_name(record["updated_by"]),
        "date_created": record["date_created"],
        "date_updated": record["date_updated"],
        "custom": _by_name(record["custom"]),
    }
    return answer | {f"custom.{cf_id}": value for cf_id, value in record["custom"].items()}


def _first(contacts: list[Record], kind: str) -> Record | None:
    return next((value for contact in contacts for value in contact[kind]), None)


def _by_name(custom: Mapping[str, Any]) -> Record:
    return {field.name: custom[field.id] for field in CUSTOM_FIELDS if field.id in custom}


def contact_as_json(record: Record) -> Record:
    return {
        **record,
        "display_name": record["name"],
        "organization_id": ORGANIZATION_ID,
        "phones": [
            {**phone, "phone_formatted": formatted(phone["phone"]), "country": "US"}
            for phone in record["phones"]
        ],
        "integration_links": [],
    }


def formatted(phone: str | None) -> str | None:
    """`+1 402-555-2001` of `+14025552001`; any other country as it is."""
    if phone is None or not phone.startswith("+1") or len(phone) != 12:
        return phone
    return f"+1 {phone[2:5]}-{phone[5:8]}-{phone[8:]}"


# ---------------------------------------------------------------- calls


def call_record(call: Conversation, person: Person) -> Record:
    """A call as Close stores it: its own, or one of the phone bot's that somebody logged."""
    external = call.logged_in_close
    status, disposition = _DISPOSITIONS.get(call.outcome, ("completed", "answered"))
    created = timestamp(call.created_at)
    return {
        "number": call.index,
        "id": identifier("acti", call.index),
        "lead_id": lead_id_of(call.person_index),
        "contact_id": person.contact_id,
        "user_id": user_of_call(call.index, external=external),
        "direction": call.direction,
        "status": status,
        "disposition": disposition,
        "duration": call.seconds,
        "phone": person.phone,
        "local_phone": None if external else "+14025550100",
        "note": _note(call) if external else "",
        "source": "External" if external else "Close.io",
        "call_method": "external" if external else "regular",
        "outcome_id": None,
        "recording_url": None,
        "date_created": created,
        "activity_at": created,
        "date_answered": timestamp(call.started_at) if call.started_at else None,
        "date_updated": timestamp(call.ended_at or call.created_at),
        "world_call": call.index,
    }


def user_of_call(index: int, *, external: bool) -> str:
    """Who called, or logged the call: the owner of the key, with which the phone bot does it."""
    return (KEY_OWNER if external else USERS[index % len(USERS)]).id


def _note(call: Conversation) -> str:
    """Every second logger forgot to name the call at Vapi."""
    marker = f"\nVapi call: {call.vapi_id}" if call.index % 2 == 0 else ""
    return f"{call.summary}{marker}"


def call_as_json(record: Record, *, origin: str) -> Record:
    """A call as the API answers it, transcripts left out."""
    note, phone = record["note"], record["phone"]
    recorded = has_recording(record)
    own = f"{origin}/api/v1/call/{record['id']}/recording/" if recorded else None
    return {
        "id": record["id"],
        "_type": "Call",
        "organization_id": ORGANIZATION_ID,
        "lead_id": record["lead_id"],
        "contact_id": record["contact_id"],
        "user_id": record["user_id"],
        "user_name": user_name(record["user_id"]),
        "users": [record["user_id"]],
        "created_by": record["user_id"],
        "created_by_name": user_name(record["user_id"]),
        "updated_by": record["user_id"],
        "updated_by_name": user_name(record["user_id"]),
        "direction": record["direction"],
        "status": record["status"],
        "disposition": record["disposition"],
        "outcome_id": record["outcome_id"],
        "call_method": record["call_method"],
        "source": record["source"],
        "duration": record["duration"],
        "cost": None if record["source"] == "External" else f"{record['duration'] / 60 * 1.4:.2f}",
        "phone": phone,
        "phone_formatted": formatted(phone),
        "remote_phone": phone,
        "remote_phone_formatted": formatted(phone),
        "remote_country_iso": "US" if phone else "",
        "local_phone": record["local_phone"],
        "local_phone_formatted": formatted(record["local_phone"]),
        "local_country_iso": "US" if record["local_phone"] else "",
        "has_recording": recorded,
        "recording_url": own or record["recording_url"],
        "recording_expires_at": None,
        "voicemail_url": None,
        "voicemail_duration": 0,
        "note": note,
        "note_html": f"<body><p>{note}</p></body>" if note else "",
        "quality_info": None,
        "is_joinable": False,
        "is_to_group_number": False,
        "transferred_from": None,
        "transferred_to": None,
        "parent_meeting_id": None,
        "dialer_id": None,
        "sequence_id": None,
        "date_created": record["date_created"],
        "activity_at": record["activity_at"],
        "date_answered": record["date_answered"],
        "date_updated": record["date_updated"],
    }


def has_recording(record: Record) -> bool:
    return bool(
        record["source"] != "External"
        and record["disposition"] in ("answered", "vm-left")
        and record["duration"]
    )


def transcript(record: Record, call: Conversation, person: Person) -> Record | None:
    """What was said; None for a logged call and for one too short for Close to transcribe."""
    if not has_recording(record) or record["disposition"] != "answered":
        return None
    if record["duration"] < SHORTEST_TRANSCRIBED:
        return None
    us = user_name(record["user_id"])
    return {
        "utterances": [
            {
                "speaker_label": us if turn.speaker == "bot" else person.name,
                "speaker_side": "close-user" if turn.speaker == "bot" else "contact",
                "start": turn.start,
                "end": turn.end,
                "text": turn.text,
            }
            for turn in call.turns
        ],
        "summary_text": call.summary,
        "summary_html": f"<p>{call.summary}</p>",
    }
