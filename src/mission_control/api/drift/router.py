"""HTTP door of drift: of one agent, and of all."""

from fastapi import APIRouter

from mission_control.api.agents.errors import DeploymentRunningError
from mission_control.api.deps import AgentId, CursorQuery, Limit, ReadOnlyUow, SharedResources
from mission_control.api.drift import queries, work
from mission_control.api.drift.errors import AgentMovedError, NoAssistantError, NotComparedError
from mission_control.api.drift.schemas import DriftPage, DriftRead
from mission_control.api.problems import refusals
from mission_control.core.encryption import SecretUnreadableError
from mission_control.core.errors import NotFoundError
from mission_control.data.pages import CursorError
from mission_control.integrations.errors import (
    AssistantNameAmbiguousError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationUnavailableError,
)

router = APIRouter(tags=["drift"])


@router.get(
    "/api/agents/{agent_id}/drift",
    summary="How an agent and its assistant differ, as last compared",
    responses=refusals(NotFoundError, NotComparedError),
)
async def get_drift(uow: ReadOnlyUow, resources: SharedResources, agent_id: AgentId) -> DriftRead:
    """A version made here since then is told of at once, on what Vapi answered then."""
    return await queries.show_drift(uow, resources.vault, agent_id)


@router.post(
    "/api/agents/{agent_id}/drift",
    summary="Compare an agent with its assistant now",
    responses=refusals(
        NotFoundError, NoAssistantError, AgentMovedError, DeploymentRunningError,
        SecretUnreadableError, AssistantNameAmbiguousError, IntegrationUnavailableError, IntegrationCredentialsError,
        IntegrationNotFoundError, IntegrationContractError, IntegrationRateLimitedError,
    ),
)  # fmt: skip
async def check_drift(resources: SharedResources, agent_id: AgentId) -> DriftRead:
    """Nothing is changed at Vapi. If Vapi cannot be asked, the last comparison is kept."""
    return await work.check_agent(resources, agent_id)


@router.get(
    "/api/drift",
    summary="How all agents and their assistants differ, as last compared",
    responses=refusals(CursorError),
)
async def list_drift(
    uow: ReadOnlyUow, resources: SharedResources, limit: Limit = 50, cursor: CursorQuery = None
) -> DriftPage:
    return await queries.list_drift(uow, resources.vault, limit=limit, cursor=cursor)
