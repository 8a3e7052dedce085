"""Background work that keeps the mirrors up to date."""

from mission_control.api.mirrors import work
from mission_control.api.mirrors.close.refetch import REFETCH
from mission_control.api.mirrors.indexing import INDEX, index_for_a_while
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources
from mission_control.data.unit_of_work import DatabaseUnavailableError

# A database that is away is logged in one line where it is noticed; the next poll asks again.


@celery_app.task(name="calls.poll", throws=(DatabaseUnavailableError,))
def poll_calls() -> None:
    run(_poll_calls())


@celery_app.task(name="leads.poll", throws=(DatabaseUnavailableError,))
def poll_leads() -> None:
    run(_poll_leads())


@celery_app.task(name=REFETCH, throws=(DatabaseUnavailableError,))
def refetch() -> None:
    run(_refetch())


@celery_app.task(name=INDEX, throws=(DatabaseUnavailableError,))
def index() -> None:
    run(_index())


async def _poll_calls() -> None:
    await work.poll_vapi(await open_resources())


async def _poll_leads() -> None:
    await work.poll_close(await open_resources())


async def _refetch() -> None:
    await work.refetch_from_close(await open_resources())


async def _index() -> None:
    await index_for_a_while(await open_resources())
