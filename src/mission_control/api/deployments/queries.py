"""What is read of deployments."""

from uuid import UUID

from mission_control.api.deployments.schemas import DeploymentPage, DeploymentRead
from mission_control.data.deployments import Deployment
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork


async def list_deployments(
    uow: UnitOfWork, *, agent_id: str | None, limit: int, cursor: str | None
) -> DeploymentPage:
    page = await uow.deployments.page(
        agent_id=agent_id, limit=limit, cursor=Cursor.decode(cursor, Deployment)
    )
    wanted = [item.version_id for item in page.items]
    wanted += [item.previous_version_id for item in page.items if item.previous_version_id]
    numbers = {key: each.number for key, each in (await uow.agents.versions_by_id(wanted)).items()}
    return DeploymentPage(
        items=[_read(item, numbers) for item in page.items], next_cursor=page.next_cursor
    )


def _read(deployment: Deployment, numbers: dict[UUID, int]) -> DeploymentRead:
    columns = {
        name: getattr(deployment, name)
        for name in DeploymentRead.model_fields
        if name not in {"version", "previous_version"}
    }
    previous = deployment.previous_version_id
    return DeploymentRead.model_validate(
        {
            **columns,
            "version": numbers[deployment.version_id],
            "previous_version": numbers.get(previous) if previous is not None else None,
        }
    )
