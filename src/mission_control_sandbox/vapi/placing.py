"""Calls that began after the stand-in did: placed through the API, or arriving while it is live.

Only what they were placed with is kept. What they are at a given moment follows from the time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, cast

from mission_control_sandbox.vapi.call_json import Json, Placed, artifact, finished, head
from mission_control_sandbox.vapi.queries import timestamp
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.conversations import Agent, Conversation, Direction
from mission_control_sandbox.world.people import Person, person

CONTENT_PATIENCE = timedelta(seconds=1)


@dataclass(frozen=True)
class Placement:
    """A call that was placed. `due_at` is later than `created_at` when it was scheduled.

    Attributes:
        story: Decides what is said.
        pace: How many times faster than life it goes.
        customer: Somebody the world does not know; None for the person with `person_index`.
        given: Fields of the call that are written as they came.
        prompt: The name under which the text is kept that the assistant had then.
        members: Of the squad that answers, in their order; see `Placed`.
    """

    id: str
    story: int
    agent: Agent
    created_at: str
    due_at: str
    pace: float
    person_index: int
    phone_call_provider: str
    given: Mapping[str, Any]
    customer: Mapping[str, Any] | None = None
    prompt: str | None = None
    direction: Direction = "outbound"
    members: Sequence[Mapping[str, Any]] = ()

    def stored(self) -> Json:
        return asdict(self)

    def placed(self, today: date, prompt: str | None) -> Placed:
        due = datetime.fromisoformat(self.due_at)
        whom = _customer(person(self.person_index, today=today), self.customer)
        told = conversations.told(self.story, agent=self.agent, whom=whom, created=due)
        quick = replace(
            quickened(told, due, self.pace),
            created_at=datetime.fromisoformat(self.created_at),
            direction=self.direction,
        )
        return Placed(
            self.id, quick, whom, self.phone_call_provider, self.given, prompt, self.members
        )


def _customer(known: Person, customer: Mapping[str, Any] | None) -> Person:
    if customer is None:
        return known
    name = str(customer.get("name") or known.name)
    return replace(known, name=name, phone=str(customer.get("number") or known.phone))


def quickened(told: Conversation, due: datetime, pace: float) -> Conversation:
    """The same conversation, so many times faster."""

    def sooner(at: datetime | None) -> datetime | None:
        return at and due + (at - due) / pace

    return replace(
        told,
        started_at=sooner(told.started_at),
        ended_at=sooner(told.ended_at),
        turns=tuple(
            replace(one, start=round(one.start / pace, 3), end=round(one.end / pace, 3))
            for one in told.turns
        ),
    )


@dataclass(frozen=True)
class Moments:
    """When a call changes."""

    due: datetime
    started: datetime | None
    ended: datetime
    reported: datetime = field(repr=False)


def moments(placement: Placement, placed: Placed) -> Moments:
    due, told = datetime.fromisoformat(placement.due_at), placed.conversation
    ended = told.ended_at or due + timedelta(seconds=20) / placement.pace
    return Moments(due, told.started_at, ended, ended + CONTENT_PATIENCE / placement.pace)


def at_moment(placement: Placement, placed: Placed, now: datetime) -> Json:
    """The call as it is at this time."""
    when = moments(placement, placed)
    if now >= when.ended:
        call = finished(placed)
        return {**call, "updatedAt": timestamp(when.reported)}
    if when.started and now >= when.started:
        return _in_progress(placed, when.started, now)
    scheduled = placement.due_at != placement.created_at
    waiting = "scheduled" if scheduled and now < when.due else "queued"
    rings = now >= when.due + timedelta(seconds=0.5) / placement.pace
    status = "ringing" if rings else waiting
    return head(placed, status=status, updated_at=placed.conversation.created_at)


def _in_progress(placed: Placed, started: datetime, now: datetime) -> Json:
    since = (now - started).total_seconds()
    said = [turn for turn in placed.conversation.turns if turn.end <= since]
    updated = started + timedelta(seconds=said[-1].end if said else 0)
    return {
        **head(placed, status="in-progress", updated_at=updated),
        "startedAt": timestamp(started),
        "artifact": artifact(placed, said) if placed.has_content else {},
        "monitor": {
            "listenUrl": f"wss://phone-call-websocket.vapi.example/{placed.call_id}/listen",
            "controlUrl": f"https://phone-call-websocket.vapi.example/{placed.call_id}/control",
        },
    }


def stored_placements(stored: object) -> Iterator[Placement]:
    """Reads what `stored()` wrote. Raises TypeError for anything else."""
    if not isinstance(stored, list):
        raise TypeError
    for one in cast("list[dict[str, Any]]", stored):
        yield Placement(**one)
