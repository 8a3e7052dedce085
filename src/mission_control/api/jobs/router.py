"""HTTP door of jobs."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.requests import HTTPConnection

from mission_control.api.deps import CursorQuery, Limit, OfAgent, ReadOnlyUow, SharedResources, Uow
from mission_control.api.jobs import commands, queries
from mission_control.api.jobs.errors import JobAlreadyFinishedError, JobNotCancellableError
from mission_control.api.jobs.job_run import Work
from mission_control.api.jobs.schemas import JobPage, JobRead
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.core.words import JobKind, JobStatus
from mission_control.data.jobs import Job
from mission_control.data.pages import CursorError


def get_work_of(connection: HTTPConnection) -> Callable[[Job], Work]:
    return connection.app.state.work_of


WorkOf = Annotated[Callable[[Job], Work], Depends(get_work_of)]
router = APIRouter(prefix="/api/jobs", tags=["jobs"])

JobId = Annotated[UUID, Path(description="Id of the job, as `202` answers and `Location` give it.")]


@router.get("", summary="List jobs, newest first", responses=refusals(CursorError))
async def list_jobs(
    uow: ReadOnlyUow,
    resources: SharedResources,
    limit: Limit = 50,
    cursor: CursorQuery = None,
    agent_id: OfAgent = None,
    kind: Annotated[JobKind | None, Query()] = None,
    status: Annotated[JobStatus | None, Query()] = None,
) -> JobPage:
    return await queries.list_jobs(
        uow,
        resources.redis,
        limit=limit,
        cursor=cursor,
        agent_id=agent_id,
        kind=kind,
        status=status,
    )


@router.get("/{job_id}", summary="Show a job", responses=refusals(NotFoundError))
async def get_job(uow: ReadOnlyUow, resources: SharedResources, job_id: JobId) -> JobRead:
    """One that waits says its place in the queue, and for what."""
    return await queries.show_job(uow, resources.redis, job_id)


@router.post(
    "/{job_id}/cancel",
    status_code=202,
    response_model=JobRead,
    summary="Ask a job to end",
    responses=refusals(NotFoundError, JobAlreadyFinishedError, JobNotCancellableError),
)
async def cancel_job(
    uow: Uow, resources: SharedResources, work_of: WorkOf, job_id: JobId, response: Response
) -> Job:
    """One that waits ends at once. One that runs ends within two seconds and keeps what it found."""
    response.headers["Location"] = f"/api/jobs/{job_id}"
    return await commands.cancel(uow, resources.settings, job_id, work_of=work_of)
