"""What is read of agents and their versions."""

from uuid import UUID

from mission_control.api.agents.details import detail
from mission_control.api.agents.schemas import (
    AgentDetail,
    AgentState,
    VersionDetail,
    VersionDiff,
    VersionPage,
    VersionRead,
)
from mission_control.api.agents.versions import playbook_of, unified_diff
from mission_control.data.agents import AgentVersion
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.superoptix_client import SuperOptiXClient, program_of
from mission_control_protocol import Compiled


async def show_agent(uow: UnitOfWork, agent_id: str) -> AgentDetail:
    agent = await uow.agents.get(agent_id)
    return detail(agent, await uow.agents.current(agent))


async def show_state(uow: UnitOfWork, agent_id: str) -> AgentState:
    agent = await uow.agents.get(agent_id)
    return AgentState(
        agent_id=agent.id,
        status=agent.status,
        current_version=agent.current_version,
        deployed_version=agent.deployed_version,
        open_jobs=[job.id for job in await uow.jobs.open_for(agent_id)],
    )


async def compile_agent(
    uow: UnitOfWork, superoptix: SuperOptiXClient, agent_id: str
) -> tuple[AgentVersion, Compiled]:
    agent = await uow.agents.get(agent_id)
    version = await uow.agents.current(agent)
    return version, await superoptix.compile_agent(program_of(playbook_of(version)))


async def list_versions(
    uow: UnitOfWork, agent_id: str, *, limit: int, cursor: str | None
) -> VersionPage:
    await uow.agents.get(agent_id)
    page = await uow.agents.version_page(
        agent_id, limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    parents = await uow.agents.versions_by_id([v.parent_id for v in page.items if v.parent_id])
    numbers = {version_id: version.number for version_id, version in parents.items()}
    return VersionPage(
        items=[_version_read(version, numbers) for version in page.items],
        next_cursor=page.next_cursor,
    )


async def show_version(uow: UnitOfWork, agent_id: str, number: int) -> VersionDetail:
    version = await uow.agents.version(agent_id, number)
    parents = await uow.agents.versions_by_id([version.parent_id] if version.parent_id else [])
    read = _version_read(version, {key: parent.number for key, parent in parents.items()})
    return VersionDetail(
        **read.model_dump(),
        prompt=version.prompt,
        first_message=playbook_of(version).first_message,
        playbook=version.playbook,
    )


async def diff_versions(uow: UnitOfWork, agent_id: str, before: int, after: int) -> VersionDiff:
    first = await uow.agents.version(agent_id, before)
    second = await uow.agents.version(agent_id, after)
    names = (f"version {before}", f"version {after}")
    return VersionDiff(
        agent_id=agent_id,
        before=before,
        after=after,
        prompt=unified_diff(first.prompt, second.prompt, *names),
        playbook=unified_diff(first.playbook, second.playbook, *names),
    )


def _version_read(version: AgentVersion, numbers: dict[UUID, int]) -> VersionRead:
    return VersionRead(
        id=version.id,
        agent_id=version.agent_id,
        number=version.number,
        content_hash=version.content_hash,
        origin=version.origin,
        parent=numbers.get(version.parent_id) if version.parent_id else None,
        note=version.note,
        warnings=version.warnings,
        created_at=version.created_at,
    )
