"""Asking for a sync: of all systems, of some, or the first one, which nobody has to ask for."""

from datetime import timedelta
from typing import Any

from mission_control.api.jobs import commands as jobs
from mission_control.api.sync.systems import EVERYTHING, MIRRORS, exclusive_key
from mission_control.core.clock import utc_now
from mission_control.core.words import JobKind, SyncSystem
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork

FIRST_SYNC_AGAIN = timedelta(minutes=30)


async def request_sync(
    uow: UnitOfWork, *, idempotency_key: str | None, systems: tuple[SyncSystem, ...] = EVERYTHING
) -> Job:
    """Promise to read these systems. While a sync of them runs, asking again returns that one."""
    await uow.sync_states.of(
        exclusive_key(EVERYTHING)
    )  # locked: two who ask at once get the same job
    parameters: dict[str, Any] = {"sync": True}
    if systems != EVERYTHING:
        parameters["systems"] = [each.value for each in systems]
    asked = jobs.JobRequest(
        kind=JobKind.SYNC,
        agent_id=None,
        parameters=parameters,
        idempotency_key=idempotency_key,
        exclusive=jobs.Exclusive(key=exclusive_key(systems), within=(exclusive_key(EVERYTHING),)),
    )
    return await jobs.existing_job(uow, asked) or await jobs.submit(uow, asked)


async def request_first_sync(uow: UnitOfWork) -> Job | None:
    """The sync that nobody had to ask for: of what was never read to the end. None if all was."""
    states = {state.name: state for state in await uow.sync_states.all()}
    # A memory server that is gone for good is no reason to read the others again and again.
    needed = [
        name
        for system, names in MIRRORS.items()
        if system is not SyncSystem.MEMORY
        for name in names
    ]
    if all(name in states and states[name].complete_until is not None for name in needed):
        return None
    last = await uow.jobs.latest_of_kind(JobKind.SYNC)
    is_of_all = last is not None and "systems" not in last.parameters
    if last is not None and is_of_all and last.created_at > utc_now() - FIRST_SYNC_AGAIN:
        return None  # it runs, or it was cancelled or failed a moment ago
    return await request_sync(uow, idempotency_key=None)
