"""The sweeper: work that was promised and dropped is put back into the queue."""

from mission_control.api.jobs import sweeper
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources
from mission_control.data.unit_of_work import DatabaseUnavailableError


# A database that is away is logged in one line where it is noticed; the next sweep asks again.
@celery_app.task(name="jobs.sweep", throws=(DatabaseUnavailableError,))
def sweep() -> None:
    run(_sweep())


async def _sweep() -> None:
    resources = await open_resources()
    await sweeper.sweep(resources)
    await resources.relay.run_once()  # where no API runs, nobody else does it
