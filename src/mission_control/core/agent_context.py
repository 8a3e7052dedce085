"""What of the memory is loaded into an agent: the choice, its size, and its place in the prompt."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mission_control.core.words import MemoryKind

# Exactly this and nothing like it: what else stands in double braces is the voice platform's own.
MARK = "{{memory}}"
HEADING = "## What you remember"
NOTE = "Oldest first. Where two lines disagree, the later one holds."
CHARACTERS_PER_TOKEN = 4

MemoryRef = Annotated[
    str,
    Field(
        max_length=400,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[^\x00]+$",
        examples=["temporal-memory/0199f3a2"],
        description="The server's name, a slash, and the memory's id there.",
    ),
]


class ContextSettings(BaseModel):
    """Which memories an agent is given. Empty lists choose everything.

    Pinned memories are taken first; the others by relevance to the query if there is one, else by
    tier and then the newest first, as long as they fit the budget.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: list[MemoryKind] = Field(default=[], max_length=3)
    tiers: list[Annotated[int, Field(ge=1, le=3, strict=True)]] = Field(
        default=[], max_length=3, description="Importance: 1 (important) to 3."
    )
    query: str | None = Field(
        default=None,
        max_length=4_000,
        pattern=r"^[^\x00]*$",
        description="Only memories that share words with it, the closest first.",
    )
    token_budget: int = Field(
        default=1_000,
        ge=50,
        le=20_000,
        strict=True,
        description="An estimate: 4 characters are one token.",
    )
    pinned: list[MemoryRef] = Field(default=[], max_length=200)
    excluded: list[MemoryRef] = Field(default=[], max_length=1_000)


class MemoryUsed(BaseModel):
    """One memory as a prompt said it."""

    ref: str
    text: str
    content_hash: str = Field(description="SHA-256 of the memory's content.")


class MemoryRecord(BaseModel):
    """Exactly what of the memory stood in a prompt, by which version of the agent's context."""

    context: int | None
    tokens: int
    text: str
    items: list[MemoryUsed]
    stale: dict[str, datetime] = Field(description="Servers that were silent, and since when.")
    missing: list[str] = Field(description="Servers of which nothing was known.")
    partly_read: list[str] = Field(
        default=[],
        description="Servers that hold more memories than were read, so that others may fit better.",
    )


def tokens_of(text: str) -> int:
    """An estimate, rounded up. Models count differently, and no two alike."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def place(prompt: str, memory: str) -> str:
    """The prompt with the memory at its mark, or below a heading at its end.

    Everything else of the prompt stays as it is, byte for byte. An empty memory leaves no trace.
    """
    if MARK in prompt:
        return prompt.replace(MARK, memory)
    return f"{prompt}\n\n{HEADING}\n{memory}" if memory else prompt
