"""What syncs announce."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.events import SYSTEM_CHANNEL, Event, EventData
from mission_control.core.words import SyncStatus, SyncSystem


class SystemProgress(BaseModel):
    """How far one system is read."""

    model_config = ConfigDict(extra="ignore")

    status: SyncStatus
    phase: str | None = None
    done: int | None = None
    total: int | None = Field(default=None, description="null: nobody knows it yet")
    servers: dict[str, JsonValue] | None = Field(default=None, description="By memory server.")
    changed: dict[str, int] | None = Field(default=None, description="Rows here, by what they are.")
    error: ErrorRead | None = None


class SyncProgressed(EventData):
    """How far each system is. Told every half second or so."""

    type = "sync.progressed"
    systems: dict[SyncSystem, SystemProgress]


class SyncCompleted(EventData):
    """Every system was read."""

    type = "sync.completed"


class SyncFailed(EventData):
    """One or more systems could not be read. What was read is kept."""

    type = "sync.failed"
    error: ErrorRead


class SyncCancelled(EventData):
    """Somebody ended it. What was read is kept, and the next one goes on from there."""

    type = "sync.cancelled"


EVENTS = (SyncProgressed, SyncCompleted, SyncFailed, SyncCancelled)


def sync_progressed(job_id: UUID, systems: Mapping[str, Any]) -> Event:
    return _event(job_id, SyncProgressed.model_validate({"systems": dict(systems)}))


def sync_completed(job_id: UUID) -> Event:
    return _event(job_id, SyncCompleted())


def sync_failed(job_id: UUID, error: dict[str, Any]) -> Event:
    return _event(job_id, SyncFailed(error=ErrorRead.model_validate(error)))


def sync_cancelled(job_id: UUID) -> Event:
    return _event(job_id, SyncCancelled())


def _event(job_id: UUID, data: EventData) -> Event:
    return Event(channel=SYSTEM_CHANNEL, job_id=str(job_id), data=data)
