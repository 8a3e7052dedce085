"""HTTP door of executions."""

from typing import Annotated

from fastapi import APIRouter, Query

from mission_control.api.deps import AgentId, CursorQuery, Limit, ReadOnlyUow, SharedResources
from mission_control.api.execute import queries, work
from mission_control.api.execute.errors import InputMismatchError
from mission_control.api.execute.schemas import ExecutionCreate, ExecutionPage, ExecutionRead
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.core.words import ExecutionStatus
from mission_control.data.pages import CursorError
from mission_control.integrations.errors import SuperOptiXError

router = APIRouter(prefix="/api/execute", tags=["execute"])


@router.post(
    "/{agent_id}",
    status_code=201,
    summary="Run an agent on one input",
    responses=refusals(NotFoundError, InputMismatchError, SuperOptiXError),
)
async def execute(
    resources: SharedResources, agent_id: AgentId, request: ExecutionCreate
) -> ExecutionRead:
    """Answers when the agent has; a run that failed is kept too and named in the problem."""
    return await work.execute(resources, agent_id, request)


@router.get(
    "/{agent_id}/history",
    summary="List executions, newest first",
    responses=refusals(NotFoundError, CursorError),
)
async def list_executions(
    uow: ReadOnlyUow,
    agent_id: AgentId,
    limit: Limit = 50,
    cursor: CursorQuery = None,
    status: Annotated[ExecutionStatus | None, Query()] = None,
) -> ExecutionPage:
    return await queries.list_executions(uow, agent_id, limit=limit, cursor=cursor, status=status)
