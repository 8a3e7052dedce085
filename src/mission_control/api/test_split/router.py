"""HTTP door of the test split's ledger."""

from fastapi import APIRouter

from mission_control.api.deps import AgentId, ReadOnlyUow
from mission_control.api.problems import refusals
from mission_control.api.test_split import queries
from mission_control.api.test_split.schemas import SplitRead
from mission_control.core.errors import NotFoundError

router = APIRouter(prefix="/api/agents", tags=["agents"])


@router.get(
    "/{agent_id}/test-split",
    summary="How much of the test split is spent",
    responses=refusals(NotFoundError),
)
async def get_test_split(uow: ReadOnlyUow, agent_id: AgentId) -> SplitRead:
    """Each comparison reads it, and needs stronger evidence than the one before."""
    return await queries.show_test_split(uow, agent_id)
