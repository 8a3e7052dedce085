"""What is read of drift: the latest comparisons."""

from mission_control.api.drift.errors import NotComparedError
from mission_control.api.drift.schemas import DriftPage, DriftRead
from mission_control.data.drift_checks import DriftCheck
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork


async def show_drift(uow: UnitOfWork, agent_id: str) -> DriftRead:
    agent = await uow.agents.get(agent_id)
    check = await uow.drift_checks.find(agent_id)
    if check is None or agent.vapi_assistant_id not in (None, check.assistant_id):
        raise NotComparedError(agent_id)
    return read(check)


async def list_drift(uow: UnitOfWork, *, limit: int, cursor: str | None) -> DriftPage:
    page = await uow.drift_checks.page(
        limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    return DriftPage(items=[read(check) for check in page.items], next_cursor=page.next_cursor)


def read(check: DriftCheck) -> DriftRead:
    columns = {name: getattr(check, name) for name in DriftRead.model_fields}
    return DriftRead.model_validate(columns)
