"""What is read of jobs."""

from mission_control.core.words import JobKind, JobStatus
from mission_control.data.jobs import Job
from mission_control.data.pages import Cursor, Page
from mission_control.data.unit_of_work import UnitOfWork


async def list_jobs(
    uow: UnitOfWork,
    *,
    limit: int,
    cursor: str | None,
    agent_id: str | None,
    kind: JobKind | None,
    status: JobStatus | None,
) -> Page[Job]:
    return await uow.jobs.page(
        limit=limit,
        cursor=Cursor.decode(cursor) if cursor else None,
        agent_id=agent_id,
        kind=kind,
        status=status,
    )
