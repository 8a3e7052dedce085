"""What we rely on in the JSON that Close sends; everything else stays in `document`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Literal

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.core.phone_numbers import e164
from mission_control.core.storable import storable_text

LONG_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)
# Close transcribes calls from about half a minute on; asking for a few more costs nothing.
LONG_ENOUGH_SECONDS = 15.0
# As Vapi makes them; Close's own ids look otherwise.
CALL_ID = re.compile(
    r"(?<![0-9a-f-])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f-])",
    re.IGNORECASE,
)
NOT_OVER = frozenset({"created", "in-progress"})
VOICEMAIL = frozenset({"vm-answer", "vm-left"})

Ending = Literal["customer", "voicemail", "not_reached", "error", "other"]
ENDINGS: dict[str, Ending] = {
    "vm-answer": "voicemail",
    "vm-left": "voicemail",
    "no-answer": "not_reached",
    "busy": "not_reached",
    "blocked": "not_reached",
    "cancel": "not_reached",
    "timeout": "not_reached",
    "abandoned": "customer",
    "error": "error",
    "failed": "error",
}


@dataclass(frozen=True, slots=True)
class Contact:
    id: str | None
    name: str | None
    title: str | None
    phones: tuple[str, ...]
    emails: tuple[str, ...]

    @classmethod
    def of(cls, contact: JsonObject) -> "Contact":
        return cls(
            id=text(contact.get("id")),
            name=text(contact.get("display_name")) or text(contact.get("name")),
            title=text(contact.get("title")),
            phones=tuple(_each(contact.get("phones"), "phone")),
            emails=tuple(_each(contact.get("emails"), "email")),
        )


@dataclass(frozen=True, slots=True)
class CloseLead:
    """`phones` are E.164; `custom` is keyed by `cf_…`."""

    id: str
    name: str
    status_id: str | None
    status_label: str | None
    created_at: datetime
    updated_at: datetime
    contacts: tuple[Contact, ...]
    custom: dict[str, JsonValue]
    document: JsonObject

    @classmethod
    def of(cls, lead: JsonObject) -> "CloseLead":
        created_at = moment(lead.get("date_created"))
        updated_at = moment(lead.get("date_updated"))
        return cls(
            id=str(lead["id"]),
            name=text(lead.get("display_name")) or text(lead.get("name")) or "",
            status_id=text(lead.get("status_id")),
            status_label=text(lead.get("status_label")),
            created_at=created_at or updated_at or LONG_BEFORE,
            updated_at=updated_at or created_at or LONG_BEFORE,
            contacts=tuple(Contact.of(each) for each in objects(lead.get("contacts"))),
            custom={
                key.removeprefix("custom."): value
                for key, value in lead.items()
                if key.startswith("custom.")
            },
            document=lead,
        )

    @property
    def phones(self) -> list[str]:
        """Each number once, in the order of the contacts."""
        given = (e164(phone) for contact in self.contacts for phone in contact.phones)
        return list(dict.fromkeys(phone for phone in given if phone is not None))

    @property
    def emails(self) -> list[str]:
        return list(dict.fromkeys(mail for contact in self.contacts for mail in contact.emails))

    @property
    def search_text(self) -> str:
        """Names, numbers and mail addresses in lower case, one per line."""
        names = [self.name, *(contact.name for contact in self.contacts if contact.name)]
        return "\n".join([*dict.fromkeys(names), *self.phones, *self.emails]).lower()


@dataclass(frozen=True, slots=True)
class Utterance:
    speaker: str
    text: str


@dataclass(frozen=True, slots=True)
class CallTranscript:
    """What Close heard; either part may be missing."""

    utterances: tuple[Utterance, ...]
    summary: str | None

    @classmethod
    def of(cls, given: JsonValue) -> "CallTranscript | None":
        if not isinstance(given, dict):
            return None
        said = tuple(
            Utterance(_speaker(each), text(each.get("text")) or "")
            for each in objects(given.get("utterances"))
        )
        summary = text(given.get("summary_text"))
        return cls(said, summary) if said or summary else None

    @property
    def text(self) -> str | None:
        lines = [f"{each.speaker}: {each.text}" for each in self.utterances if each.text]
        return "\n".join(lines) or None


@dataclass(frozen=True, slots=True)
class CloseCall:
    """Money is USD; `ending` is None while the call goes on, and `reason` is Close's own word."""

    id: str
    lead_id: str | None
    contact_id: str | None
    created_at: datetime
    updated_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None
    direction: str | None
    status: str | None
    reason: str | None
    ending: Ending | None
    cost_usd: Decimal | None
    customer_number: str | None
    names_call: str | None  # an id that a note or a field of it has: another system's, of this call
    transcript: CallTranscript | None
    wants_transcript: bool
    document: JsonObject

    @classmethod
    def of(cls, call: JsonObject) -> "CloseCall":
        status, disposition = text(call.get("status")), text(call.get("disposition"))
        reason = None if status in NOT_OVER else disposition or status
        created_at = moment(call.get("date_created")) or moment(call.get("activity_at"))
        # Logged calls carry when they took place; a row in Close may be made much later.
        started_at = moment(call.get("activity_at")) or created_at
        duration = number(call.get("duration"))
        transcript = CallTranscript.of(call.get("recording_transcript"))
        return cls(
            id=str(call["id"]),
            lead_id=text(call.get("lead_id")),
            contact_id=text(call.get("contact_id")),
            created_at=created_at or LONG_BEFORE,
            updated_at=moment(call.get("date_updated")),
            started_at=started_at,
            ended_at=_end(started_at, duration) if reason is not None else None,
            duration_seconds=duration,
            direction=text(call.get("direction")),
            status=status,
            reason=reason,
            ending=None if reason is None else ENDINGS.get(reason, "other"),
            cost_usd=_cents(call.get("cost")),
            customer_number=e164(text(call.get("remote_phone"))) or e164(text(call.get("phone"))),
            names_call=_named_call(call),
            transcript=transcript or CallTranscript.of(call.get("voicemail_transcript")),
            wants_transcript=_wants_transcript(
                call, disposition, duration, is_over=reason is not None
            ),
            document=call,
        )


# -------------------------------------------------------------------- reading JSON that may be anything


def objects(given: JsonValue) -> list[JsonObject]:
    """The objects in a list, or nothing."""
    return [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []


def text(given: JsonValue) -> str | None:
    return given if isinstance(given, str) and given else None


def number(given: JsonValue) -> float | None:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    return float(given)


def moment(given: JsonValue) -> datetime | None:
    """A time of Close's; its event log leaves the zone out and means UTC."""
    if not isinstance(given, str):
        return None
    try:
        at = datetime.fromisoformat(given)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def storable(given: JsonValue) -> JsonValue:
    """The same without what no database stores as text: U+0000 and halves of emoji."""
    match given:
        case str():
            return storable_text(given)
        case list():
            return [storable(each) for each in given]
        case dict():
            return {storable_text(key): storable(each) for key, each in given.items()}
        case _:
            return given


def _each(given: JsonValue, key: str) -> Iterator[str]:
    for one in objects(given):
        value = text(one.get(key))
        if value is not None:
            yield value


def _speaker(utterance: JsonObject) -> str:
    named = text(utterance.get("speaker_label"))
    return named or ("Customer" if utterance.get("speaker_side") == "contact" else "Us")


def _end(started_at: datetime | None, duration: float | None) -> datetime | None:
    if started_at is None or duration is None or not 0 <= duration <= 604_800:
        return None
    return started_at + timedelta(seconds=duration)


def _cents(given: JsonValue) -> Decimal | None:
    """Close counts in US cents, as a number or as text."""
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return None
    try:
        cents = Decimal(str(given))
    except InvalidOperation:
        return None
    return cents / 100 if cents.is_finite() and abs(cents) < 10**9 else None


def _named_call(call: JsonObject) -> str | None:
    """Whoever logs a call of another system in Close writes its id into the note or a field."""
    fields = [value for key, value in call.items() if key.startswith("custom.")]
    custom = call.get("custom")
    fields += custom.values() if isinstance(custom, dict) else []
    for value in (*fields, call.get("note"), call.get("note_html")):
        found = CALL_ID.search(value) if isinstance(value, str) else None
        if found is not None:
            return found[0].lower()
    return None


def _wants_transcript(
    call: JsonObject, disposition: str | None, duration: float | None, *, is_over: bool
) -> bool:
    """Whether Close may have one: what was answered and long enough, or went to voicemail."""
    if disposition in VOICEMAIL or call.get("voicemail_url"):
        return True
    return is_over and disposition in {"answered", None} and (duration or 0) >= LONG_ENOUGH_SECONDS
