"""HTTP door of the system's own state."""

from fastapi import APIRouter, Response

from mission_control.api.deps import SharedResources
from mission_control.api.system import queries
from mission_control.api.system.schemas import Health, Readiness, SystemStatus

router = APIRouter(tags=["system"])


@router.get("/healthz", summary="Is this process alive?")
async def health() -> Health:
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Can this process answer requests?",
    responses={
        503: {"model": Readiness, "description": "A part that every request needs is down."}
    },
)
async def readiness(resources: SharedResources, response: Response) -> Readiness:
    found = await queries.readiness(resources)
    if found.status != "ready":
        response.status_code = 503
    return found


@router.get("/api/system/status", summary="The state of every part")
async def system_status(resources: SharedResources) -> SystemStatus:
    """Each part is asked afresh, within three seconds; a stand-in is marked as one."""
    return await queries.status(resources)
