"""Wire shapes of calls."""

from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from mission_control.core.money import Money
from mission_control.core.words import CallEnding, CallSource, LeadMatch, SuccessRubric

Speaker = Literal["agent", "caller", "tool"]


class CallRead(BaseModel):
    """A phone call as its source tells of it. What the source keeps to itself is null."""

    id: UUID
    source: CallSource
    external_id: str = Field(description="The call's id at its source.")
    agent_id: str | None
    assistant_id: str | None
    assistant_version: str | None
    lead_id: str | None = Field(description="Close's id of the lead, as the call carries it.")
    contact_id: str | None
    direction: str | None = Field(examples=["inbound", "outbound", "web"])
    status: str | None = Field(examples=["ended"], description="In the source's own words.")
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    duration_seconds: float | None
    ended_reason: str | None = Field(examples=["customer-ended-call"])
    ending: CallEnding | None = Field(description="The reason's kind; null: not ended.")
    success_evaluation: str | None = Field(description="In the words of the assistant's rubric.")
    success_rubric: SuccessRubric | None = Field(
        description="What the assistant is judged by; null: not known."
    )
    success: bool | None = Field(description="Only where the rubric says pass or fail.")
    success_score: float | None = Field(
        description="On the rubric's own scale: 0 is its worst answer, 1 its best. null: no answer "
        "of the rubric, or the rubric has no scale or is not known.",
        examples=[0.888889],
    )
    cost_usd: Money | None = Field(description="null: unpriced", examples=["0.18430000"])
    customer_number: str | None
    customer_name: str | None
    summary: str | None
    same_call_as: UUID | None = Field(
        description="This row repeats that one: both systems keep the call. It counts once."
    )
    content_removed_at: datetime | None = Field(
        description="When the source said that what was said in the call is deleted."
    )
    updated_at: datetime


class CallPage(BaseModel):
    items: list[CallRead]
    next_cursor: str | None


class TurnRead(BaseModel):
    """One thing said, or one thing a tool was asked or answered."""

    speaker: Speaker
    text: str
    assistant: str | None = Field(
        default=None, description="Which of several assistants spoke, by name or else by id."
    )
    at_seconds: float | None = Field(description="Since the call began.")
    duration_seconds: float | None
    latency_seconds: float | None = Field(
        description="How long the caller waited for this answer of the agent."
    )


class MatchedLead(BaseModel):
    """A lead that this call belongs to, and how that is known."""

    id: str
    name: str
    matched_by: LeadMatch


class SameCall(BaseModel):
    """Another system's row of the same call."""

    id: UUID
    source: CallSource
    external_id: str
    duration_seconds: float | None
    cost_usd: Money | None


class CallPartRead(BaseModel):
    """What one of several assistants had of a call. What nobody can tell is null."""

    assistant_id: str | None
    assistant_name: str | None
    assistant_version: str | None
    agent_id: str | None
    duration_seconds: float | None = Field(description="From its first word to the next one's.")
    cost_usd: Money | None = Field(description="Its share of the call's cost, by time.")


class CallDetail(CallRead):
    """A call with what was said in it."""

    content_withheld: bool = Field(
        description="The call was held, but its source does not keep or tell what was said."
    )
    transcript: str | None
    turns: list[TurnRead]
    analysis: dict[str, Any] = Field(description="As the source sent it.")
    structured_outputs: dict[str, Any] = Field(description="As the source sent them, by id.")
    variables: dict[str, Any] = Field(description="Given to the call, or set in it.")
    metadata: dict[str, Any] = Field(description="What whoever placed the call wrote to it.")
    notes: list[str] = Field(description="What of this differs from what the source says, and why.")
    cost_breakdown: dict[str, Money] = Field(description="USD by part.")
    leads: list[MatchedLead]
    same_calls: list[SameCall] = Field(description="What other systems keep of the same call.")
    parts: list[CallPartRead] = Field(description="Of a call that several assistants spoke in.")


class ScoreFigures(BaseModel):
    calls: int
    average: float = Field(description="From 0, the scale's worst answer, to 1, its best.")


class Successes(BaseModel):
    """Of the ended calls: yes, no, the scores and unknown are all of them."""

    yes: int
    no: int
    unknown: int = Field(description="Not judged, or by what cannot be compared.")
    scores: dict[SuccessRubric, ScoreFigures] = Field(
        description="Judged on a scale, each scale by itself; only those that some call had."
    )


class CallFigures(BaseModel):
    calls: int
    ended: int
    cost_usd: Money = Field(description="Of all priced calls.", examples=["812.44570000"])
    unpriced: int = Field(description="Ended calls without a cost.")
    duration_seconds: float
    success: Successes
    endings: dict[CallEnding, int] = Field(description="How many ended so; only those that did.")


class AgentFigures(CallFigures):
    agent_id: str | None = Field(description="null: calls of an assistant that is no agent's.")


class VersionFigures(AgentFigures):
    assistant_version: str | None = Field(description="null: its source names none.")


class DayFigures(CallFigures):
    day: date = Field(description="Of the calls' creation, in UTC.")


class CallTotals(CallFigures):
    """Figures of all calls asked for, then by agent and version (most calls first) and by day.

    A call that several agents spoke in counts once in all, and with each of them what it had of it.
    """

    by_agent: list[AgentFigures]
    by_version: list[VersionFigures]
    by_day: list[DayFigures]
