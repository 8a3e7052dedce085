"""HTTP door of deployments: deploy, roll back, take over, and what was deployed when."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

from fastapi import APIRouter, Response

from mission_control.api.agents.errors import AgentBusyError, DeploymentRunningError
from mission_control.api.deployments import commands, queries, take_over
from mission_control.api.deployments.errors import (
    AlreadyInForceError,
    AssistantGoneError,
    AssistantSharedError,
    ComparedWithAnotherError,
    NoCandidateError,
    NothingToRollBackError,
    NothingToTakeOverError,
    NotShownBetterError,
    OverriddenInSquadError,
)
from mission_control.api.deployments.plan import Asked
from mission_control.api.deployments.schemas import (
    DeploymentPage,
    DeployRequest,
    RollbackRequest,
    TakeOverRequest,
)
from mission_control.api.deps import (
    AgentId,
    CursorQuery,
    IdempotencyKey,
    Limit,
    OfAgent,
    ReadOnlyUow,
    RequestedBy,
    SharedResources,
)
from mission_control.api.drift.errors import AgentMovedError, NoAssistantError
from mission_control.api.drift.work import check_agent
from mission_control.api.jobs.errors import IdempotencyKeyReusedError
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.memory.prompt_memory import NoAgentContextError
from mission_control.api.problems import refusals
from mission_control.api.resources import Resources
from mission_control.core.encryption import SecretUnreadableError
from mission_control.core.errors import MissionControlError, NotFoundError
from mission_control.core.playbook import PlaybookInvalidError
from mission_control.data.jobs import Job
from mission_control.data.pages import CursorError
from mission_control.integrations.errors import (
    AssistantNameAmbiguousError,
    ChangedAtVapiError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationUnavailableError,
    PromptAmbiguousError,
    PromptNotWritableError,
    PromptRepeatedError,
    SuperOptiXError,
)

router = APIRouter(tags=["deployments"])

# What all that changes a target can be refused for.
ON_A_TARGET = (
    ChangedAtVapiError, PromptAmbiguousError, AssistantGoneError, AssistantSharedError,
    AssistantNameAmbiguousError, AgentMovedError, DeploymentRunningError,
    IdempotencyKeyReusedError, SecretUnreadableError, IntegrationUnavailableError,
    IntegrationCredentialsError, IntegrationNotFoundError, IntegrationContractError,
    IntegrationRateLimitedError,
)  # fmt: skip


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
        AlreadyInForceError, NoAgentContextError, OverriddenInSquadError, PromptNotWritableError,
        PromptRepeatedError, *ON_A_TARGET,
    ),
)  # fmt: skip
async def deploy(
    resources: SharedResources,
    agent_id: AgentId,
    request: DeployRequest,
    response: Response,
    requested_by: RequestedBy,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Changes only the prompt, reads it back, and says `live` only then.

    What somebody changed at Vapi meanwhile is not overwritten, unless `overwrite` is given.
    """
    asked = Asked(requested_by, idempotency_key)
    async with _drift_shown(resources, agent_id):
        job = await commands.request_deploy(resources, agent_id, request, asked)
    return _accepted(job, response)


@router.post(
    "/api/optimize/{agent_id}/take-over",
    status_code=202,
    response_model=JobRead,
    summary="Make what answers at Vapi the version in force",
    responses=refusals(
        NotFoundError, NothingToTakeOverError, NoAssistantError, AgentBusyError,
        PlaybookInvalidError, SuperOptiXError, *ON_A_TARGET,
    ),
)  # fmt: skip
async def take_theirs_over(
    resources: SharedResources,
    agent_id: AgentId,
    request: TakeOverRequest,
    response: Response,
    requested_by: RequestedBy,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Their text becomes a new version at once; nothing is changed at Vapi.

    The job confirms that it is still there, and that version is then the one in force. A rollback
    brings back what was deployed before.
    """
    asked = Asked(requested_by, idempotency_key)
    return _accepted(
        await take_over.request_take_over(resources, agent_id, request, asked), response
    )


@router.post(
    "/api/optimize/{agent_id}/rollback",
    status_code=202,
    response_model=JobRead,
    summary="Undo the deployment in force",
    responses=refusals(NotFoundError, NothingToRollBackError, *ON_A_TARGET),
)
async def roll_back(
    resources: SharedResources,
    agent_id: AgentId,
    request: RollbackRequest,
    response: Response,
    requested_by: RequestedBy,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Takes back what we changed and keeps what others changed since."""
    asked = Asked(requested_by, idempotency_key)
    async with _drift_shown(resources, agent_id):
        job = await commands.request_rollback(resources, agent_id, request, asked)
    return _accepted(job, response)


@asynccontextmanager
async def _drift_shown(resources: Resources, agent_id: str) -> AsyncGenerator[None]:
    """After a refusal for somebody's change every page tells of that change, and not at the next check."""
    try:
        yield
    except ChangedAtVapiError:
        with suppress(MissionControlError):  # the refusal is what was asked about
            await check_agent(resources, agent_id)
        raise


def _accepted(job: Job, response: Response) -> Job:
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job
