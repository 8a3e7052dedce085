"""Taking a deployment back: our change alone, at Vapi and in the agent's versions."""

import structlog

from mission_control.api.agents.versions import add_version, playbook_of
from mission_control.api.deployments.errors import AssistantGoneError
from mission_control.api.deployments.standing import saying_what_is_unsure, snapshot_of, unsettle
from mission_control.api.jobs.job_run import JobRun
from mission_control.core.words import VersionOrigin
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.assistant import JsonObject
from mission_control.integrations.vapi.prompt_slots import is_live

log = structlog.get_logger(__name__)


async def take_back(job: JobRun, deployment: Deployment, sealed: bytes) -> JsonObject | None:
    """The assistant with our change taken back; None when Vapi no longer has it, and forced."""
    assert deployment.target_id is not None
    is_forced = bool(job.parameters.get("force"))
    async with job.step() as uow:
        await unsettle(uow, deployment.agent_id)
    try:
        async with saying_what_is_unsure(job, deployment.agent_id, deployment.target_id):
            undone = await job.resources.vapi.rollback(
                deployment.target_id, snapshot_of(job, sealed), force=is_forced
            )
    except AssistantGoneError:
        if not is_forced:
            raise
        log.warning("deployment_given_up", assistant_id=deployment.target_id)
        return None
    return undone.assistant


def is_of(job: JobRun, below: Deployment | None, there: JsonObject) -> bool:
    """True when the assistant says what this deployment has put there."""
    if below is None or below.snapshot is None:
        return False
    return is_live(there, snapshot_of(job, below.snapshot).deployed)


async def _version_before(uow: UnitOfWork, deployment: Deployment) -> AgentVersion:
    return await uow.agents.version_by_id(deployment.previous_version_id or deployment.version_id)


async def restore_version(uow: UnitOfWork, agent: Agent, deployment: Deployment) -> AgentVersion:
    """What was in force before becomes the newest version: history is never rewritten."""
    undone = await uow.agents.version_by_id(deployment.version_id)
    previous = await _version_before(uow, deployment)
    return await add_version(
        uow,
        agent,
        playbook_of(previous),
        prompt=previous.prompt,
        warnings=previous.warnings,
        origin=VersionOrigin.ROLLBACK,
        parent_id=undone.id,
        note=f"Back to version {previous.number} from version {undone.number}",
    )
