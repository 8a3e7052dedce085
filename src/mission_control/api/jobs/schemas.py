"""Wire shapes of jobs."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, computed_field

from mission_control.core.words import JobKind, JobStatus, Queue


class ErrorRead(BaseModel):
    """Why something ended without its result."""

    code: str = Field(examples=["superoptix_failed"])
    detail: str = Field(examples=["The model refused the credentials. Nothing was scored."])
    kind: str | None = Field(default=None, examples=["auth"])
    changed: list[str] | None = Field(
        default=None,
        description="Fields that somebody else changed; left out where that is not the reason.",
        examples=[["system"]],
        exclude_if=lambda changed: changed is None,
    )


class WaitingRead(BaseModel):
    """How a job waits: its place in the queue (1: the next), and for what."""

    queue: Queue
    place: int = Field(ge=1)
    waits_for: Literal["worker", "slot", "start", "redis"] = Field(
        description="`slot`: all workers of the queue are busy; `worker`: none serves it; `start`: a "
        "slot is free; `redis`: it does not answer."
    )
    detail: str = Field(
        examples=["Number 2 in the queue engine. All 2 slots are taken by optimize remus, sync."]
    )


class JobLinks(BaseModel):
    self: str
    cancel: str | None
    events: str | None
    result: str | None


class JobRead(BaseModel):
    """Long work: what was asked, how far it is, and how it ended."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: JobKind
    agent_id: str | None
    status: JobStatus
    waiting: WaitingRead | None = Field(
        default=None,
        description="Null when it does not wait, and in a `202`, where that is not known yet.",
    )
    progress: dict[str, Any] = Field(examples=[{"phase": "searching", "trials": 4}])
    error: ErrorRead | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @computed_field
    @property
    def links(self) -> JobLinks:
        is_open = not self.status.is_over
        here = f"/api/jobs/{self.id}"
        events, result = {
            JobKind.EVALUATE: (f"/ws/evaluate/{self.agent_id}", f"/api/evaluate/{self.agent_id}/latest"),
            JobKind.OPTIMIZE: (f"/ws/optimize/{self.agent_id}", f"/api/optimize/{self.agent_id}/status"),
            JobKind.DEPLOY: (None, f"/api/deployments?agent_id={self.agent_id}"),
            JobKind.ROLLBACK: (None, f"/api/deployments?agent_id={self.agent_id}"),
            JobKind.SYNC: (None, "/api/system/sync"),
        }[self.kind]  # fmt: skip
        return JobLinks(
            self=here, cancel=f"{here}/cancel" if is_open else None, events=events, result=result
        )


class JobPage(BaseModel):
    items: list[JobRead]
    next_cursor: str | None
