"""What came in from outside, checked before anything is done with it."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from uuid import UUID

from pydantic import JsonValue

from mission_control.core.playbook_parts import AGENT_ID
from mission_control.core.words import MemoryKind
from mission_control.memory_servers.errors import MemoryInputError, MemoryNotFoundError

LONGEST_CONTENT = 20_000  # characters
LONGEST_QUERY = 4_000
LONGEST_SUBJECT = 200
LONGEST_REASON = 500
LARGEST_SOURCE = 10_000  # characters of JSON
MOST_ITEMS = 200
TIERS = ("all", *MemoryKind, "1", "2", "3")
FIRST_YEAR, LAST_YEAR = 1900, 9000


def text_of(field: str, value: str, *, longest: int) -> str:
    """Trimmed. Raises MemoryInputError for what is empty, too long, or cannot be stored."""
    text = value.strip()
    if not text:
        raise MemoryInputError(field, "It is empty.")
    return storable(field, text, longest=longest)


def optional_text(field: str, value: str | None, *, longest: int) -> str | None:
    return None if value is None or not value.strip() else text_of(field, value, longest=longest)


def storable(field: str, text: str, *, longest: int) -> str:
    if len(text) > longest:
        raise MemoryInputError(
            field, f"It has {len(text):,} characters; at most {longest:,} are taken."
        )
    if "\x00" in text:
        raise MemoryInputError(field, "It holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MemoryInputError(field, "It holds half of a character (a lone surrogate).") from None
    return text


def time_of(field: str, value: str | None) -> datetime | None:
    """RFC 3339, or a date alone, which is its midnight in UTC."""
    if value is None or not value.strip():
        return None
    wanted = "Write it as 2026-11-23T10:00:00Z or 2026-11-23."
    try:
        at = datetime.fromisoformat(value.strip())
        is_date = len(value.strip()) == len("2026-11-23")
        if at.tzinfo is None and not is_date:
            raise MemoryInputError(field, f"The time has no zone. {wanted}")
        at = at.replace(tzinfo=UTC) if is_date else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MemoryInputError(field, f"It is no time. {wanted}") from None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise MemoryInputError(field, f"The year is not between {FIRST_YEAR} and {LAST_YEAR}.")
    return at


def agent_of(value: str | None) -> str | None:
    """The id of an agent; None, or an empty text: all agents."""
    if value is None or not value.strip():
        return None
    agent = value.strip().lower()
    if not AGENT_ID.fullmatch(agent):
        raise MemoryInputError("agent", "It is not the id of an agent, such as remus.")
    return agent


def kind_of(value: str) -> MemoryKind:
    try:
        return MemoryKind(value.strip().lower())
    except ValueError:
        raise MemoryInputError("kind", f"It is none of {', '.join(MemoryKind)}.") from None


def importance_of(value: int) -> int:
    if value not in {1, 2, 3}:
        raise MemoryInputError("tier", "It is none of 1 (important), 2 and 3.")
    return value


def tier_of(value: str | int | None) -> tuple[MemoryKind | None, int | None]:
    """What a tier means: a kind, or an importance, or (both None) anything."""
    tier = "all" if value is None else str(value).strip().lower()
    if tier not in TIERS:
        raise MemoryInputError("tier", f"It is none of {', '.join(TIERS)}.")
    if tier == "all":
        return None, None
    return (None, int(tier)) if tier.isdecimal() else (MemoryKind(tier), None)


def limit_of(value: int) -> int:
    if not 1 <= value <= MOST_ITEMS:
        raise MemoryInputError("limit", f"It is not between 1 and {MOST_ITEMS}.")
    return value


def source_of(value: Mapping[str, JsonValue] | str | None) -> dict[str, JsonValue]:
    """Where it comes from, as an object; a text is taken for a note."""
    if value is None:
        return {}
    source: dict[str, JsonValue] = {"note": value} if isinstance(value, str) else dict(value)
    try:
        written = json.dumps(source, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        raise MemoryInputError("source", "It cannot be written as JSON.") from None
    storable("source", written, longest=LARGEST_SOURCE)
    for text in _texts_in(source):
        storable("source", text, longest=LARGEST_SOURCE)
    return source


def _texts_in(value: JsonValue) -> Iterator[str]:
    match value:
        case str():
            yield value
        case list():
            for each in value:
                yield from _texts_in(each)
        case dict():
            for name, each in value.items():
                yield name
                yield from _texts_in(each)
        case _:
            pass


def id_of(value: str) -> UUID:
    """Raises MemoryNotFoundError: what is no id of ours, is nothing of ours."""
    try:
        return UUID(value.strip())
    except ValueError:
        raise MemoryNotFoundError(
            "There is nothing with this id; nothing was changed. Ids come with every item of a list."
        ) from None
