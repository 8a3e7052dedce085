"""Reading the outside world into our mirrors: every system in one job, each with its own outcome."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog

from mission_control.api.calls.queries import sync_vapi_calls
from mission_control.api.jobs import service as jobs
from mission_control.api.jobs.service import JobRun
from mission_control.api.leads.queries import sync_close
from mission_control.api.mirrors.memory import STATE as MEMORY_STATE
from mission_control.api.mirrors.memory import ServersReport, sync_memory
from mission_control.api.resources import Resources
from mission_control.api.sync import events
from mission_control.api.sync.errors import SyncIncompleteError
from mission_control.api.sync.schemas import SyncRead, SystemSync
from mission_control.core.clock import utc_now
from mission_control.core.settings import Settings
from mission_control.core.tasks import together
from mission_control.core.words import CallSource, JobKind, SyncStatus, SyncSystem
from mission_control.data.jobs import Job
from mission_control.data.sync_states import SyncState
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationError

log = structlog.get_logger(__name__)

EXCLUSIVE_KEY = "sync"
SECONDS_BETWEEN_NOTES = 0.5
FIRST_SYNC_AGAIN = timedelta(minutes=30)
# What has to be read for a system to be complete, by the names of the `SyncState`s.
MIRRORS: dict[SyncSystem, tuple[str, ...]] = {
    SyncSystem.VAPI: ("vapi.calls",),
    SyncSystem.CLOSE: ("close.leads", "close.calls"),
    SyncSystem.MEMORY: (MEMORY_STATE,),
}
EVERYTHING = tuple(SyncSystem)

# Returns how many rows here have changed, by what they are.
Reading = Callable[[Resources, ServersReport], Awaitable[Mapping[str, int]]]
READINGS: dict[SyncSystem, Reading] = {
    SyncSystem.VAPI: sync_vapi_calls,
    SyncSystem.CLOSE: sync_close,
    SyncSystem.MEMORY: sync_memory,
}


# -------------------------------------------------------------------- asking


async def request_sync(
    uow: UnitOfWork, *, idempotency_key: str | None, systems: Sequence[SyncSystem] = EVERYTHING
) -> Job:
    """Promise to read these systems. While a sync of them runs, asking again returns that one."""
    await uow.sync_states.of(EXCLUSIVE_KEY)  # locked: two who ask at once get the same job
    parameters: dict[str, Any] = {"sync": True}
    exclusive_key = EXCLUSIVE_KEY
    if tuple(systems) != EVERYTHING:
        parameters["systems"] = [each.value for each in systems]
        exclusive_key = _exclusive_key(systems)
    asked_before = await jobs.repeated(
        uow,
        idempotency_key=idempotency_key,
        kind=JobKind.SYNC,
        agent_id=None,
        parameters=parameters,
    )
    running = asked_before or await uow.jobs.holding(EXCLUSIVE_KEY)
    running = running or await uow.jobs.holding(exclusive_key)
    return running or await jobs.submit(
        uow,
        kind=JobKind.SYNC,
        agent_id=None,
        parameters=parameters,
        idempotency_key=idempotency_key,
        exclusive_key=exclusive_key,
    )


def _exclusive_key(systems: Sequence[SyncSystem]) -> str:
    return ":".join([EXCLUSIVE_KEY, *systems])


async def request_first_sync(uow: UnitOfWork) -> Job | None:
    """The sync that nobody had to ask for: of what was never read to the end. None if all was."""
    states = {state.name: state for state in await uow.sync_states.all()}
    # A memory server that is gone for good is no reason to read the others again and again.
    needed = [name for names in MIRRORS.values() for name in names if name != MEMORY_STATE]
    if all(name in states and states[name].complete_until is not None for name in needed):
        return None
    last = await uow.jobs.latest_of_kind(JobKind.SYNC)
    is_of_all = last is not None and "systems" not in last.parameters
    if last is not None and is_of_all and last.created_at > utc_now() - FIRST_SYNC_AGAIN:
        return None  # it runs, or it was cancelled or failed a moment ago
    return await request_sync(uow, idempotency_key=None)


# -------------------------------------------------------------------- reading


class SyncWork:
    """Reads all systems at once. One that fails does not hold up the others."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id

    async def run(self, job: JobRun) -> None:
        systems = [SyncSystem(name) for name in job.parameters.get("systems", EVERYTHING)]
        notes = _Notes(job, systems, await self._noted(job))
        await together(*(_read(job.resources, system, notes) for system in systems))
        failed = notes.failed()
        if failed:
            raise SyncIncompleteError(failed)

    async def completed(self, uow: UnitOfWork) -> None:
        uow.publish(events.sync_completed(self._job_id))

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        uow.publish(events.sync_failed(self._job_id, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        uow.publish(events.sync_cancelled(self._job_id))

    async def _noted(self, job: JobRun) -> dict[str, dict[str, Any]]:
        """What an earlier attempt has written down."""
        async with job.resources.unit_of_work(readonly=True) as uow:
            return (await uow.jobs.get(self._job_id)).progress.get("systems", {})


async def _read(resources: Resources, system: SyncSystem, notes: "_Notes") -> None:
    reading = READINGS.get(system)
    if notes.has_completed(system):  # by an attempt before this one
        return
    if reading is None:
        await notes.write(system, status=SyncStatus.SKIPPED)
        return

    async def report(
        *,
        phase: str,
        done: int,
        total: int | None,
        servers: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        by_server = {"servers": servers} if servers is not None else {}
        await notes.report(system, phase=phase, done=done, total=total, **by_server)

    await notes.write(system, status=SyncStatus.RUNNING)
    try:
        changed = await reading(resources, report)
    except IntegrationError as error:
        await notes.write(system, status=SyncStatus.FAILED, error=jobs.describe(error))
    else:
        await notes.write(system, status=SyncStatus.COMPLETED, changed=dict(changed))


class _Notes:
    """The job's progress: what is known of each system, written down now and then."""

    def __init__(
        self, job: JobRun, systems: Sequence[SyncSystem], noted: dict[str, dict[str, Any]]
    ) -> None:
        self._job = job
        self._systems = {
            system.value: noted.get(system.value, {"status": SyncStatus.WAITING})
            for system in systems
        }
        self._written_at = 0.0
        self._lock = asyncio.Lock()

    def has_completed(self, system: SyncSystem) -> bool:
        return self._systems[system]["status"] == SyncStatus.COMPLETED

    def failed(self) -> list[str]:
        return [name for name, each in self._systems.items() if each["status"] == SyncStatus.FAILED]

    async def report(self, system: SyncSystem, **progress: Any) -> None:
        self._systems[system] = {**self._systems[system], **progress}
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_NOTES:
            await self._store()

    async def write(self, system: SyncSystem, *, status: SyncStatus, **what: Any) -> None:
        self._systems[system] = {**self._systems[system], "status": status, **what}
        await self._store()

    async def _store(self) -> None:
        self._written_at = time.monotonic()
        async with self._lock, self._job.step() as uow:
            await self._job.note_progress(uow, got_on=True, systems=dict(self._systems))
            uow.publish(events.sync_progressed(self._job.id, dict(self._systems)))


# -------------------------------------------------------------------- looking


async def read_sync(uow: UnitOfWork, settings: Settings) -> SyncRead:
    """What is mirrored of each system, and the sync that runs."""
    job = await uow.jobs.holding(EXCLUSIVE_KEY)
    job = job or await uow.jobs.holding(_exclusive_key([SyncSystem.MEMORY]))
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
            "status": running["status"] if running else _status(system, error, complete_until),
            "stand_in": stand_in,
            "complete_until": complete_until,
            "counts": counts,
            "error": (running or {}).get("error") or error,
        }
    )


def _complete_until(state: SyncState | None) -> datetime | None:
    # What the system itself keeps from us is missing, however often we read.
    return None if state is None or state.position.get("missing") else state.complete_until


def _status(system: SyncSystem, error: object, complete_until: object) -> SyncStatus:
    if system not in READINGS:
        return SyncStatus.SKIPPED
    if error:
        return SyncStatus.FAILED
    return SyncStatus.COMPLETED if complete_until else SyncStatus.WAITING
