"""Which memories belong to an answer, where the server itself was not asked to choose."""

import unicodedata
from datetime import UTC, datetime

from mission_control.integrations.memory.errors import MemoryQueryError, UnknownTierError
from mission_control.integrations.memory.items import Item, Memory

TIERS = ("all", "fact", "preference", "context", "1", "2", "3")
LONGEST_QUERY = 4_000  # characters
_BEGINNING_OF_TIME = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME = datetime.max.replace(tzinfo=UTC)


def checked_tier(tier: str | int) -> str:
    """Raises UnknownTierError."""
    known = str(tier).strip().lower()
    if known not in TIERS:
        raise UnknownTierError(
            f"There is no such tier of memory. Use one of {', '.join(TIERS)}.",
            errors=[{"field": "tier", "message": f"is none of {', '.join(TIERS)}"}],
        )
    return known


def checked_query(query: str) -> str:
    """Raises MemoryQueryError."""
    text = " ".join(query.replace("\x00", " ").split())
    if not text or len(text) > LONGEST_QUERY:
        what = "is empty" if not text else f"is longer than {LONGEST_QUERY} characters"
        raise MemoryQueryError(
            f"The query {what}. Nothing was asked; say in a few words what to look for.",
            errors=[{"field": "query", "message": what}],
        )
    return text.encode("utf-8", "replace").decode()


def in_utc(at: datetime | None) -> datetime | None:
    """A time without an offset is UTC. One that UTC cannot say is the first or last that it can."""
    if at is None:
        return None
    try:
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return _BEGINNING_OF_TIME if at.year == 1 else _END_OF_TIME


def is_of_tier(memory: Memory, tier: str, *, asked_for_tier: bool) -> bool:
    """What says of itself that it is something else never is; what says nothing is believed."""
    if tier == "all":
        return True
    of_itself = str(memory.tier) if tier.isdecimal() and memory.tier else None
    of_itself = of_itself if tier.isdecimal() else memory.kind
    return asked_for_tier if of_itself is None else of_itself == tier


def was_true(memory: Memory, at: datetime) -> bool:
    """By its own dates; one without any cannot be placed in time."""
    begins = memory.valid_from or memory.recorded_at
    ends = memory.valid_to
    return begins is not None and begins <= at and (ends is None or ends > at)


def is_for(item: Item, agent: str) -> bool:
    """For this agent, or for all of them."""
    return item.agent is None or item.agent.casefold() == agent.casefold()


def by_time(memory: Memory) -> tuple[datetime, str, str]:
    return (memory.happened_at or _END_OF_TIME, memory.server, memory.id)


def words_of(text: str) -> frozenset[str]:
    """The words that are compared: small, without accents and punctuation."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return frozenset(
        "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c)).split()
    )
