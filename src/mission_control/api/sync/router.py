"""HTTP door of syncs."""

from fastapi import APIRouter, Response

from mission_control.api.deps import IdempotencyKey, ReadOnlyUow, SharedResources, Uow
from mission_control.api.jobs.errors import IdempotencyKeyReusedError
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.problems import refusals
from mission_control.api.sync import commands, queries
from mission_control.api.sync.schemas import SyncRead
from mission_control.core.words import SyncSystem
from mission_control.data.jobs import Job

router = APIRouter()


@router.post(
    "/api/system/sync-all",
    tags=["sync"],
    status_code=202,
    response_model=JobRead,
    summary="Read Vapi, Close and the memory servers into the mirrors here",
    responses=refusals(IdempotencyKeyReusedError),
)
async def sync_all(uow: Uow, response: Response, idempotency_key: IdempotencyKey = None) -> Job:
    """One job with a status per system; while one runs, asking again returns it.

    The first reading fetches everything, later ones what has changed. A sync that was interrupted
    goes on at the page where it stopped.
    """
    job = await commands.request_sync(uow, idempotency_key=idempotency_key)
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job


@router.get("/api/system/sync", tags=["sync"], summary="What is mirrored of each system outside")
async def read_sync(uow: ReadOnlyUow, resources: SharedResources) -> SyncRead:
    return await queries.read_sync(uow, resources.settings)


@router.post(
    "/api/memory/sync",
    tags=["memory"],
    status_code=202,
    response_model=JobRead,
    summary="Read what the memory servers hold",
    responses=refusals(IdempotencyKeyReusedError),
)
async def sync_memory(uow: Uow, response: Response, idempotency_key: IdempotencyKey = None) -> Job:
    """A job with the progress, count and error of each server. It fails when one is not read wholly."""
    job = await commands.request_sync(
        uow, idempotency_key=idempotency_key, systems=(SyncSystem.MEMORY,)
    )
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job
