"""Putting a version on an assistant: what is there is stored first, then changed."""

from typing import Any

from mission_control.api.agents.prompts import prompts_of
from mission_control.api.deployments.errors import AssistantSharedError
from mission_control.api.deployments.standing import saying_what_is_unsure, snapshot_of, unsettle
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.memory import prompt_memory as agent_memory
from mission_control.api.memory.prompt_memory import MemoryIncompleteError, NoAgentContextError
from mission_control.core.words import DeploymentStatus
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.assistant import JsonObject, OptimizedPrompts, Snapshot
from mission_control.integrations.vapi.prompt_slots import is_live, with_previous


async def load_memory(job: JobRun, deployment: Deployment) -> dict[str, Any]:
    """Stored before anything is changed: a deployment that is resumed puts the same there."""
    memory = await agent_memory.load(job.resources, deployment.agent_id, patiently=True)
    if memory is None:
        raise NoAgentContextError(deployment.agent_id)
    if memory.missing:
        raise MemoryIncompleteError(memory.missing)
    async with job.step() as uow:
        stored = await uow.deployments.get(deployment.id)
        stored.memories = memory.record()
    return memory.record()


async def deploy_to_vapi(
    job: JobRun, deployment: Deployment, agent: Agent, version: AgentVersion
) -> None:
    vapi, prompts = job.resources.vapi, prompts_of(version, deployment.memories)
    assistant_id = deployment.target_id or (await vapi.find_assistant(agent.name)).id
    async with saying_what_is_unsure(job, agent.id, assistant_id):
        if deployment.snapshot is None:
            before = await _note_what_is_there(job, deployment, assistant_id, prompts)
        else:
            before = snapshot_of(job, deployment.snapshot).assistant
        deployed = await vapi.deploy_optimized(assistant_id, prompts, before=before)
    async with job.step() as uow:
        (await uow.deployments.get(deployment.id)).changed = list(deployed.changed_fields)


async def _note_what_is_there(
    job: JobRun, deployment: Deployment, assistant_id: str, prompts: OptimizedPrompts
) -> JsonObject:
    """Stored before anything is changed: what was there can always be put back."""
    there = await job.resources.vapi.get_assistant(assistant_id)
    async with job.step() as uow:
        agent = await uow.agents.get_locked(deployment.agent_id)
        other = await uow.agents.deployed_to(assistant_id, besides=agent.id)
        if other is not None:
            raise AssistantSharedError(other.id, assistant_id)
        unconfirmed = await _unconfirmed(job, uow, deployment, assistant_id)
        # What an unconfirmed deployment has put there is ours: it is not what to go back to.
        is_ours = unconfirmed is not None and unconfirmed.deployed == prompts
        before = there
        if unconfirmed is not None and is_ours and is_live(there, prompts):
            before = with_previous(there, unconfirmed)
        stored = await uow.deployments.get(deployment.id)
        stored.snapshot = job.resources.vault.encrypt_json(Snapshot(before, prompts).to_json())
        stored.target_id = agent.vapi_assistant_id = assistant_id
        await unsettle(uow, agent.id)
    return before


async def _unconfirmed(
    job: JobRun, uow: UnitOfWork, deployment: Deployment, assistant_id: str
) -> Snapshot | None:
    """What the deployment before this one was to change, if nobody knows whether it did."""
    last = await uow.deployments.latest_begun(deployment.agent_id, besides=deployment.id)
    is_open = (
        last is not None
        and last.status is DeploymentStatus.FAILED
        and last.target_id == assistant_id
    )
    if last is None or last.snapshot is None or not is_open:
        return None
    return snapshot_of(job, last.snapshot)
