"""The memory of an agent as its prompt holds it: chosen by its context, in time order, with dates."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mission_control.api.memory import recall
from mission_control.api.memory.recall import ServerContribution
from mission_control.api.resources import Resources
from mission_control.core.agent_context import (
    CHARACTERS_PER_TOKEN,
    HEADING,
    NOTE,
    ContextSettings,
    tokens_of,
)
from mission_control.core.errors import ConflictError
from mission_control.data.agent_contexts import AgentContext
from mission_control.integrations.errors import IntegrationError
from mission_control.integrations.memory.items import Memory
from mission_control.integrations.memory.ranking import by_shared_words
from mission_control.integrations.memory.selection import by_time

LEAST_IMPORTANT = 3
# Somebody waits for a run or a page: a server that takes longer is known by its last snapshot.
SOON_SECONDS = 5.0
TEMPLATE = re.compile(r"\{(?=[{%])")  # a brace that Vapi would take for the beginning of a template


class NoAgentContextError(ConflictError):
    """The agent has no context, so there is no memory to put into its prompt."""

    code = "no_agent_context"

    def __init__(self, agent_id: str) -> None:
        super().__init__(
            "This agent has no context, so nothing was deployed. Save one under "
            f"/api/memory/context/{agent_id}, or deploy without its memory.",
            agent_id=agent_id,
        )


class MemoryIncompleteError(IntegrationError):
    """A memory server is silent, and nothing is known of what it holds."""

    code = "memory_incomplete"

    def __init__(self, silent: Sequence[ServerContribution]) -> None:
        names = [each.answer.server for each in silent]
        said = [each.answer.problem.message for each in silent if each.answer.problem]
        super().__init__(
            f"Not all of the agent's memory could be read ({', '.join(names)}), so nothing was "
            f"deployed. {' '.join(said)}",
            servers=names,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One memory as the prompt says it."""

    memory: Memory
    text: str
    is_pinned: bool

    @property
    def ref(self) -> str:
        return ref_of(self.memory)


@dataclass(frozen=True, slots=True)
class AgentMemory:
    """What is put into the prompt. `text` is all of it, empty when nothing was chosen."""

    context: int | None
    settings: ContextSettings
    lines: tuple[Line, ...]
    left_out: int
    servers: tuple[ServerContribution, ...]

    @property
    def text(self) -> str:
        return "\n".join([NOTE, *(each.text for each in self.lines)]) if self.lines else ""

    @property
    def tokens(self) -> int:
        """With the heading, which an agent without a mark in its prompt gets too."""
        return tokens_of(f"{HEADING}\n{self.text}") if self.lines else 0

    @property
    def missing(self) -> list[ServerContribution]:
        return [each for each in self.servers if each.is_missing]

    def record(self) -> dict[str, Any]:
        """What is remembered of this with an execution or a deployment."""
        stale = {each.answer.server: each.stale_since for each in self.servers if each.stale_since}
        return {
            "context": self.context,
            "tokens": self.tokens,
            "text": self.text,
            "items": [
                {
                    "ref": each.ref,
                    "text": each.text,
                    "content_hash": hashlib.sha256(each.memory.content.encode()).hexdigest(),
                }
                for each in self.lines
            ],
            "stale": {name: at.isoformat() for name, at in stale.items()},
            "missing": [each.answer.server for each in self.missing],
            "partly_read": [each.answer.server for each in self.servers if each.more],
        }


async def load(
    resources: Resources, agent_id: str, *, patiently: bool = False
) -> AgentMemory | None:
    """By the agent's context; None when it has none. No transaction is open meanwhile.

    `patiently`: each server has all the time that its configuration gives it.
    """
    async with resources.unit_of_work(readonly=True) as uow:
        context = await uow.agent_contexts.latest(agent_id)
    settings = settings_of(context)
    if context is None or settings is None:
        return None
    return await choose(resources, agent_id, settings, number=context.number, patiently=patiently)


def settings_of(context: AgentContext | None) -> ContextSettings | None:
    if context is None or context.settings is None:
        return None
    return ContextSettings.model_validate(context.settings)


async def choose(
    resources: Resources,
    agent_id: str,
    settings: ContextSettings,
    *,
    number: int | None,
    patiently: bool = False,
) -> AgentMemory:
    """What these settings choose of all that is remembered for the agent now."""
    found = await recall.memories_for(
        resources, agent_id, within=None if patiently else SOON_SECONDS
    )
    current = [each for each in found.items if recall.is_current(each)]
    lines, left_out = fitting(settings, current)
    return AgentMemory(number, settings, lines, left_out, found.servers)


def fitting(settings: ContextSettings, memories: Sequence[Memory]) -> tuple[tuple[Line, ...], int]:
    """As many of the wanted memories as fit the budget, oldest first, and how many do not."""
    wanted = list(_in_order_of_choice(settings, memories))
    room = settings.token_budget * CHARACTERS_PER_TOKEN - len(HEADING) - len(NOTE) - 1
    chosen: list[Line] = []
    for memory in wanted:
        line = Line(memory, line_of(memory), ref_of(memory) in settings.pinned)
        if len(line.text) + 1 <= room:
            chosen.append(line)
            room -= len(line.text) + 1
    oldest_first = sorted(chosen, key=lambda line: by_time(line.memory))
    return tuple(oldest_first), len(wanted) - len(chosen)


def _in_order_of_choice(settings: ContextSettings, memories: Iterable[Memory]) -> Iterable[Memory]:
    allowed = [each for each in memories if ref_of(each) not in settings.excluded]
    pinned = [each for each in allowed if ref_of(each) in settings.pinned]
    others = [each for each in allowed if ref_of(each) not in settings.pinned]
    others = [each for each in others if _is_wanted(each, settings)]
    if settings.query:
        found = by_shared_words(settings.query, others)
        others = [each for each in found if isinstance(each, Memory)]
    else:
        others.sort(key=lambda each: (each.tier or LEAST_IMPORTANT, -_when(each)))
    seen: set[str] = set()
    for memory in (*pinned, *others):  # two servers may remember the same
        said = " ".join(memory.content.casefold().split())
        if said not in seen:
            seen.add(said)
            yield memory


def _is_wanted(memory: Memory, settings: ContextSettings) -> bool:
    """What does not say its kind or tier is wanted only where that does not matter."""
    kind_fits = not settings.kinds or memory.kind in settings.kinds
    tier_fits = not settings.tiers or memory.tier in settings.tiers
    return kind_fits and tier_fits


def _when(memory: Memory) -> float:
    at: datetime | None = memory.happened_at
    return at.timestamp() if at is not None else 0.0


def ref_of(memory: Memory) -> str:
    return f"{memory.server}/{memory.id}"


def line_of(memory: Memory) -> str:
    """One line with its date. Nothing in it can end the line or be read as a template of Vapi's."""
    at = memory.happened_at
    day = f"{at:%Y-%m-%d}" if at is not None else "undated"
    kind = f", {memory.kind}" if memory.kind else ""
    said = " ".join(memory.content.split())
    return f"- {day}{kind}: {TEMPLATE.sub('{ ', said)}"
