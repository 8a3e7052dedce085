"""Puts together what several servers answered to one question."""

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

from mission_control.integrations.memory.items import ConversationHit, Kind, Memory, ServerAnswer
from mission_control.integrations.memory.mapping.mapped_server import Read
from mission_control.integrations.memory.selection import is_for, is_of_tier, was_true

T = TypeVar("T")
CHOSEN_HERE = "It was not told which tier is wanted; what does not say its tier is left out."
PLACED_HERE = "It was not told the time; what was true then was chosen by its dates."


def memories_in(read: Read) -> list[Memory]:
    return [each for each in read.items(as_conversations=False) if isinstance(each, Memory)]


def chosen(read: Read, tier: str, at: datetime | None) -> list[Memory]:
    knows_tier = "tier" in read.sends
    kept = [m for m in memories_in(read) if is_of_tier(m, tier, asked_for_tier=knows_tier)]
    if tier != "all" and not knows_tier and read.operation is not None:
        read.notes.append(CHOSEN_HERE)
    if at is not None and "as_of" not in read.sends and read.operation is not None:
        read.notes.append(PLACED_HERE)
        kept = [each for each in kept if was_true(each, at)]
    return kept


def conversations_in(read: Read, agent: str | None) -> list[ConversationHit]:
    hits = read.items(as_conversations=True)
    found = [each for each in hits if isinstance(each, ConversationHit)]
    return found if agent is None else [each for each in found if is_for(each, agent)]


def answers_of(reads: "Iterable[tuple[Read, list[T]]]") -> tuple[ServerAnswer, ...]:
    return tuple(read.answer(len(items)) for read, items in reads)


def all_items(reads: "Iterable[tuple[Read, list[T]]]") -> list[T]:
    return [item for _, items in reads for item in items]


def of_kind(items: Iterable[Memory], kind: Kind | None) -> tuple[Memory, ...]:
    return tuple(each for each in items if each.kind == kind)
