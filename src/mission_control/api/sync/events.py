"""What syncs announce."""

from typing import Any
from uuid import UUID

from mission_control.core.events import SYSTEM_CHANNEL, Event


def sync_progressed(job_id: UUID, systems: dict[str, Any]) -> Event:
    return _event("sync.progressed", job_id, systems=systems)


def sync_completed(job_id: UUID) -> Event:
    return _event("sync.completed", job_id)


def sync_failed(job_id: UUID, error: dict[str, Any]) -> Event:
    return _event("sync.failed", job_id, error=error)


def sync_cancelled(job_id: UUID) -> Event:
    return _event("sync.cancelled", job_id)


def _event(name: str, job_id: UUID, **data: Any) -> Event:
    return Event(channel=SYSTEM_CHANNEL, type=name, job_id=str(job_id), data=data)
