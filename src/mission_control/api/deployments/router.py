"""HTTP door of deployments. Deploy and roll back are the optimize feature's routes."""

from fastapi import APIRouter

from mission_control.api.deployments import service
from mission_control.api.deployments.schemas import DeploymentPage
from mission_control.api.deps import CursorQuery, Limit, OfAgent, ReadOnlyUow
from mission_control.api.problems import refusals
from mission_control.data.pages import CursorError

router = APIRouter(prefix="/api/deployments", tags=["deployments"])


@router.get("", summary="List deployments, newest first", responses=refusals(CursorError))
async def list_deployments(
    uow: ReadOnlyUow,
    limit: Limit = 50,
    cursor: CursorQuery = None,
    agent_id: OfAgent = None,
) -> DeploymentPage:
    return await service.list_deployments(uow, agent_id=agent_id, limit=limit, cursor=cursor)
