"""Putting a version on an assistant: what is there is stored first, then changed."""

from typing import Any

from mission_control.api.agents.prompts import prompts_of
from mission_control.api.deployments.errors import AssistantSharedError
from mission_control.api.deployments.standing import saying_what_is_unsure, unsettle
from mission_control.api.deployments.target import (
    Ours,
    ours_on_target,
    refuse_unseen,
    snapshot_of,
)
from mission_control.api.drift.known import KnownState
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.memory import prompt_memory
from mission_control.api.memory.prompt_memory import MemoryIncompleteError, NoAgentContextError
from mission_control.core.encryption import Vault
from mission_control.core.json_types import JsonObject
from mission_control.core.words import DeploymentStatus
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.assistant import OptimizedPrompts, Snapshot
from mission_control.integrations.vapi.changes import Texts, with_previous
from mission_control.integrations.vapi.first_message import unheard_first_message
from mission_control.integrations.vapi.prompt_slots import (
    Known,
    is_live,
    known_of,
    live_first_message,
    live_prompt,
    with_prompts,
)


async def load_memory(job: JobRun, deployment: Deployment) -> dict[str, Any]:
    """Stored before anything is changed: a deployment that is resumed puts the same there."""
    memory = await prompt_memory.load(job.resources, deployment.agent_id, patiently=True)
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
) -> KnownState:
    """The assistant as it was read back, with what is ours in it."""
    vapi, prompts = job.resources.vapi, prompts_of(version, deployment.memories)
    assistant_id = deployment.target_id or (await vapi.find_assistant(agent.name)).id
    async with saying_what_is_unsure(job, agent.id, assistant_id):
        if deployment.snapshot is None:
            before = await _store_what_is_there(job, deployment, assistant_id, prompts)
        else:
            before = snapshot_of(job.resources.vault, deployment.snapshot)
        deployed = await vapi.deploy_optimized(
            assistant_id,
            prompts,
            before=before.assistant,
            known=known_of(before.assistant, before.replaced),
        )
    async with job.step() as uow:
        stored = await uow.deployments.get(deployment.id)
        stored.changed = [] if deployment.taken_over else list(deployed.changed_fields)
        greets = prompts.get("first_message") is not None
        unheard = unheard_first_message(deployed.assistant) if greets else []
        stored.warnings = [*deployed.warnings, *unheard]
    return KnownState.after(deployed.assistant, prompts)


async def _store_what_is_there(
    job: JobRun, deployment: Deployment, assistant_id: str, prompts: OptimizedPrompts
) -> Snapshot:
    """Stored before anything is changed: what was there can always be put back."""
    vault = job.resources.vault
    there = await job.resources.vapi.get_assistant(assistant_id)
    async with job.step() as uow:
        agent = await uow.agents.get_locked(deployment.agent_id)
        await _refuse_shared(uow, agent, assistant_id)
        ours = await ours_on_target(uow, vault, agent.id, besides=deployment)
        refuse_unseen(there, ours, deployment.seen, prompts)
        unconfirmed = await _unconfirmed(uow, vault, deployment, assistant_id)
        before = _before(deployment, there, prompts, ours, unconfirmed)
        stored = await uow.deployments.get(deployment.id)
        stored.snapshot = vault.encrypt_json(before.to_json())
        stored.known_before = _known_before(ours, before).sealed(vault)
        stored.target_id = agent.vapi_assistant_id = assistant_id
        await unsettle(uow, agent.id)
    return before


async def _refuse_shared(uow: UnitOfWork, agent: Agent, assistant_id: str) -> None:
    other = await uow.agents.of_assistant(assistant_id)
    if other is not None and other.id != agent.id:
        raise AssistantSharedError(other.id, assistant_id)


def _before(
    deployment: Deployment,
    there: JsonObject,
    prompts: OptimizedPrompts,
    ours: Ours,
    unconfirmed: Snapshot | None,
) -> Snapshot:
    """What a rollback of this deployment goes back to."""
    system, known = prompts["system"], ours.known(there)
    # What an unconfirmed deployment has put there is ours: it is not what to go back to.
    is_ours = unconfirmed is not None and unconfirmed.deployed == prompts
    if unconfirmed is not None and is_ours and is_live(there, prompts):
        before = with_previous(there, unconfirmed)
        return Snapshot(before, prompts, unconfirmed.replaced)
    state = ours.state
    if deployment.taken_over and state is not None and state.ours.system is not None:
        # Theirs was found there; what we had put there before is what to go back to.
        back: OptimizedPrompts = {
            "system": state.ours.system, "first_message": state.ours.first_message
        }  # fmt: skip
        before = with_prompts(there, back, Known(system, known.beside))
        return Snapshot(before, prompts, state.ours.system)
    return Snapshot(there, prompts, live_prompt(there, known))


def _known_before(ours: Ours, before: Snapshot) -> KnownState:
    """What is known again once this deployment is rolled back; else what is read now."""
    if ours.state is not None:
        return ours.state
    greets = before.deployed.get("first_message") is not None
    greeting = live_first_message(before.assistant) if greets else None
    return KnownState(before.assistant, Texts(before.replaced, greeting))


async def _unconfirmed(
    uow: UnitOfWork, vault: Vault, deployment: Deployment, assistant_id: str
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
    return snapshot_of(vault, last.snapshot)
