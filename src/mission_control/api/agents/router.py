"""HTTP door of agents and versions."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from mission_control.api.agents import commands, queries
from mission_control.api.agents.errors import (
    AgentBusyError,
    AgentDeployedError,
    AgentExistsError,
    AgentIdChangedError,
    AgentIdReservedError,
    AssistantLinkedError,
    VersionChangedError,
)
from mission_control.api.agents.schemas import (
    AgentCompiled,
    AgentCreate,
    AgentDetail,
    AgentPage,
    AgentState,
    AgentUpdate,
    MarketplaceRead,
    VersionDetail,
    VersionDiff,
    VersionNumber,
    VersionPage,
)
from mission_control.api.deps import AgentId, CursorQuery, Limit, ReadOnlyUow, SharedResources, Uow
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.core.playbook import PlaybookInvalidError
from mission_control.core.words import AgentStatus, AgentType
from mission_control.data.pages import CursorError
from mission_control.integrations.errors import (
    SuperOptiXError,
)

router = APIRouter(prefix="/api/agents", tags=["agents"])

NumberInPath = Annotated[VersionNumber, Path(description="Number of the version.")]


@router.get(
    "",
    summary="List agents, newest first",
    responses=refusals(CursorError),
)
async def list_agents(
    uow: ReadOnlyUow,
    limit: Limit = 50,
    cursor: CursorQuery = None,
    status: Annotated[AgentStatus | None, Query()] = None,
    type: Annotated[AgentType | None, Query()] = None,
) -> AgentPage:
    return await queries.list_agents(
        uow, limit=limit, cursor=cursor, status=status, agent_type=type
    )


@router.post(
    "",
    status_code=201,
    summary="Import an agent from a playbook",
    responses=refusals(
        AgentExistsError,
        AgentIdReservedError,
        AssistantLinkedError,
        PlaybookInvalidError,
        SuperOptiXError,
    ),
)
async def import_agent(
    uow: Uow, resources: SharedResources, request: AgentCreate, response: Response
) -> AgentDetail:
    """The playbook is validated and compiled first; what cannot be compiled is not stored."""
    agent = await commands.import_agent(uow, resources.superoptix, request)
    response.headers["Location"] = f"/api/agents/{agent.id}"
    return agent


@router.get(
    "/marketplace",
    summary="List the playbooks that ship with SuperOptiX",
    responses=refusals(SuperOptiXError),
)
async def list_marketplace(resources: SharedResources) -> MarketplaceRead:
    return MarketplaceRead(names=(await resources.superoptix.marketplace()).names)


@router.get("/{agent_id}", summary="Show an agent", responses=refusals(NotFoundError))
async def get_agent(uow: ReadOnlyUow, agent_id: AgentId) -> AgentDetail:
    return await queries.show_agent(uow, agent_id)


@router.put(
    "/{agent_id}",
    summary="Edit an agent",
    responses=refusals(
        NotFoundError, AgentIdChangedError, PlaybookInvalidError,
        VersionChangedError, AgentBusyError, AgentDeployedError, AssistantLinkedError,
        SuperOptiXError,
    ),
)  # fmt: skip
async def update_agent(
    resources: SharedResources, agent_id: AgentId, request: AgentUpdate
) -> AgentDetail:
    """A changed playbook or prompt becomes a new version; nothing is deployed by it."""
    return await commands.update_agent(resources, agent_id, request)


@router.delete(
    "/{agent_id}",
    status_code=204,
    summary="Delete an agent",
    responses=refusals(NotFoundError, AgentBusyError),
)
async def delete_agent(uow: Uow, agent_id: AgentId) -> None:
    """Removes the agent and all that was measured of it here; nothing changes at Vapi."""
    await commands.delete_agent(uow, agent_id)


@router.post(
    "/{agent_id}/compile",
    summary="Compile the current version",
    responses=refusals(NotFoundError, SuperOptiXError),
)
async def compile_agent(
    uow: ReadOnlyUow, resources: SharedResources, agent_id: AgentId
) -> AgentCompiled:
    version, compiled = await queries.compile_agent(uow, resources.superoptix, agent_id)
    return AgentCompiled(
        agent_id=agent_id, version=version.number, **compiled.model_dump(exclude={"type", "id"})
    )


@router.get(
    "/{agent_id}/status", summary="Where an agent stands", responses=refusals(NotFoundError)
)
async def get_status(uow: ReadOnlyUow, agent_id: AgentId) -> AgentState:
    return await queries.show_state(uow, agent_id)


@router.get(
    "/{agent_id}/versions",
    summary="List versions, newest first",
    responses=refusals(NotFoundError, CursorError),
)
async def list_versions(
    uow: ReadOnlyUow, agent_id: AgentId, limit: Limit = 50, cursor: CursorQuery = None
) -> VersionPage:
    return await queries.list_versions(uow, agent_id, limit=limit, cursor=cursor)


@router.get(
    "/{agent_id}/versions/{number}", summary="Show a version", responses=refusals(NotFoundError)
)
async def get_version(uow: ReadOnlyUow, agent_id: AgentId, number: NumberInPath) -> VersionDetail:
    return await queries.show_version(uow, agent_id, number)


@router.get(
    "/{agent_id}/versions/{before}/diff/{after}",
    summary="What changed between two versions",
    responses=refusals(NotFoundError),
)
async def diff_versions(
    uow: ReadOnlyUow, agent_id: AgentId, before: NumberInPath, after: NumberInPath
) -> VersionDiff:
    return await queries.diff_versions(uow, agent_id, before, after)
