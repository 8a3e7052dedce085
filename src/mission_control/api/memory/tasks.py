"""Background work of the memory."""

from mission_control.api.memory_mirror import index_new_calls
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources
from mission_control.data.unit_of_work import DatabaseUnavailableError


@celery_app.task(name="memory.index", throws=(DatabaseUnavailableError,))
def index() -> None:
    run(_index())


async def _index() -> None:
    await index_new_calls(await open_resources())
