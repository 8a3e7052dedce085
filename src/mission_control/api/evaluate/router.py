"""HTTP door of evaluations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from mission_control.api.deps import (
    AgentId,
    CursorQuery,
    IdempotencyKey,
    Limit,
    ReadOnlyUow,
    SharedResources,
    Uow,
)
from mission_control.api.evaluate import commands, queries
from mission_control.api.evaluate.errors import (
    NoEvaluationError,
    NoScenariosError,
    NothingToRerunError,
    OnlyDraftsError,
    UnknownScenariosError,
)
from mission_control.api.evaluate.schemas import (
    EvaluationCreate,
    EvaluationDetail,
    EvaluationPage,
)
from mission_control.api.jobs.errors import IdempotencyKeyReusedError
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.core.words import EvaluationPurpose, JobStatus
from mission_control.data.jobs import Job
from mission_control.data.pages import CursorError

router = APIRouter(prefix="/api/evaluate", tags=["evaluate"])

REFUSALS = refusals(
    NotFoundError,
    NoScenariosError,
    OnlyDraftsError,
    UnknownScenariosError,
    NothingToRerunError,
    IdempotencyKeyReusedError,
)


@router.post(
    "/{agent_id}",
    status_code=202,
    response_model=JobRead,
    summary="Evaluate an agent",
    responses=REFUSALS,
)
async def evaluate(
    uow: Uow,
    resources: SharedResources,
    agent_id: AgentId,
    request: EvaluationCreate,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """`{}` evaluates the current version on all its scenarios. Answers with a job."""
    job = await commands.request_evaluation(
        uow, resources.settings, agent_id, request,
        purpose=EvaluationPurpose.CHECK, idempotency_key=idempotency_key,
    )  # fmt: skip
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job


@router.post(
    "/{agent_id}/baseline",
    status_code=202,
    response_model=JobRead,
    summary="Evaluate an agent as the baseline",
    responses=REFUSALS,
)
async def evaluate_baseline(
    uow: Uow,
    resources: SharedResources,
    agent_id: AgentId,
    request: EvaluationCreate,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """The same, remembered as what later evaluations are held against."""
    job = await commands.request_evaluation(
        uow, resources.settings, agent_id, request,
        purpose=EvaluationPurpose.BASELINE, idempotency_key=idempotency_key,
    )  # fmt: skip
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job


@router.get(
    "/{agent_id}/history",
    summary="List evaluations, newest first",
    responses=refusals(NotFoundError, CursorError),
)
async def list_evaluations(
    uow: ReadOnlyUow,
    agent_id: AgentId,
    limit: Limit = 50,
    cursor: CursorQuery = None,
    purpose: Annotated[EvaluationPurpose | None, Query()] = None,
    status: Annotated[JobStatus | None, Query()] = None,
) -> EvaluationPage:
    return await queries.list_evaluations(
        uow, agent_id, limit=limit, cursor=cursor, purpose=purpose, status=status
    )


@router.get(
    "/{agent_id}/latest",
    summary="The newest completed evaluation, with its results",
    responses=refusals(NotFoundError, NoEvaluationError),
)
async def latest_evaluation(uow: ReadOnlyUow, agent_id: AgentId) -> EvaluationDetail:
    return await queries.latest_evaluation(uow, agent_id)


@router.get(
    "/{agent_id}/evaluations/{evaluation_id}",
    summary="Show an evaluation, with its results",
    responses=refusals(NotFoundError, NoEvaluationError),
)
async def get_evaluation(
    uow: ReadOnlyUow, agent_id: AgentId, evaluation_id: UUID
) -> EvaluationDetail:
    return await queries.show_evaluation(uow, agent_id, evaluation_id)
