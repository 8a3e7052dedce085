"""Wire shapes of the test split's ledger."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from mission_control.core.same_questions import SamePair
from mission_control.core.words import ReadingKind


class ReadingRead(BaseModel):
    """One job that read the test split, and whether that counts."""

    model_config = ConfigDict(from_attributes=True)

    number: int = Field(description="Which reading it was since the split was last fresh.")
    kind: ReadingKind
    job_id: UUID
    edited_version: int | None = Field(
        description="For an evaluation: the version that an edit made after it."
    )
    counted_at: datetime


class SplitRead(BaseModel):
    """How much of the test split of an agent's current version is spent."""

    agent_id: str
    version: int
    readings: int = Field(description="That count. 0: the split is fresh.", examples=[2])
    next_reading: int = Field(description="What the next comparison will be.", examples=[3])
    next_level: float = Field(
        description="What p it must stay below: 0.05 / (i (i + 1)).", examples=[0.0041667]
    )
    uncounted_evaluations: int = Field(
        description="Evaluations that showed test results since. An edit makes one reading of them."
    )
    scenarios: int = Field(description="In the test split, drafts left out.")
    questions: int = Field(description="That count for a verdict: without leaks, copies once.")
    never_read: list[str] = Field(description="Scenarios, one for each question.")
    leaked: list[str] = Field(description="Test scenarios whose question the search is shown.")
    copies: list[list[str]] = Field(description="Test scenarios that ask one question.")
    same_questions: list[SamePair]
    history: list[ReadingRead] = Field(description="All readings ever, newest first.")
