"""Background work of drift."""

from mission_control.api.drift.service import check_all
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources


@celery_app.task(name="drift.check")
def check() -> None:
    run(_check())


async def _check() -> None:
    await check_all(await open_resources())
