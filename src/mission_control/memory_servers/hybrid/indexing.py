"""Filling the index: calls as they come, and transcripts that are imported."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from mission_control.core.clock import utc_now
from mission_control.core.words import ConversationSource
from mission_control.data.conversations import ConversationFacts, SpokenTurn, Stored
from mission_control.memory_servers import inputs
from mission_control.memory_servers.errors import MemoryInputError
from mission_control.memory_servers.hybrid.items import GivenConversation, GivenTurn, Indexed
from mission_control.memory_servers.hybrid.transcripts import (
    LONGEST_TURN,
    MOST_TURNS,
    content_hash,
    facts_of,
    lines_of,
)
from mission_control.memory_servers.units import UnitsOfWork

log = structlog.get_logger(__name__)

CALLS_AT_ONCE = 100
MOST_AT_ONCE = 500  # conversations in one import
LONGEST_ID = 200
LONGEST_SPEAKER = 64
LONGEST_TRANSCRIPT = 1_000_000  # characters


@dataclass(frozen=True, slots=True)
class IndexedCalls:
    """How many calls were new, changed, or as they were; whether none is left."""

    new: int
    changed: int
    unchanged: int
    is_complete: bool = True


async def index_calls(units: UnitsOfWork, *, seconds: float | None = None) -> IndexedCalls:
    """Index ended calls that are new or changed: all of them, or for about so many seconds.

    Each batch is a transaction; killed half-way, it goes on where it was. A call that lost its
    content at its source is forgotten.
    """
    stored, end = Stored(), _end_of(seconds)
    async with units() as uow:
        await uow.conversations.forget_removed_calls()
    while True:
        batch = await _index_batch(units)
        stored += batch
        is_complete = batch.count < CALLS_AT_ONCE
        if is_complete or time.monotonic() >= end:
            break
    log.info("calls_indexed", new=stored.new, changed=stored.changed, is_complete=is_complete)
    return IndexedCalls(stored.new, stored.changed, stored.unchanged, is_complete)


async def _index_batch(units: UnitsOfWork) -> Stored:
    # Read and taken apart before the transaction: on SQLite nobody else may write during one.
    async with units(readonly=True) as uow:
        waiting = await uow.conversations.calls_to_index(limit=CALLS_AT_ONCE)
    if not waiting:
        return Stored()
    found = [facts_of(call, content) for call, content in waiting]
    begun = time.monotonic()
    async with units() as uow:
        stored = await uow.conversations.store(found)
    # Others who write get as much of the time, wherever they are.
    await asyncio.sleep(time.monotonic() - begun)
    return stored


def _end_of(seconds: float | None) -> float:
    return float("inf") if seconds is None else time.monotonic() + seconds


async def index_conversations(units: UnitsOfWork, given: Sequence[GivenConversation]) -> Indexed:
    """Index imported transcripts: all of them, or none.

    Raises:
        MemoryInputError: One of them cannot be used; it says which, and nothing was stored.
    """
    if not 1 <= len(given) <= MOST_AT_ONCE:
        raise MemoryInputError("items", f"There are not between 1 and {MOST_AT_ONCE} of them.")
    found = [_facts_of(each, f"items.{at}") for at, each in enumerate(given)]
    if len({each.external_id for each in found}) != len(found):
        raise MemoryInputError("items", "Two of them have the same external_id.")
    async with units() as uow:
        stored = await uow.conversations.store(found)
    return Indexed(new=stored.new, changed=stored.changed, unchanged=stored.unchanged)


def _facts_of(given: GivenConversation, where: str) -> ConversationFacts:
    started_at = inputs.time_of(f"{where}.started_at", given.started_at)
    if started_at is None:
        raise MemoryInputError(f"{where}.started_at", "It is empty.")
    summary = inputs.optional_text(f"{where}.summary", given.summary, longest=LONGEST_TURN)
    turns = _turns_of(given, where)
    return ConversationFacts(
        source=ConversationSource.IMPORT,
        external_id=inputs.text_of(f"{where}.external_id", given.external_id, longest=LONGEST_ID),
        agent=inputs.agent_of(given.agent),
        started_at=started_at,
        title=inputs.optional_text(f"{where}.title", given.title, longest=LONGEST_ID),
        summary=summary,
        turns=turns,
        content_hash=content_hash(summary, turns),
        seen_at=utc_now(),
        details=inputs.source_of(given.source),
    )


def _turns_of(given: GivenConversation, where: str) -> list[SpokenTurn]:
    if given.turns and given.transcript:
        raise MemoryInputError(where, "It has turns and a transcript; give one of them.")
    if given.transcript:
        text = inputs.storable(f"{where}.transcript", given.transcript, longest=LONGEST_TRANSCRIPT)
        turns = lines_of(text)
    else:
        turns = [
            _turn_of(each, f"{where}.turns.{at}")
            for at, each in enumerate(given.turns[: MOST_TURNS + 1])
        ]
    if not turns or len(turns) > MOST_TURNS:
        raise MemoryInputError(where, f"It does not have between 1 and {MOST_TURNS:,} turns.")
    return turns


def _turn_of(given: GivenTurn, where: str) -> SpokenTurn:
    return SpokenTurn(
        inputs.text_of(f"{where}.text", given.text, longest=LONGEST_TURN),
        inputs.optional_text(f"{where}.speaker", given.speaker, longest=LONGEST_SPEAKER),
        inputs.time_of(f"{where}.at", given.at),
    )
