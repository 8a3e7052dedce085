"""HTTP door of deployments: deploy, roll back, and what was deployed when."""

from fastapi import APIRouter, Response

from mission_control.api.deployments import commands, queries
from mission_control.api.deployments.errors import (
    AlreadyInForceError,
    ComparedWithAnotherError,
    DeploymentRunningError,
    NoCandidateError,
    NothingToRollBackError,
    NotShownBetterError,
)
from mission_control.api.deployments.schemas import DeploymentPage, DeployRequest, RollbackRequest
from mission_control.api.deps import (
    AgentId,
    CursorQuery,
    IdempotencyKey,
    Limit,
    OfAgent,
    ReadOnlyUow,
    Uow,
)
from mission_control.api.jobs.errors import IdempotencyKeyReusedError
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.data.jobs import Job
from mission_control.data.pages import CursorError

router = APIRouter(tags=["deployments"])


@router.get(
    "/api/deployments", summary="List deployments, newest first", responses=refusals(CursorError)
)
async def list_deployments(
    uow: ReadOnlyUow,
    limit: Limit = 50,
    cursor: CursorQuery = None,
    agent_id: OfAgent = None,
) -> DeploymentPage:
    return await queries.list_deployments(uow, agent_id=agent_id, limit=limit, cursor=cursor)


@router.post(
    "/api/optimize/{agent_id}/deploy",
    status_code=202,
    response_model=JobRead,
    summary="Deploy the candidate",
    responses=refusals(
        NotFoundError, NoCandidateError, NotShownBetterError, ComparedWithAnotherError,
        AlreadyInForceError,
        DeploymentRunningError, IdempotencyKeyReusedError,
    ),
)  # fmt: skip
async def deploy(
    uow: Uow,
    agent_id: AgentId,
    request: DeployRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Changes only the prompt, reads it back, and says `live` only then."""
    job = await commands.request_deploy(uow, agent_id, request, idempotency_key=idempotency_key)
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job


@router.post(
    "/api/optimize/{agent_id}/rollback",
    status_code=202,
    response_model=JobRead,
    summary="Undo the deployment in force",
    responses=refusals(
        NotFoundError, NothingToRollBackError, DeploymentRunningError, IdempotencyKeyReusedError
    ),
)
async def roll_back(
    uow: Uow,
    agent_id: AgentId,
    request: RollbackRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Takes back what we changed and keeps what others changed since."""
    job = await commands.request_rollback(uow, agent_id, request, idempotency_key=idempotency_key)
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job
