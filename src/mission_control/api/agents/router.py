"""HTTP door of agents and versions."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from mission_control.api.agents import service
from mission_control.api.agents.errors import (
    AgentBusyError,
    AgentDeployedError,
    AgentExistsError,
    AgentIdChangedError,
    AssistantLinkedError,
    VersionChangedError,
)
from mission_control.api.agents.schemas import (
    AgentCompiled,
    AgentCreate,
    AgentDetail,
    AgentImport,
    AgentPage,
    AgentState,
    AgentUpdate,
    ImportCandidates,
    MarketplaceRead,
    VersionDetail,
    VersionDiff,
    VersionNumber,
    VersionPage,
)
from mission_control.api.deps import AgentId, CursorQuery, Held, Limit, ReadOnlyUow, Uow
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.core.playbook import PlaybookInvalidError
from mission_control.core.words import AgentStatus, AgentType
from mission_control.data.agents import Agent
from mission_control.data.pages import Cursor, CursorError, Page
from mission_control.data.unit_of_work import WrittenMeanwhileError
from mission_control.integrations.errors import (
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationUnavailableError,
    SuperOptiXError,
)
from mission_control.integrations.vapi.playbook import NothingToImportError

router = APIRouter(prefix="/api/agents", tags=["agents"])

FROM_VAPI = (
    IntegrationUnavailableError, IntegrationCredentialsError, IntegrationContractError,
    IntegrationRateLimitedError,
)  # fmt: skip
NumberInPath = Annotated[VersionNumber, Path(description="Number of the version.")]


@router.get(
    "",
    response_model=AgentPage,
    summary="List agents, newest first",
    responses=refusals(CursorError),
)
async def list_agents(
    uow: ReadOnlyUow,
    limit: Limit = 50,
    cursor: CursorQuery = None,
    status: Annotated[AgentStatus | None, Query()] = None,
    type: Annotated[AgentType | None, Query()] = None,
) -> Page[Agent]:
    return await uow.agents.page(
        limit=limit,
        cursor=Cursor.decode(cursor) if cursor else None,
        status=status,
        agent_type=type,
    )


@router.post(
    "",
    status_code=201,
    summary="Import an agent from a playbook",
    responses=refusals(
        AgentExistsError, AssistantLinkedError, PlaybookInvalidError, SuperOptiXError
    ),
)
async def import_agent(
    uow: Uow, held: Held, request: AgentCreate, response: Response
) -> AgentDetail:
    """The playbook is validated and compiled first; what cannot be compiled is not stored."""
    agent = await service.import_agent(uow, held.superoptix, request)
    response.headers["Location"] = f"/api/agents/{agent.id}"
    return agent


@router.post(
    "/import",
    status_code=201,
    summary="Make an agent of an assistant at Vapi",
    responses=refusals(
        AssistantLinkedError, AgentExistsError, WrittenMeanwhileError, NothingToImportError,
        PlaybookInvalidError, SuperOptiXError, IntegrationNotFoundError, *FROM_VAPI,
    ),
)  # fmt: skip
async def import_assistant(held: Held, request: AgentImport, response: Response) -> AgentDetail:
    """Nothing is changed at Vapi.

    Its prompt and first message come as they are, its last calls as drafts of scenarios; `warnings`
    says what was left there.
    """
    agent = await service.import_assistant(held, request.vapi_assistant_id)
    response.headers["Location"] = f"/api/agents/{agent.id}"
    return agent


@router.get(
    "/import/candidates",
    summary="List the assistants at Vapi",
    responses=refusals(*FROM_VAPI),
)
async def list_candidates(held: Held) -> ImportCandidates:
    return await service.list_candidates(held)


@router.get(
    "/marketplace",
    summary="List the playbooks that ship with SuperOptiX",
    responses=refusals(SuperOptiXError),
)
async def list_marketplace(held: Held) -> MarketplaceRead:
    return MarketplaceRead(names=(await held.superoptix.marketplace()).names)


@router.get("/{agent_id}", summary="Show an agent", responses=refusals(NotFoundError))
async def get_agent(uow: ReadOnlyUow, agent_id: AgentId) -> AgentDetail:
    return await service.show_agent(uow, agent_id)


@router.put(
    "/{agent_id}",
    summary="Edit an agent",
    responses=refusals(
        NotFoundError, AgentIdChangedError, PlaybookInvalidError,
        VersionChangedError, AgentBusyError, AgentDeployedError, AssistantLinkedError,
        SuperOptiXError,
    ),
)  # fmt: skip
async def update_agent(held: Held, agent_id: AgentId, request: AgentUpdate) -> AgentDetail:
    """A changed playbook or prompt becomes a new version; nothing is deployed by it."""
    return await service.update_agent(held, agent_id, request)


@router.delete(
    "/{agent_id}",
    status_code=204,
    summary="Delete an agent",
    responses=refusals(NotFoundError, AgentBusyError),
)
async def delete_agent(uow: Uow, agent_id: AgentId) -> None:
    """Removes the agent and all that was measured of it here; nothing changes at Vapi."""
    await service.delete_agent(uow, agent_id)


@router.post(
    "/{agent_id}/compile",
    summary="Compile the current version",
    responses=refusals(NotFoundError, SuperOptiXError),
)
async def compile_agent(uow: ReadOnlyUow, held: Held, agent_id: AgentId) -> AgentCompiled:
    version, compiled = await service.compile_agent(uow, held.superoptix, agent_id)
    return AgentCompiled(
        agent_id=agent_id, version=version.number, **compiled.model_dump(exclude={"type", "id"})
    )


@router.get(
    "/{agent_id}/status", summary="Where an agent stands", responses=refusals(NotFoundError)
)
async def get_status(uow: ReadOnlyUow, agent_id: AgentId) -> AgentState:
    return await service.show_state(uow, agent_id)


@router.get(
    "/{agent_id}/versions",
    summary="List versions, newest first",
    responses=refusals(NotFoundError, CursorError),
)
async def list_versions(
    uow: ReadOnlyUow, agent_id: AgentId, limit: Limit = 50, cursor: CursorQuery = None
) -> VersionPage:
    return await service.list_versions(uow, agent_id, limit=limit, cursor=cursor)


@router.get(
    "/{agent_id}/versions/{number}", summary="Show a version", responses=refusals(NotFoundError)
)
async def get_version(uow: ReadOnlyUow, agent_id: AgentId, number: NumberInPath) -> VersionDetail:
    return await service.show_version(uow, agent_id, number)


@router.get(
    "/{agent_id}/versions/{before}/diff/{after}",
    summary="What changed between two versions",
    responses=refusals(NotFoundError),
)
async def diff_versions(
    uow: ReadOnlyUow, agent_id: AgentId, before: NumberInPath, after: NumberInPath
) -> VersionDiff:
    return await service.diff_versions(uow, agent_id, before, after)
