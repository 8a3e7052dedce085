"""The poll: fills whatever webhooks have left out."""

import structlog

from mission_control.api.calls import queries as service
from mission_control.api.mirrors.report import unreported
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import Resources, open_resources
from mission_control.data.unit_of_work import DatabaseUnavailableError
from mission_control.integrations.errors import IntegrationError

log = structlog.get_logger(__name__)

SYNC_JOB = "sync"


# A database that is away is logged in one line where it is noticed; the next poll asks again.
@celery_app.task(name="calls.poll", throws=(DatabaseUnavailableError,))
def poll() -> None:
    run(_poll())


async def _poll() -> None:
    await poll_once(await open_resources())


async def poll_once(resources: Resources) -> None:
    """Read what changed at Vapi, unless a sync does so already. The first reading is a sync's."""
    async with resources.unit_of_work(readonly=True) as uow:
        state = await uow.sync_states.seen(service.SYNC_NAME)
        if state is None or state.complete_until is None:
            return
        if await uow.jobs.holding(SYNC_JOB) is not None:
            return
    try:
        found = await service.sync_vapi_calls(resources, unreported)
    except IntegrationError as error:  # the sync's state tells of it
        log.warning("calls_not_polled", code=error.code, reason=error.message)
        return
    if found["calls"]:
        log.info("calls_polled", **found)
