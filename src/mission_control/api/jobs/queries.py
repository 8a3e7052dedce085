"""What is read of jobs."""

from collections.abc import Sequence
from uuid import UUID

from redis.asyncio import Redis

from mission_control.api.jobs.schemas import JobPage, JobRead
from mission_control.api.jobs.waiting import queue_states, waiting_of
from mission_control.core.words import JobKind, JobStatus
from mission_control.data.jobs import Job
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork


async def list_jobs(
    uow: UnitOfWork,
    redis: Redis,
    *,
    limit: int,
    cursor: str | None,
    agent_id: str | None,
    kind: JobKind | None,
    status: JobStatus | None,
) -> JobPage:
    page = await uow.jobs.page(
        limit=limit,
        cursor=Cursor.decode(cursor, Job),
        agent_id=agent_id,
        kind=kind,
        status=status,
    )
    return JobPage(items=await _read(uow, redis, page.items), next_cursor=page.next_cursor)


async def show_job(uow: UnitOfWork, redis: Redis, job_id: UUID) -> JobRead:
    (job,) = await _read(uow, redis, [await uow.jobs.get(job_id)])
    return job


async def _read(uow: UnitOfWork, redis: Redis, jobs: Sequence[Job]) -> list[JobRead]:
    """With the place in the queue of those that wait."""
    waits = any(job.status is JobStatus.QUEUED for job in jobs)
    states = await queue_states(uow, redis) if waits else None
    return [
        JobRead.model_validate(job).model_copy(
            update={"waiting": waiting_of(job, states) if states else None}
        )
        for job in jobs
    ]
