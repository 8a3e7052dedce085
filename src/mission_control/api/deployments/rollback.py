"""Taking a deployment back: our change alone, at Vapi and in the agent's versions."""

import structlog

from mission_control.api.agents.versions import add_version, playbook_of
from mission_control.api.deployments.errors import AssistantGoneError
from mission_control.api.deployments.standing import saying_what_is_unsure, unsettle
from mission_control.api.deployments.target import snapshot_of
from mission_control.api.drift.known import KnownState, put_back
from mission_control.api.jobs.job_run import JobRun
from mission_control.core.encryption import Vault
from mission_control.core.json_types import JsonObject
from mission_control.core.words import VersionOrigin
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.vapi.changes import Texts, replaced_of
from mission_control.integrations.vapi.prompt_slots import is_live, live_first_message

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
                deployment.target_id,
                snapshot_of(job.resources.vault, sealed),
                overwrite=_allowed(deployment),
                seen_version=(deployment.rollback_seen or {}).get("latest_version"),
            )
    except AssistantGoneError:
        if not is_forced:
            raise
        log.warning("deployment_given_up", assistant_id=deployment.target_id)
        return None
    if undone.warnings:
        async with job.step() as uow:
            stored = await uow.deployments.get(deployment.id)
            stored.warnings = [*stored.warnings, *undone.warnings]
    return undone.assistant


def _allowed(deployment: Deployment) -> Texts | None:
    """Of somebody else's, what was there when the rollback was asked for; None: nothing."""
    seen = deployment.rollback_seen
    if deployment.rollback_overwritten is None or seen is None:
        return None
    return Texts(seen.get("system"), seen.get("first_message"))


def known_again(vault: Vault, deployment: Deployment, there: JsonObject) -> KnownState:
    """What is known of the assistant once the deployment was taken back."""
    if deployment.known_before is not None:
        return put_back(there, KnownState.unsealed(vault, deployment.known_before))
    assert deployment.snapshot is not None
    snapshot = snapshot_of(vault, deployment.snapshot)
    greets = snapshot.deployed.get("first_message") is not None
    greeting = live_first_message(there) if greets else None
    return KnownState(there, Texts(replaced_of(snapshot), greeting))


def is_of(vault: Vault, below: Deployment | None, there: JsonObject) -> bool:
    """True when the assistant says what this deployment has put there."""
    if below is None or below.snapshot is None:
        return False
    return is_live(there, snapshot_of(vault, below.snapshot).deployed)


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
