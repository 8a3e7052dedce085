"""What is read of agents and their versions."""

from collections.abc import Sequence
from uuid import UUID

from mission_control.api.agents.answering import answering_of, answering_of_all
from mission_control.api.agents.details import agent_read, detail
from mission_control.api.agents.schemas import (
    AgentDetail,
    AgentPage,
    AgentState,
    MeasuredRate,
    VersionDetail,
    VersionDiff,
    VersionPage,
    VersionRead,
)
from mission_control.api.agents.versions import playbook_of, unified_diff
from mission_control.core.words import AgentStatus, AgentType
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.superoptix_client import SuperOptiXClient, program_of
from mission_control_protocol import Compiled


async def list_agents(
    uow: UnitOfWork,
    *,
    limit: int,
    cursor: str | None,
    status: AgentStatus | None,
    agent_type: AgentType | None,
) -> AgentPage:
    page = await uow.agents.page(
        limit=limit,
        cursor=Cursor.decode(cursor, Agent),
        status=status,
        agent_type=agent_type,
    )
    measured = await _measured(uow, page.items)
    answering = await answering_of_all(uow, page.items)
    return AgentPage(
        items=[
            agent_read(agent, answering[agent.id], measured.get(agent.id)) for agent in page.items
        ],
        next_cursor=page.next_cursor,
    )


async def _measured(uow: UnitOfWork, agents: Sequence[Agent]) -> dict[str, MeasuredRate]:
    newest = await uow.evaluations.newest_on_test([agent.id for agent in agents])
    return {
        agent.id: MeasuredRate(
            pass_rate=found.test_pass_rate,
            scenarios=found.test_scenarios or 0,
            repetitions=found.repetitions,
            version=agent.deployed_version or agent.current_version,
            evaluation_id=found.id,
            measured_at=found.finished_at or found.created_at,
        )
        for agent in agents
        if (found := newest.get(agent.id)) is not None and found.test_pass_rate is not None
    }


async def show_agent(uow: UnitOfWork, agent_id: str) -> AgentDetail:
    agent = await uow.agents.get(agent_id)
    measured = await _measured(uow, [agent])
    shown = await detail(uow, agent, await uow.agents.current(agent))
    return shown.model_copy(update={"measured": measured.get(agent_id)})


async def show_state(uow: UnitOfWork, agent_id: str) -> AgentState:
    agent = await uow.agents.get(agent_id)
    return AgentState(
        agent_id=agent.id,
        status=agent.status,
        current_version=agent.current_version,
        deployed_version=agent.deployed_version,
        open_jobs=[job.id for job in await uow.jobs.open_for(agent_id)],
        answering=await answering_of(uow, agent),
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
        agent_id, limit=limit, cursor=Cursor.decode(cursor, AgentVersion)
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
