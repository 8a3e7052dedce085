"""What Close can be asked by its Advanced Filtering, as the trees it expects."""

from datetime import date

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject


def all_of(*queries: JsonObject) -> JsonObject:
    return {"type": "and", "queries": list(queries)}


def leads() -> JsonObject:
    return {"type": "object_type", "object_type": "lead"}


def words(text: str) -> JsonObject:
    return {"type": "text", "mode": "full_words", "value": text}


def created(*, since: date | None = None, before: date | None = None) -> JsonObject:
    """Leads created on these days. Close's days begin where it thinks its user is."""
    return _moments("date_created", since, before)


def updated(*, since: date) -> JsonObject:
    return _moments("date_updated", since, None)


def oldest_first() -> list[JsonValue]:
    """The one order that does not move while leads are being edited."""
    return [{"direction": "asc", "field": _field("date_created")}]


def _moments(field_name: str, since: date | None, before: date | None) -> JsonObject:
    return {
        "type": "field_condition",
        "field": _field(field_name),
        "condition": {
            "type": "moment_range",
            "on_or_after": _day(since),
            "before": _day(before),
        },
    }


def _field(name: str) -> JsonObject:
    return {"type": "regular_field", "object_type": "lead", "field_name": name}


def _day(day: date | None) -> JsonValue:
    if day is None:
        return None
    return {"type": "fixed_local_date", "value": day.isoformat(), "which": "start"}
