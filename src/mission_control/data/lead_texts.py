"""The search over leads: by names, numbers and mail addresses, and by what custom fields hold."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.data.text_search import (
    SearchedText,
    TextIndex,
    fact,
    searched_words,
)


class LeadText(SearchedText):
    """What a lead is found by. Written whenever the lead changes."""

    __tablename__ = "lead_texts"

    lead_id: Mapped[str] = mapped_column(
        String(64), ForeignKey("leads.id", ondelete="CASCADE"), unique=True
    )


LEAD_INDEX = TextIndex(LeadText, LeadText.lead_id, "lead_search")


def lead_text(
    lead_id: str,
    *,
    created_at: datetime,
    search_text: str,
    status_id: str | None,
    phones: Sequence[str],
    custom: Mapping[str, Any],
) -> dict[str, Any]:
    words = searched_words(
        [search_text],
        created_at=created_at,
        numbers=phones,
        facts=[*of_status(status_id), *sorted({*_held(custom)})],
    )
    return {"lead_id": lead_id, "created_at": created_at, "words": words}


def of_status(status_id: str | None) -> list[str]:
    return [] if status_id is None else [fact("status_id", status_id)]


def holds(field_id: str, wanted: str) -> list[str]:
    """Marks of leads whose field is this value, or holds it among others: any of them will do."""
    spellings: list[str | float] = [wanted]
    with suppress(ValueError):
        number = float(wanted)
        spellings += [number] if math.isfinite(number) else []
    return [_held_fact(field_id, one) for one in spellings]


def _held(custom: Mapping[str, Any]) -> Iterator[str]:
    for field_id, value in custom.items():
        values = cast("list[Any]", value) if isinstance(value, list) else [value]
        for one in values:
            if isinstance(one, str | int | float) and not isinstance(one, bool):
                yield _held_fact(field_id, one)


def _held_fact(field_id: str, value: str | float) -> str:
    if isinstance(value, str):
        return fact(f"text of {field_id}", value)
    try:
        return fact(f"number of {field_id}", float(value))
    except OverflowError:  # an integer with hundreds of digits
        return fact(f"number of {field_id}", math.inf)
