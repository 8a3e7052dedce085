"""What is mirrored of each system outside, and the sync that runs."""

from datetime import datetime
from typing import Any

from mission_control.api.mirrors.memory import STATE as MEMORY_STATE
from mission_control.api.sync.schemas import SyncRead, SystemSync
from mission_control.api.sync.systems import EVERYTHING, MIRRORS, exclusive_key
from mission_control.core.settings import Settings
from mission_control.core.words import CallSource, SyncStatus, SyncSystem
from mission_control.data.sync_states import SyncState
from mission_control.data.unit_of_work import UnitOfWork


async def read_sync(uow: UnitOfWork, settings: Settings) -> SyncRead:
    """What is mirrored of each system, and the sync that runs."""
    job = await uow.jobs.holding(exclusive_key(EVERYTHING))
    job = job or await uow.jobs.holding(exclusive_key((SyncSystem.MEMORY,)))
    progress: dict[str, Any] = job.progress.get("systems", {}) if job is not None else {}
    states = {state.name: state for state in await uow.sync_states.all()}
    counts = await _counts(uow)
    stand_ins = {
        SyncSystem.VAPI: settings.vapi_is_stand_in,
        SyncSystem.CLOSE: settings.close_is_stand_in,
    }
    systems = [
        _system(
            system,
            [states.get(name) for name in MIRRORS[system]],
            running=progress.get(system.value),
            counts=counts.get(system, {}),
            stand_in=stand_ins.get(system, False),
        )
        for system in SyncSystem
    ]
    return SyncRead(systems=systems, job_id=job.id if job is not None else None)


async def _counts(uow: UnitOfWork) -> dict[SyncSystem, dict[str, int]]:
    return {
        SyncSystem.VAPI: {"calls": await uow.calls.count(CallSource.VAPI)},
        SyncSystem.CLOSE: {
            "leads": await uow.leads.count(),
            "calls": await uow.calls.count(CallSource.CLOSE),
        },
        SyncSystem.MEMORY: await _memory_counts(uow),
    }


async def _memory_counts(uow: UnitOfWork) -> dict[str, int]:
    """What each memory server held when it was last read to the end."""
    state = await uow.sync_states.seen(MEMORY_STATE)
    return dict(state.position.get("servers", {})) if state is not None else {}


def _system(
    system: SyncSystem,
    states: list[SyncState | None],
    *,
    running: dict[str, Any] | None,
    counts: dict[str, int],
    stand_in: bool,
) -> SystemSync:
    until = [_complete_until(state) for state in states]
    known = [moment for moment in until if moment is not None]
    complete_until = min(known) if known and len(known) == len(until) else None
    error = next((each.error for each in states if each is not None and each.error), None)
    return SystemSync.model_validate(
        {
            "system": system,
            "status": running["status"] if running else _status(error, complete_until),
            "stand_in": stand_in,
            "complete_until": complete_until,
            "counts": counts,
            "error": (running or {}).get("error") or error,
        }
    )


def _complete_until(state: SyncState | None) -> datetime | None:
    # What the system itself keeps from us is missing, however often we read.
    return None if state is None or state.position.get("missing") else state.complete_until


def _status(error: object, complete_until: object) -> SyncStatus:
    if error:
        return SyncStatus.FAILED
    return SyncStatus.COMPLETED if complete_until else SyncStatus.WAITING
