"""What is asked of agents: create from a playbook, edit, delete."""

from mission_control.api.agents.details import detail
from mission_control.api.agents.errors import (
    AgentBusyError,
    AgentDeployedError,
    AgentIdChangedError,
    VersionChangedError,
)
from mission_control.api.agents.registration import refuse_linked, store_new, stored_unless_linked
from mission_control.api.agents.schemas import AgentCreate, AgentDetail, AgentUpdate
from mission_control.api.agents.versions import add_version, playbook_of
from mission_control.api.agents.warnings import warnings_of
from mission_control.api.resources import Resources
from mission_control.api.test_split import ledger
from mission_control.core import playbook as playbooks
from mission_control.core.playbook import Playbook
from mission_control.core.words import AgentStatus, JobKind, VersionOrigin
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.superoptix_client import SuperOptiXClient, program_of
from mission_control_protocol import Compiled


async def import_agent(
    uow: UnitOfWork, superoptix: SuperOptiXClient, request: AgentCreate
) -> AgentDetail:
    """Make an agent of a playbook. SuperOptiX must be able to compile it."""
    playbook = await _requested_playbook(superoptix, request)
    # Compiled before the first query: no transaction stays open while the engine works.
    compiled = await superoptix.compile_agent(program_of(playbook))
    return await store_new(
        uow, playbook, compiled, agent_type=request.type, assistant_id=request.vapi_assistant_id
    )


async def _requested_playbook(superoptix: SuperOptiXClient, request: AgentCreate) -> Playbook:
    if request.playbook is not None:
        return playbooks.parse_playbook(request.playbook)
    listed = await superoptix.marketplace(request.marketplace)
    return playbooks.parse_playbook(listed.playbook or "", lenient=True)


async def update_agent(resources: Resources, agent_id: str, request: AgentUpdate) -> AgentDetail:
    """Change an agent. The same content again makes no new version."""
    async with resources.unit_of_work(readonly=True) as uow:
        agent = await uow.agents.get(agent_id)
        current = await uow.agents.current(agent)
        _refuse_if_changed(agent, request.based_on)
        edited = _edited_playbook(agent_id, current, request)
        if edited is None or edited.hash == current.content_hash:
            edited = None
        else:
            await _refuse_while_optimizing(uow, agent)
    if edited is None:
        return await _store_update(resources, current, request)
    # Compiled between two transactions: other writers need not wait for the engine.
    compiled = await resources.superoptix.compile_agent(program_of(edited))
    return await _store_update(resources, current, request, edited=edited, compiled=compiled)


async def _store_update(
    resources: Resources,
    current: AgentVersion,
    request: AgentUpdate,
    *,
    edited: Playbook | None = None,
    compiled: Compiled | None = None,
) -> AgentDetail:
    async with resources.unit_of_work() as uow:
        agent = await uow.agents.get_locked(current.agent_id)
        _refuse_if_changed(agent, current.number)
        if _moves(agent, request):
            await _refuse_moving(uow, agent)
        if request.type is not None:
            agent.type = request.type
        if "vapi_assistant_id" in request.model_fields_set:
            if request.vapi_assistant_id != agent.vapi_assistant_id:
                await refuse_linked(uow, request.vapi_assistant_id)
                await uow.known_assistants.forget(agent.id)
            agent.vapi_assistant_id = request.vapi_assistant_id
            await stored_unless_linked(uow, agent)
        if edited is not None and compiled is not None:
            await _refuse_while_optimizing(uow, agent)
            current = await add_version(
                uow, agent, edited,
                prompt=compiled.prompt,
                warnings=[
                    *compiled.warnings, *warnings_of(edited),
                    *await _spent_by_looking(uow, current, edited, compiled),
                ],
                origin=VersionOrigin.EDIT, parent_id=current.id, note=request.note,
            )  # fmt: skip
            agent.current_version = current.number
            agent.name, agent.description = edited.name, edited.description
        await uow.flush()
        return await detail(uow, agent, current)


async def _spent_by_looking(
    uow: UnitOfWork, before: AgentVersion, edited: Playbook, compiled: Compiled
) -> list[str]:
    """Other scenarios alone are no answer to what failed in the test split; other behaviour may be."""
    old = playbook_of(before)
    if before.prompt == compiled.prompt and _behaviour(old) == _behaviour(edited):
        return []
    return await ledger.count_edit(uow, old)


def _behaviour(playbook: Playbook) -> object:
    program = program_of(playbook)
    return program.playbook["spec"], program.demonstrations


def _refuse_if_changed(agent: Agent, based_on: int | None) -> None:
    if based_on is not None and based_on != agent.current_version:
        raise VersionChangedError(agent.current_version)


def _moves(agent: Agent, request: AgentUpdate) -> bool:
    """True when it would be deployed to another target from now on."""
    return (request.type is not None and request.type != agent.type) or (
        "vapi_assistant_id" in request.model_fields_set
        and request.vapi_assistant_id != agent.vapi_assistant_id
    )


async def _refuse_moving(uow: UnitOfWork, agent: Agent) -> None:
    """`live` is said of a target: another target would make it a lie, now or in a moment."""
    if agent.deployed_version is not None:
        raise AgentDeployedError(agent.id, agent.deployed_version)
    for job in await uow.jobs.open_for(agent.id):
        if job.kind in (JobKind.DEPLOY, JobKind.ROLLBACK):
            raise AgentBusyError(agent.id, str(job.id))


def _edited_playbook(agent_id: str, current: AgentVersion, request: AgentUpdate) -> Playbook | None:
    if request.prompt is not None:
        data = playbooks.read_stored(current.playbook).data
        return playbooks.read_playbook(playbooks.with_prompt(data, request.prompt))
    if request.playbook is None or request.playbook.strip() == current.playbook.strip():
        return None
    edited = playbooks.parse_playbook(request.playbook)
    if edited.agent_id != agent_id:
        raise AgentIdChangedError(agent_id, edited.agent_id)
    return edited


async def delete_agent(uow: UnitOfWork, agent_id: str) -> None:
    """Remove an agent with its versions, evaluations and optimizations. Vapi is not touched."""
    agent = await uow.agents.get_locked(agent_id)
    for job in await uow.jobs.open_for(agent_id):
        raise AgentBusyError(agent_id, str(job.id))
    await uow.agents.delete(agent)


async def _refuse_while_optimizing(uow: UnitOfWork, agent: Agent) -> None:
    """A search from a version that is no longer the current one would end in confusion."""
    if agent.status is AgentStatus.OPTIMIZING:
        for job in await uow.jobs.open_for(agent.id):
            raise AgentBusyError(agent.id, str(job.id))
