"""What a write may say: every PUT is a patch, and a value that does not fit is refused by name."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, cast

from mission_control_sandbox.close.errors import invalid_field
from mission_control_sandbox.close.organization import (
    FIELDS_BY_ID,
    STATUS_IDS,
    STATUS_LABELS,
    USERS,
    USERS_BY_ID,
    CustomField,
)
from mission_control_sandbox.close.records import Record, timestamp

Body = Mapping[str, Any]

LONGEST_CALL_SECONDS = 604_800
_PLAIN_LEAD_FIELDS = ("name", "description", "url")
_CALL_CHOICES = {
    "direction": ("inbound", "outbound"),
    "status": (
        *("created", "in-progress", "completed", "cancel"),
        *("no-answer", "busy", "failed", "timeout"),
    ),
    "disposition": (
        *("answered", "no-answer", "vm-answer", "vm-left"),
        *("busy", "blocked", "error", "abandoned"),
    ),
}


# ---------------------------------------------------------------- leads


def patched_lead(record: Record, body: Body) -> Record:
    """The lead after this write. Unknown fields, and contacts, are passed over in silence."""
    after = {**record, "custom": dict(record["custom"])}
    for name in _PLAIN_LEAD_FIELDS:
        if name in body:
            after[name] = _text(name, body[name])
    if "status" in body or "status_id" in body:
        after["status_id"] = status_id(body)
    if "addresses" in body:
        after["addresses"] = _addresses(body["addresses"])
    for key, value in body.items():
        if key.startswith("custom."):
            _patch_custom(after["custom"], key, value)
    return after


def status_id(body: Body) -> str:
    if "status" in body and "status_id" in body:
        raise invalid_field("status", "Specify either status or status_id, not both.")
    if "status_id" in body:
        if not _is_one_of(body["status_id"], STATUS_LABELS):
            raise invalid_field("status_id", "Not a valid choice.")
        return body["status_id"]
    if not _is_one_of(body["status"], STATUS_IDS):
        raise invalid_field(
            "status", f"Not a valid choice. Choose one of: {', '.join(STATUS_IDS)}."
        )
    return STATUS_IDS[body["status"]]


def _addresses(given: object) -> list[Record]:
    names = ("label", "address_1", "address_2", "city", "state", "zipcode", "country")
    addresses = [dictionary("addresses", one) for one in valid_list("addresses", given)]
    return [{name: _text("addresses", one.get(name)) for name in names} for one in addresses]


def valid_list(name: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise invalid_field(name, "Input should be a valid list")
    return cast("list[Any]", value)


def dictionary(name: str, value: object) -> Record:
    if not isinstance(value, dict):
        raise invalid_field(name, "Input should be a valid dictionary")
    return cast("Record", value)


def _is_one_of(value: object, among: Mapping[str, object]) -> bool:
    return isinstance(value, str) and value in among


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid_field(name, "Input should be a valid string")
    return value


# ---------------------------------------------------------------- custom fields


def _patch_custom(custom: Record, key: str, value: object) -> None:
    """`custom.cf_…` replaces the value, the whole list if it is one; `.add` and `.remove` one of it."""
    _, cf_id, *change = key.split(".")
    field = FIELDS_BY_ID.get(cf_id)
    if field is None or change not in ([], ["add"], ["remove"]):
        raise invalid_field(key, "This custom field does not exist.")
    if change and not field.multiple:
        raise invalid_field(key, "This custom field does not accept multiple values.")
    if change:
        new: Any = _with_change(custom.get(cf_id, []), change[0], _values(field, key, value))
    elif field.multiple and value is not None:
        new = list(dict.fromkeys(_values(field, key, value)))
    else:
        new = None if value in (None, "") else _value(field, key, value)
    if new in (None, []):
        custom.pop(cf_id, None)
    else:
        custom[cf_id] = new


def _with_change(there: list[Any], change: str, values: list[Any]) -> list[Any]:
    if change == "remove":
        return [one for one in there if one not in values]
    return list(dict.fromkeys([*there, *values]))


def _values(field: CustomField, key: str, value: object) -> list[Any]:
    many = cast("list[object]", value) if isinstance(value, list) else [value]
    return [_value(field, key, one) for one in many]


def _value(field: CustomField, key: str, value: object) -> Any:
    match field.type:
        case "choices":
            return _choice(key, value, field.choices)
        case "hidden":
            return value
        case plain:
            return _READ[plain](key, value)


def _number(key: str, value: object) -> float | int:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value) if "." in value else int(value)
    raise invalid_field(key, "Input should be a valid number")


def _date(key: str, value: object) -> str:
    try:
        return date.fromisoformat(cast("str", value)).isoformat()
    except (TypeError, ValueError):
        raise invalid_field(key, "Input should be a valid date in the format YYYY-MM-DD") from None


def _datetime(key: str, value: object) -> str:
    try:
        at = datetime.fromisoformat(cast("str", value))
    except (TypeError, ValueError):
        at = None
    if at is None or at.tzinfo is None:
        raise invalid_field(key, "Input should be a valid datetime with an offset")
    return at.isoformat()


def user_id(key: str, value: object) -> str:
    named = next((user.id for user in USERS if user.name == value), value)
    if not _is_one_of(named, USERS_BY_ID):
        raise invalid_field(key, "This user does not exist.")
    return cast("str", named)


_READ: dict[str, Callable[[str, object], Any]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "datetime": _datetime,
    "user": user_id,
}


# ---------------------------------------------------------------- contacts and calls


def patched_contact(record: Record, body: Body) -> Record:
    after = dict(record)
    for name in ("name", "title"):
        if name in body:
            after[name] = _text(name, body[name])
    for name, key in (("phones", "phone"), ("emails", "email"), ("urls", "url")):
        if name in body:
            after[name] = [_entry(name, key, one) for one in valid_list(name, body[name])]
    return after


def _entry(name: str, key: str, given: object) -> Record:
    entry = cast("Record", given) if isinstance(given, dict) else {}
    text = entry.get(key)
    if not isinstance(text, str) or not text:
        raise invalid_field(name, {"errors": {key: "This field is required."}})
    kind = entry.get("type") or "office"
    if key == "phone":
        return {"phone": _phone(name, text), "type": kind}
    return {key: text, "type": kind} | ({"is_unsubscribed": False} if key == "email" else {})


def _phone(name: str, text: str) -> str:
    """E.164; ten digits are taken for a number in the United States."""
    digits = re.sub(r"\D", "", text)
    if not 7 <= len(digits) <= 15:
        raise invalid_field(name, {"errors": {"phone": "Invalid phone number."}})
    return f"+1{digits}" if len(digits) == 10 and not text.startswith("+") else f"+{digits}"


def patched_call(record: Record, body: Body) -> Record:
    """The call after this write. What Close dialled itself keeps its status, length and direction."""
    external = record["source"] == "External"
    after = dict(record)
    if "note" in body:
        after["note"] = _text("note", body["note"])
    if "note_html" in body:
        after["note"] = re.sub(r"<[^>]+>", "", _text("note_html", body["note_html"])).strip()
    for name in ("recording_url", "outcome_id"):
        if name in body:
            after[name] = body[name]
    for name, choices in _CALL_CHOICES.items():
        if external and name in body:
            after[name] = _choice(name, body[name], choices)
    if external and "duration" in body:
        after["duration"] = _duration(body["duration"])
    if external and body.get("phone"):
        after["phone"] = _phone("phone", _text("phone", body["phone"]))
    return after


def _choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise invalid_field(name, "Not a valid choice.")
    return cast("str", value)


def _duration(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise invalid_field("duration", "Input should be a valid integer")
    if value > LONGEST_CALL_SECONDS:
        raise invalid_field(
            "duration", f"Input should be less than or equal to {LONGEST_CALL_SECONDS}"
        )
    return value


def moment(body: Body, name: str, otherwise: str) -> str:
    """A time in a body as it is stored."""
    return _moment(name, body[name]) if body.get(name) else otherwise


def _moment(name: str, value: object) -> str:
    return timestamp(datetime.fromisoformat(_datetime(name, value)))
