"""Reads the systems outside into their mirrors: all in one job, each with its own outcome."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from mission_control.api.jobs.job_run import JobRun
from mission_control.api.mirrors.close.sync import sync_close
from mission_control.api.mirrors.memory import ServersReport, sync_memory
from mission_control.api.mirrors.tally import ChangeTally
from mission_control.api.mirrors.vapi.sync import sync_vapi_calls
from mission_control.api.resources import Resources
from mission_control.api.sync import events
from mission_control.api.sync.errors import SyncIncompleteError
from mission_control.api.sync.systems import EVERYTHING
from mission_control.core.tasks import together
from mission_control.core.words import SyncStatus, SyncSystem
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationError

SECONDS_BETWEEN_WRITES = 0.5

# Returns how many rows here have changed, by what they are, in all attempts of the job.
Reading = Callable[[Resources, ServersReport, ChangeTally], Awaitable[Mapping[str, int]]]
READINGS: dict[SyncSystem, Reading] = {
    SyncSystem.VAPI: sync_vapi_calls,
    SyncSystem.CLOSE: sync_close,
    SyncSystem.MEMORY: sync_memory,
}


class SyncWork:
    """Reads all systems at once. One that fails does not hold up the others."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id

    async def run(self, job: JobRun) -> None:
        systems = [SyncSystem(name) for name in job.parameters.get("systems", EVERYTHING)]
        progress = _Progress(job, systems, await self._written_before(job))
        await together(*(_read(job, system, progress) for system in systems))
        failed = progress.failed()
        if failed:
            raise SyncIncompleteError(failed)

    async def completed(self, uow: UnitOfWork) -> None:
        uow.publish(events.sync_completed(self._job_id))

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        uow.publish(events.sync_failed(self._job_id, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        uow.publish(events.sync_cancelled(self._job_id))

    async def _written_before(self, job: JobRun) -> dict[str, dict[str, Any]]:
        """What an earlier attempt has written down."""
        async with job.resources.unit_of_work(readonly=True) as uow:
            return (await uow.jobs.get(self._job_id)).progress.get("systems", {})


async def _read(job: JobRun, system: SyncSystem, progress: "_Progress") -> None:
    if progress.has_completed(system):  # by an attempt before this one
        return

    async def report(
        *,
        phase: str,
        done: int,
        total: int | None,
        servers: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        by_server = {"servers": servers} if servers is not None else {}
        await progress.report(system, phase=phase, done=done, total=total, **by_server)

    await progress.write(system, status=SyncStatus.RUNNING)
    try:
        tally = ChangeTally(system.value, job.id)
        changed = await READINGS[system](job.resources, report, tally)
    except IntegrationError as error:
        await progress.write(system, status=SyncStatus.FAILED, error=error.described())
    else:
        await progress.write(system, status=SyncStatus.COMPLETED, changed=dict(changed))


class _Progress:
    """The job's progress: what is known of each system, written down now and then."""

    def __init__(
        self, job: JobRun, systems: Sequence[SyncSystem], before: dict[str, dict[str, Any]]
    ) -> None:
        self._job = job
        self._systems = {
            system.value: before.get(system.value, {"status": SyncStatus.WAITING})
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
        if time.monotonic() - self._written_at >= SECONDS_BETWEEN_WRITES:
            await self._store()

    async def write(self, system: SyncSystem, *, status: SyncStatus, **what: Any) -> None:
        self._systems[system] = {**self._systems[system], "status": status, **what}
        await self._store()

    async def _store(self) -> None:
        self._written_at = time.monotonic()
        async with self._lock, self._job.step() as uow:
            await self._job.note_progress(uow, got_on=True, systems=dict(self._systems))
            uow.publish(events.sync_progressed(self._job.id, dict(self._systems)))
