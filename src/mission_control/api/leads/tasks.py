"""Background work of leads."""

import structlog

from mission_control.api.leads import queries as service
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources
from mission_control.data.unit_of_work import DatabaseUnavailableError
from mission_control.integrations.errors import IntegrationError

log = structlog.get_logger(__name__)


# A database that is away is logged in one line where it is noticed; the next poll asks again.
@celery_app.task(name="leads.poll", throws=(DatabaseUnavailableError,))
def poll() -> None:
    run(_poll())


@celery_app.task(name=service.FOLLOW_HINTS, throws=(DatabaseUnavailableError,))
def follow_hints() -> None:
    run(_follow_hints())


async def _poll() -> None:
    await service.poll_close(await open_resources())


async def _follow_hints() -> None:
    try:
        await service.follow_hints(await open_resources())
    except IntegrationError as error:
        log.warning("close_hints_not_followed", code=error.code, detail=error.message)
