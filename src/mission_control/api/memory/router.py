"""HTTP door of the memory."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from mission_control.api.deps import (
    AgentId,
    CursorQuery,
    Limit,
    OfAgent,
    ReadOnlyUow,
    SharedResources,
    Uow,
)
from mission_control.api.memory import commands, queries
from mission_control.api.memory.errors import ContextChangedError
from mission_control.api.memory.schemas import (
    ContextExport,
    ContextPreview,
    ContextRead,
    ContextVersionPage,
    ContextWrite,
    HybridRead,
    MemoryCorrect,
    MemoryCreate,
    MemorySupersede,
    SearchRead,
    SearchRequest,
    ServerList,
    TemporalRead,
    WrittenRead,
)
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.core.request_values import IN_DIGITS, MomentOrDay
from mission_control.data.pages import CursorError
from mission_control.integrations.errors import (
    IntegrationAmbiguousError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationRateLimitedError,
    IntegrationRejectedError,
    IntegrationUnavailableError,
)
from mission_control.integrations.memory.errors import (
    MemoryOperationMissingError,
    MemoryQueryError,
    MemoryUnknownError,
    UnknownMemoryServerError,
    UnknownTierError,
)
from mission_control.integrations.memory.selection import TIERS

router = APIRouter(prefix="/api/memory", tags=["memory"])

MemoryId = Annotated[
    str, Path(max_length=300, pattern=r"^[^\x00]+$", description="Id of the memory at its server.")
]
Many = Annotated[
    int, Query(ge=1, le=5_000, description="How many items at the most: the newest."), IN_DIGITS
]
NOT_WRITTEN = (
    UnknownMemoryServerError, MemoryOperationMissingError, IntegrationRejectedError,
    IntegrationUnavailableError, IntegrationAmbiguousError, IntegrationCredentialsError,
    IntegrationContractError, IntegrationRateLimitedError,
)  # fmt: skip


# -------------------------------------------------------------------- reading


@router.get("/servers", summary="List the memory servers and their states")
async def list_servers(resources: SharedResources) -> ServerList:
    """As last known; `/api/system/status` asks them."""
    return queries.list_servers(resources)


@router.get(
    "/temporal",
    summary="What is remembered, now or at a time",
    responses=refusals(UnknownTierError),
)
async def read_temporal(
    resources: SharedResources,
    tier: Annotated[
        str,
        Query(
            json_schema_extra={"enum": list(TIERS)},
            description="`all`, a kind (`fact`, `preference`, `context`) or an importance (1 to 3).",
        ),
    ] = "all",
    as_of: Annotated[
        MomentOrDay | None,
        Query(
            description="What was true then; a day is taken for its beginning in UTC.",
            examples=["2026-11-01"],
        ),
    ] = None,
    agent_id: OfAgent = None,
    limit: Many = 500,
) -> TemporalRead:
    """A silent server answers from its last snapshot, marked stale with its age."""
    return await queries.read_temporal(
        resources, tier=tier, as_of=as_of, agent_id=agent_id, limit=limit
    )


@router.get(
    "/hybrid",
    summary="Conversations and calls: the newest, or those that answer a query",
    responses=refusals(MemoryQueryError),
)
async def read_hybrid(
    resources: SharedResources,
    query: Annotated[
        str | None, Query(max_length=4_000, pattern=r"[^\s\x00]", examples=["opening hours"])
    ] = None,
    agent_id: OfAgent = None,
    limit: Limit = 20,
) -> HybridRead:
    return await queries.read_hybrid(resources, query=query, agent_id=agent_id, limit=limit)


@router.post(
    "/search",
    summary="Search everything that is remembered",
    responses=refusals(MemoryQueryError),
)
async def search(resources: SharedResources, request: SearchRequest) -> SearchRead:
    """One ranked answer: the same text once, with every place where it was found."""
    return await queries.search(resources, request)


# -------------------------------------------------------------------- writing


@router.post(
    "/memories", status_code=201, summary="Remember something", responses=refusals(*NOT_WRITTEN)
)
async def add(resources: SharedResources, request: MemoryCreate) -> WrittenRead:
    """Sent once: after `integration_ambiguous`, look before you repeat it."""
    return await commands.add(resources, request)


@router.post(
    "/memories/{memory_id:path}/supersede",
    status_code=201,
    summary="Say what is true instead, from a time on",
    responses=refusals(MemoryUnknownError, *NOT_WRITTEN),
)
async def supersede(
    resources: SharedResources, memory_id: MemoryId, request: MemorySupersede
) -> WrittenRead:
    return await commands.supersede(resources, memory_id, request)


@router.post(
    "/memories/{memory_id:path}/correct",
    status_code=201,
    summary="Say what was true all along",
    responses=refusals(MemoryUnknownError, *NOT_WRITTEN),
)
async def correct(
    resources: SharedResources, memory_id: MemoryId, request: MemoryCorrect
) -> WrittenRead:
    return await commands.correct(resources, memory_id, request)


# -------------------------------------------------------------------- what an agent is given


@router.get(
    "/context/{agent_id}",
    summary="Show what of the memory an agent is given",
    responses=refusals(NotFoundError),
)
async def read_context(resources: SharedResources, agent_id: AgentId) -> ContextRead:
    return await queries.read_context(resources, agent_id)


@router.put(
    "/context/{agent_id}",
    summary="Choose what of the memory an agent is given",
    responses=refusals(NotFoundError, ContextChangedError),
)
async def write_context(
    resources: SharedResources, agent_id: AgentId, request: ContextWrite
) -> ContextRead:
    """Makes a new version. From then on every execution loads it, at `{{memory}}` in the prompt."""
    return await commands.write_context(resources, agent_id, request)


@router.delete(
    "/context/{agent_id}",
    status_code=204,
    summary="Give an agent nothing of the memory",
    responses=refusals(NotFoundError),
)
async def reset_context(uow: Uow, agent_id: AgentId) -> None:
    """The versions stay in the history."""
    await commands.reset_context(uow, agent_id)


@router.post(
    "/context/{agent_id}/preview",
    summary="Show what a choice would load, without saving it",
    responses=refusals(NotFoundError),
)
async def preview_context(
    resources: SharedResources, agent_id: AgentId, request: ContextPreview
) -> ContextRead:
    return await queries.preview_context(resources, agent_id, request.settings)


@router.get(
    "/context/{agent_id}/versions",
    summary="List the versions of an agent's context, newest first",
    responses=refusals(NotFoundError, CursorError),
)
async def list_versions(
    uow: ReadOnlyUow, agent_id: AgentId, limit: Limit = 50, cursor: CursorQuery = None
) -> ContextVersionPage:
    return await queries.list_versions(uow, agent_id, limit=limit, cursor=cursor)


@router.get(
    "/context/{agent_id}/export",
    summary="Download an agent's context with the memories it chooses now",
    responses=refusals(NotFoundError),
)
async def export_context(
    resources: SharedResources, response: Response, agent_id: AgentId
) -> ContextExport:
    response.headers["Content-Disposition"] = f'attachment; filename="{agent_id}-context.json"'
    return await queries.export_context(resources, agent_id)
