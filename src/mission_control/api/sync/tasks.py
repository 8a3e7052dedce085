"""Background work of syncs."""

from uuid import UUID

from mission_control.api.jobs.work import run_job
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources
from mission_control.api.sync.commands import request_first_sync
from mission_control.api.sync.work import SyncWork
from mission_control.data.unit_of_work import DatabaseUnavailableError


@celery_app.task(name="sync.run")
def sync(job_id: str) -> None:
    run(_run(UUID(job_id)))


async def _run(job_id: UUID) -> None:
    await run_job(await open_resources(), job_id, SyncWork(job_id))


@celery_app.task(name="sync.begin", throws=(DatabaseUnavailableError,))
def begin() -> None:
    run(_begin())


async def _begin() -> None:
    async with (await open_resources()).unit_of_work() as uow:
        await request_first_sync(uow)
