"""What is asked of deployments: checked, and promised as a job.

Each looks at the target between two transactions: what is there now must be ours, or be overwritten
on request. The second transaction stores the promise only if nothing moved here meanwhile.
"""

from mission_control.api.agents.prompts import prompts_of
from mission_control.api.deployments.choice import version_to_deploy
from mission_control.api.deployments.errors import AssistantSharedError, NothingToRollBackError
from mission_control.api.deployments.plan import (
    Asked,
    Plan,
    deployment_of,
    job_request_for,
    plan_of,
)
from mission_control.api.deployments.schemas import DeployRequest, RollbackRequest
from mission_control.api.deployments.target import (
    Look,
    look_before_deploying,
    look_before_rolling_back,
    snapshot_of,
)
from mission_control.api.drift.errors import AgentMovedError
from mission_control.api.drift.known import remember
from mission_control.api.jobs import commands as jobs
from mission_control.api.memory import prompt_memory
from mission_control.api.memory.prompt_memory import NoAgentContextError
from mission_control.api.resources import Resources
from mission_control.core.encryption import Vault
from mission_control.core.words import AgentType, JobKind, KnownBy
from mission_control.data.agents import Agent
from mission_control.data.deployments import Deployment
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork


async def request_deploy(
    resources: Resources, agent_id: str, request: DeployRequest, asked: Asked
) -> Job:
    """Promise to put a version on its target."""
    parameters = {"deploy": True, **request.model_dump(mode="json", exclude_none=True)}
    job_request = job_request_for(JobKind.DEPLOY, agent_id, parameters, asked)
    async with resources.unit_of_work(readonly=True) as uow:
        if (existing := await jobs.existing_job(uow, job_request)) is not None:
            return existing
        plan = await _plan(uow, resources.vault, await uow.agents.get(agent_id), request)
    look = await _look(resources, plan, request)
    async with resources.unit_of_work() as uow:
        agent = await uow.agents.get_locked(agent_id)
        if (existing := await jobs.existing_job(uow, job_request)) is not None:
            return existing
        if plan.moment != (await _plan(uow, resources.vault, agent, request)).moment:
            raise AgentMovedError(agent_id)
        await _refuse_shared(uow, agent_id, look)
        job = await jobs.submit(uow, job_request)
        uow.deployments.add(deployment_of(plan, job.id, look, asked))
        if look is not None and look.first is not None:
            # Read now: who changes it from now on is not overwritten, whatever becomes of this.
            await remember(uow, resources.vault, agent_id, look.first, KnownBy.READ)
        return job


async def _plan(uow: UnitOfWork, vault: Vault, agent: Agent, request: DeployRequest) -> Plan:
    in_force = await uow.agents.version(agent.id, agent.deployed_version or agent.current_version)
    version = await version_to_deploy(uow, request, in_force)
    if request.include_memory:
        await _refuse_without_context(uow, agent.id)
    return await plan_of(uow, vault, agent, version, in_force)


async def _look(resources: Resources, plan: Plan, request: DeployRequest) -> Look | None:
    """None: the target is this installation."""
    if plan.agent.type is not AgentType.PHONE_BOT:
        return None
    return await look_before_deploying(
        resources,
        assistant_id=plan.agent.vapi_assistant_id,
        name=plan.agent.name,
        wanted=prompts_of(plan.version),
        ours=plan.ours,
        overwrite=request.overwrite,
        force=request.force,
    )


async def _refuse_shared(uow: UnitOfWork, agent_id: str, look: Look | None) -> None:
    linked = await uow.agents.of_assistant(look.assistant_id) if look is not None else None
    if look is not None and linked is not None and linked.id != agent_id:
        raise AssistantSharedError(linked.id, look.assistant_id)


async def _refuse_without_context(uow: UnitOfWork, agent_id: str) -> None:
    if prompt_memory.settings_of(await uow.agent_contexts.latest(agent_id)) is None:
        raise NoAgentContextError(agent_id)


async def request_rollback(
    resources: Resources, agent_id: str, request: RollbackRequest, asked: Asked
) -> Job:
    """Promise to undo the deployment in force."""
    parameters = {"rollback": True, **request.model_dump(mode="json")}
    job_request = job_request_for(JobKind.ROLLBACK, agent_id, parameters, asked)
    async with resources.unit_of_work(readonly=True) as uow:
        await uow.agents.get(agent_id)
        if (existing := await jobs.existing_job(uow, job_request)) is not None:
            return existing
        planned = await _standing(uow, agent_id)
    look = await _look_back(resources, planned, request)
    async with resources.unit_of_work() as uow:
        await uow.agents.get_locked(agent_id)
        if (existing := await jobs.existing_job(uow, job_request)) is not None:
            return existing
        standing = await _standing(uow, agent_id)
        if standing.id != planned.id:
            raise AgentMovedError(agent_id)
        job = await jobs.submit(uow, job_request)
        standing.rollback_job_id, standing.rolled_back_by = job.id, asked.by
        standing.rollback_seen = look.seen if look is not None else None
        standing.rollback_overwritten = look.overwritten if look is not None else None
        return job


async def _standing(uow: UnitOfWork, agent_id: str) -> Deployment:
    standing = await uow.deployments.standing(agent_id)
    if standing is None:
        raise NothingToRollBackError
    return standing


async def _look_back(
    resources: Resources, deployment: Deployment, request: RollbackRequest
) -> Look | None:
    """None: there is nothing at Vapi to look at."""
    if deployment.target_id is None or deployment.snapshot is None:
        return None
    return await look_before_rolling_back(
        resources,
        deployment.target_id,
        snapshot_of(resources.vault, deployment.snapshot),
        overwrite=request.overwrite,
        force=request.force,
    )
