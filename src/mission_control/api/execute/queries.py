"""What is read of executions."""

from mission_control.api.execute.schemas import ExecutionPage, ExecutionRead
from mission_control.core.words import ExecutionStatus
from mission_control.data.executions import Execution
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork


async def list_executions(
    uow: UnitOfWork,
    agent_id: str,
    *,
    limit: int,
    cursor: str | None,
    status: ExecutionStatus | None,
) -> ExecutionPage:
    await uow.agents.get(agent_id)
    page = await uow.executions.page(
        agent_id, limit=limit, cursor=Cursor.decode(cursor, Execution), status=status
    )
    versions = await uow.agents.versions_by_id([item.version_id for item in page.items])
    return ExecutionPage(
        items=[read(item, versions[item.version_id].number) for item in page.items],
        next_cursor=page.next_cursor,
    )


def read(execution: Execution, version_number: int) -> ExecutionRead:
    columns = {
        name: getattr(execution, name) for name in ExecutionRead.model_fields if name != "version"
    }
    return ExecutionRead.model_validate({**columns, "version": version_number})
