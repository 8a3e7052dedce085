"""Background work of the optimize feature."""

from uuid import UUID

from mission_control.api.jobs.work import run_job
from mission_control.api.optimize.work import OptimizationWork
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources


@celery_app.task(name="optimize.run")
def run_optimization(job_id: str) -> None:
    run(_run(UUID(job_id)))


async def _run(job_id: UUID) -> None:
    await run_job(await open_resources(), job_id, OptimizationWork(job_id))
