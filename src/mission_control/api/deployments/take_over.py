"""Theirs at Vapi becomes a version of the agent, and the version in force: nothing is overwritten."""

from mission_control.api.agents.errors import AgentBusyError
from mission_control.api.agents.prompts import prompts_of
from mission_control.api.agents.versions import add_version, playbook_of
from mission_control.api.deployments.errors import NothingToTakeOverError
from mission_control.api.deployments.plan import (
    Asked,
    Plan,
    deployment_of,
    job_request_for,
    plan_of,
)
from mission_control.api.deployments.schemas import TakeOverRequest
from mission_control.api.deployments.target import Look
from mission_control.api.drift.errors import AgentMovedError, NoAssistantError
from mission_control.api.jobs import commands as jobs
from mission_control.api.resources import Resources
from mission_control.core import playbook as playbooks
from mission_control.core.encryption import Vault
from mission_control.core.playbook import Playbook
from mission_control.core.playbook_parts import canonical_yaml
from mission_control.core.words import AgentStatus, AgentType, JobKind, VersionOrigin
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.superoptix_client import program_of
from mission_control.integrations.vapi.changes import Texts
from mission_control.integrations.vapi.prompt_slots import has_prompt_in_parts

NOTE = "Taken over from Vapi"


async def request_take_over(
    resources: Resources, agent_id: str, request: TakeOverRequest, asked: Asked
) -> Job:
    """Store what answers at Vapi as a new version, and promise to confirm that it is in force."""
    parameters = {"take_over": True, **request.model_dump(mode="json")}
    job_request = job_request_for(JobKind.DEPLOY, agent_id, parameters, asked)
    async with resources.unit_of_work(readonly=True) as uow:
        if (existing := await jobs.existing_job(uow, job_request)) is not None:
            return existing
        plan = await _plan(uow, resources.vault, await uow.agents.get(agent_id))
    live, look = await _read(resources, plan)
    playbook = _playbook_with(plan.version, live)
    compiled = await resources.superoptix.compile_agent(program_of(playbook))
    async with resources.unit_of_work() as uow:
        agent = await uow.agents.get_locked(agent_id)
        if (existing := await jobs.existing_job(uow, job_request)) is not None:
            return existing
        now = await _plan(uow, resources.vault, agent)
        if now.moment != plan.moment:
            raise AgentMovedError(agent_id)
        version = await add_version(
            uow, agent, playbook,
            prompt=compiled.prompt, warnings=compiled.warnings,
            origin=VersionOrigin.IMPORT, parent_id=now.version.id, note=request.note or NOTE,
        )  # fmt: skip
        agent.current_version = version.number
        job = await jobs.submit(uow, job_request)
        taking = await plan_of(uow, resources.vault, agent, version, now.in_force)
        deployment = deployment_of(taking, job.id, look, asked)
        deployment.taken_over = True
        uow.deployments.add(deployment)
        return job


async def _plan(uow: UnitOfWork, vault: Vault, agent: Agent) -> Plan:
    if agent.type is not AgentType.PHONE_BOT:
        raise NoAssistantError(agent.id)
    if agent.status is AgentStatus.OPTIMIZING:
        for job in await uow.jobs.open_for(agent.id):
            raise AgentBusyError(agent.id, str(job.id))
    current = await uow.agents.current(agent)
    in_force = await uow.agents.version(agent.id, agent.deployed_version or agent.current_version)
    return await plan_of(uow, vault, agent, current, in_force)


async def _read(resources: Resources, plan: Plan) -> tuple[Texts, Look]:
    agent = plan.agent
    assistant_id = agent.vapi_assistant_id or (await resources.vapi.find_assistant(agent.name)).id
    there = await resources.vapi.get_assistant(assistant_id)
    live = Texts.of(there, plan.ours.known(there))
    here = prompts_of(plan.version)
    if not (live.system or "").strip():
        how = (
            "a prompt in parts, not as a plain text" if has_prompt_in_parts(there) else "no prompt"
        )
        raise NothingToTakeOverError(f"The assistant at Vapi has {how}.")
    if here["system"] == live.system and here.get("first_message") in (None, live.first_message):
        raise NothingToTakeOverError(
            f"What answers at Vapi is what version {plan.version.number} says."
        )
    return live, Look(assistant_id, live.to_json(), None)


def _playbook_with(version: AgentVersion, live: Texts) -> Playbook:
    """The current version with theirs; the first message only where the agent has one of its own."""
    data = playbooks.with_prompt(playbook_of(version).data, live.system or "")
    if data["spec"].pop("first_message", None) is not None and live.first_message:
        data["spec"]["first_message"] = live.first_message
    read = playbooks.read_playbook(data)  # refuses what cannot be stored
    # As it will be read from now on: what would be too large then is refused now.
    return playbooks.parse_playbook(canonical_yaml(read.data))
