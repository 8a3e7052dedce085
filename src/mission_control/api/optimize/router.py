"""HTTP door of optimizations."""

from uuid import UUID

from fastapi import APIRouter, Response

from mission_control.api.deps import (
    AgentId,
    CursorQuery,
    IdempotencyKey,
    Limit,
    ReadOnlyUow,
    SharedResources,
    Uow,
)
from mission_control.api.jobs.errors import IdempotencyKeyReusedError
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.optimize import commands, completing, queries
from mission_control.api.optimize.errors import (
    NoOptimizationError,
    NothingToCompleteError,
    OptimizationRunningError,
    TooFewScenariosError,
    UnpricedBudgetError,
)
from mission_control.api.optimize.schemas import (
    ComparisonCreate,
    OptimizationCreate,
    OptimizationDetail,
    OptimizationPage,
)
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.data.jobs import Job
from mission_control.data.pages import CursorError

router = APIRouter(prefix="/api/optimize", tags=["optimize"])


@router.post(
    "/{agent_id}",
    status_code=202,
    response_model=JobRead,
    summary="Search for a better prompt",
    responses=refusals(
        NotFoundError, OptimizationRunningError, TooFewScenariosError,
        UnpricedBudgetError, IdempotencyKeyReusedError,
    ),
)  # fmt: skip
async def optimize(
    uow: Uow,
    resources: SharedResources,
    agent_id: AgentId,
    request: OptimizationCreate,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Searches on the train and validation splits, then compares once on the test split."""
    job = await commands.request_optimization(
        uow, resources.settings, agent_id, request, idempotency_key=idempotency_key
    )
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job


@router.post(
    "/{agent_id}/optimizations/{optimization_id}/comparison",
    status_code=202,
    response_model=JobRead,
    summary="Complete the comparison of an optimization",
    responses=refusals(
        NotFoundError, NoOptimizationError, OptimizationRunningError,
        NothingToCompleteError, IdempotencyKeyReusedError,
    ),
)  # fmt: skip
async def complete_comparison(
    uow: Uow,
    agent_id: AgentId,
    optimization_id: UUID,
    request: ComparisonCreate,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Runs only what could not be measured, then gives the verdict. It is no further reading."""
    job = await completing.request_completion(
        uow, agent_id, optimization_id, request, idempotency_key=idempotency_key
    )
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job


@router.get(
    "/{agent_id}/status",
    summary="The newest optimization, with its trials",
    responses=refusals(NotFoundError, NoOptimizationError),
)
async def get_status(uow: ReadOnlyUow, agent_id: AgentId) -> OptimizationDetail:
    return await queries.latest_optimization(uow, agent_id)


@router.get(
    "/{agent_id}/history",
    summary="List optimizations, newest first",
    responses=refusals(NotFoundError, CursorError),
)
async def list_optimizations(
    uow: ReadOnlyUow, agent_id: AgentId, limit: Limit = 50, cursor: CursorQuery = None
) -> OptimizationPage:
    return await queries.list_optimizations(uow, agent_id, limit=limit, cursor=cursor)


@router.get(
    "/{agent_id}/optimizations/{optimization_id}",
    summary="Show an optimization, with its trials",
    responses=refusals(NotFoundError, NoOptimizationError),
)
async def get_optimization(
    uow: ReadOnlyUow, agent_id: AgentId, optimization_id: UUID
) -> OptimizationDetail:
    return await queries.show_optimization(uow, agent_id, optimization_id)
