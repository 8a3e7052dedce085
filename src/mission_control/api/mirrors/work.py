"""What workers do to keep the mirrors up to date, unless a sync does so already."""

import structlog

from mission_control.api.mirrors.close.refetch import refetch_named
from mission_control.api.mirrors.close.sync import read_until, sync_changes
from mission_control.api.mirrors.report import unreported
from mission_control.api.mirrors.vapi.sync import SYNC_NAME, sync_vapi_calls
from mission_control.api.resources import Resources
from mission_control.core.words import JobKind
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.errors import IntegrationError

log = structlog.get_logger(__name__)


async def poll_vapi(resources: Resources) -> None:
    """Fill what webhooks have left out. The first reading is a sync's."""
    async with resources.unit_of_work(readonly=True) as uow:
        state = await uow.sync_states.seen(SYNC_NAME)
        if state is None or state.complete_until is None or await _is_syncing(uow):
            return
    try:
        found = await sync_vapi_calls(resources, unreported)
    except IntegrationError as error:  # the sync's state tells of it
        log.warning("calls_not_polled", code=error.code, reason=error.message)
        return
    if found["calls"]:
        log.info("calls_polled", **found)


async def poll_close(resources: Resources) -> None:
    """Read what has changed. What goes wrong is noted: the next poll is a few minutes away."""
    async with resources.unit_of_work(readonly=True) as uow:
        until = await read_until(uow)
        if until is None or await _is_syncing(uow):
            return
    try:
        await sync_changes(resources, until)
    except IntegrationError as error:
        log.warning("close_poll_failed", code=error.code, detail=error.message)


async def refetch_from_close(resources: Resources) -> None:
    """Read what webhooks have named; what cannot be read now is read by the next poll."""
    try:
        await refetch_named(resources)
    except IntegrationError as error:
        log.warning("close_refetch_failed", code=error.code, detail=error.message)


async def _is_syncing(uow: UnitOfWork) -> bool:
    return await uow.jobs.holding(JobKind.SYNC) is not None
