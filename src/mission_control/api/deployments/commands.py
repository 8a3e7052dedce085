"""What is asked of deployments: checked, and promised as a job."""

from typing import Any
from uuid import uuid4

from mission_control.api.deployments.errors import (
    AlreadyInForceError,
    ComparedWithAnotherError,
    DeploymentRunningError,
    NoCandidateError,
    NothingToRollBackError,
    NotShownBetterError,
)
from mission_control.api.deployments.queries import exclusive_key
from mission_control.api.deployments.schemas import DeployRequest, RollbackRequest
from mission_control.api.jobs import commands as jobs
from mission_control.api.memory import prompt_memory as agent_memory
from mission_control.api.memory.prompt_memory import NoAgentContextError
from mission_control.core.words import AgentType, DeploymentTarget, JobKind, RunStatus, Verdict
from mission_control.data.agents import AgentVersion
from mission_control.data.deployments import Deployment
from mission_control.data.jobs import Job
from mission_control.data.optimizations import Optimization
from mission_control.data.unit_of_work import UnitOfWork


async def request_deploy(
    uow: UnitOfWork, agent_id: str, request: DeployRequest, *, idempotency_key: str | None
) -> Job:
    """Promise to put a version on its target."""
    parameters = {"deploy": True, **request.model_dump(mode="json", exclude_none=True)}
    agent = await uow.agents.get_locked(agent_id)
    asked = _job_request(JobKind.DEPLOY, agent_id, parameters, idempotency_key)
    if (existing := await jobs.existing_job(uow, asked)) is not None:
        return existing
    in_force = await uow.agents.version(agent_id, agent.deployed_version or agent.current_version)
    version = await _version_to_deploy(uow, request, in_force)
    if request.include_memory:
        await _refuse_without_context(uow, agent_id)
    job = await jobs.submit(uow, asked)
    is_phone_bot = agent.type is AgentType.PHONE_BOT
    uow.deployments.add(
        Deployment(
            id=uuid4(),
            agent_id=agent_id,
            version_id=version.id,
            previous_version_id=in_force.id,
            job_id=job.id,
            target=DeploymentTarget.VAPI if is_phone_bot else DeploymentTarget.LOCAL,
            target_id=agent.vapi_assistant_id if is_phone_bot else None,
        )
    )
    return job


async def _refuse_without_context(uow: UnitOfWork, agent_id: str) -> None:
    if agent_memory.settings_of(await uow.agent_contexts.latest(agent_id)) is None:
        raise NoAgentContextError(agent_id)


async def _version_to_deploy(
    uow: UnitOfWork, request: DeployRequest, in_force: AgentVersion
) -> AgentVersion:
    """The version asked for, or the latest candidate; only if proven, unless forced."""
    agent_id = in_force.agent_id
    latest = await uow.optimizations.latest_with_candidate(agent_id)
    if request.version is not None:
        version = await uow.agents.version(agent_id, request.version)
        proof = await uow.optimizations.latest_of_candidate(version.id)
    elif latest is not None and latest.candidate_version_id is not None:
        version, proof = await uow.agents.version_by_id(latest.candidate_version_id), latest
    else:
        raise NoCandidateError
    if not request.force:
        standing = await uow.deployments.standing(agent_id)
        if version.content_hash == in_force.content_hash and standing is not None:
            if request.include_memory or standing.memories is not None:
                return version  # its prompt is proven; only its memory is another
            raise AlreadyInForceError(version.number, in_force.number)
        await _refuse_unproven(uow, version, proof, in_force)
    return version


async def _refuse_unproven(
    uow: UnitOfWork, version: AgentVersion, proof: Optimization | None, in_force: AgentVersion
) -> None:
    """Only better than what callers hear now counts: an old comparison may be with something else."""
    verdict = proof.verdict.value if proof is not None and proof.verdict else None
    is_better = (
        proof is not None
        and proof.status is RunStatus.COMPLETED
        and proof.verdict is Verdict.BETTER
    )
    if proof is None or not is_better:
        raise NotShownBetterError(version.number, verdict)
    compared_with = await uow.agents.version_by_id(proof.base_version_id)
    if compared_with.content_hash != in_force.content_hash:
        raise ComparedWithAnotherError(version.number, compared_with.number, in_force.number)


async def request_rollback(
    uow: UnitOfWork, agent_id: str, request: RollbackRequest, *, idempotency_key: str | None
) -> Job:
    """Promise to undo the deployment in force."""
    parameters = {"rollback": True, **request.model_dump(mode="json")}
    await uow.agents.get_locked(agent_id)
    asked = _job_request(JobKind.ROLLBACK, agent_id, parameters, idempotency_key)
    if (existing := await jobs.existing_job(uow, asked)) is not None:
        return existing
    standing = await uow.deployments.standing(agent_id)
    if standing is None:
        raise NothingToRollBackError
    job = await jobs.submit(uow, asked)
    standing.rollback_job_id = job.id
    return job


def _job_request(
    kind: JobKind, agent_id: str, parameters: dict[str, Any], idempotency_key: str | None
) -> jobs.JobRequest:
    return jobs.JobRequest(
        kind=kind,
        agent_id=agent_id,
        parameters=parameters,
        idempotency_key=idempotency_key,
        exclusive=jobs.Exclusive(key=exclusive_key(agent_id), refusal=DeploymentRunningError),
    )
