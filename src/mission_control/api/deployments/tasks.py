"""Background work of deployments."""

from uuid import UUID

from mission_control.api.deployments.work import DeployWork, RollbackWork
from mission_control.api.jobs.job_run import Work
from mission_control.api.jobs.work import run_job
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources


@celery_app.task(name="deployments.deploy")
def deploy(job_id: str) -> None:
    run(_run(UUID(job_id), DeployWork(UUID(job_id))))


@celery_app.task(name="deployments.roll_back")
def roll_back(job_id: str) -> None:
    run(_run(UUID(job_id), RollbackWork(UUID(job_id))))


async def _run(job_id: UUID, work: Work) -> None:
    await run_job(await open_resources(), job_id, work)
