"""Wire shapes of the system's own state."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from mission_control.api.jobs.schemas import JobRead
from mission_control.core.words import JobKind, Queue

ComponentState = Literal["ok", "degraded", "down"]


class Component(BaseModel):
    """One part of the installation. `stand_in`: it only plays the real thing."""

    name: str = Field(examples=["vapi"])
    state: ComponentState
    stand_in: bool
    detail: str = Field(examples=["answers in 3 ms"])
    milliseconds: float | None


class WaitingJob(BaseModel):
    """A job that waits, and for how long it has."""

    job_id: UUID
    kind: JobKind
    agent_id: str | None
    seconds: float


class QueueRead(BaseModel):
    """What waits and runs in one queue. `slots`: how many tasks its workers do at once."""

    queue: Queue
    slots: int | None = Field(description="Null when Redis does not answer.")
    running: int = Field(description="Jobs.")
    waiting: int = Field(description="Jobs.")
    messages: int | None = Field(
        description="Of jobs and of scheduled work, not taken by a worker yet. Null: not known."
    )
    oldest: WaitingJob | None = Field(description="The job that has waited longest.")


class SystemStatus(BaseModel):
    state: ComponentState
    version: str
    components: list[Component]
    queues: list[QueueRead]


class SystemSnapshot(BaseModel):
    """What runs and what waits, in the order in which it was asked for."""

    jobs: list[JobRead]


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    status: Literal["ready", "not_ready"]
    components: list[Component]
