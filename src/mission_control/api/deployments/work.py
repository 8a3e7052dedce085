"""What a worker does: put a version on its target, or take it back."""

from typing import Any
from uuid import UUID

from mission_control.api.deployments import events
from mission_control.api.deployments.deploy import deploy_to_vapi, load_memory
from mission_control.api.deployments.rollback import is_of, known_again, restore_version, take_back
from mission_control.api.deployments.standing import (
    let_stand,
    note_what_is_there,
    outdate_comparison,
    settle,
)
from mission_control.api.drift.known import KnownState
from mission_control.api.jobs.job_run import JobRun
from mission_control.core.clock import utc_now
from mission_control.core.encryption import Vault
from mission_control.core.json_types import JsonObject
from mission_control.core.words import AgentStatus, DeploymentStatus, DeploymentTarget, KnownBy
from mission_control.data.agents import Agent
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork


class DeployWork:
    """Puts the version on its target. Run again after a crash, it finishes what was begun."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id
        self._read_back: tuple[Vault, KnownState] | None = None

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            deployment = await self._deployment(uow)
            agent = await uow.agents.get(deployment.agent_id)
            version = await uow.agents.version_by_id(deployment.version_id)
        if deployment.target is DeploymentTarget.VAPI:
            if job.parameters.get("include_memory") and deployment.memories is None:
                deployment.memories = await load_memory(job, deployment)
            state = await deploy_to_vapi(job, deployment, agent, version)
            self._read_back = (job.resources.vault, state)

    async def completed(self, uow: UnitOfWork) -> None:
        """Only now, with the target read back, may the agent be called live."""
        deployment = await self._deployment(uow)
        version = await uow.agents.version_by_id(deployment.version_id)
        agent = await uow.agents.get_locked(deployment.agent_id)
        deployment.status, deployment.finished_at = DeploymentStatus.VERIFIED, utc_now()
        agent.current_version = agent.deployed_version = version.number
        await let_stand(uow, agent, AgentStatus.LIVE)
        if self._read_back is not None:
            vault, state = self._read_back
            await note_what_is_there(
                uow, vault, agent, state, state.assistant,
                by=KnownBy.DEPLOYED,
            )  # fmt: skip
        uow.publish(events.deployment_verified(deployment, version=version.number))

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        deployment = await self._deployment(uow)
        deployment.status, deployment.error = DeploymentStatus.FAILED, error
        deployment.finished_at = utc_now()
        await settle(uow, deployment, error)
        uow.publish(events.deployment_failed(deployment, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        await self.failed(
            uow, {"code": "job_cancelled", "detail": "Cancelled; look at the target before more."}
        )

    async def _deployment(self, uow: UnitOfWork) -> Deployment:
        deployment = await uow.deployments.of_job(self._job_id)
        assert deployment is not None
        return deployment


class RollbackWork:
    """Undoes a deployment: our change is taken back, what others changed since is kept."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id
        self._read_back: tuple[Vault, JsonObject] | None = None

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            deployment = await self._deployment(uow)
        if deployment.target is DeploymentTarget.VAPI and deployment.snapshot is not None:
            there = await take_back(job, deployment, deployment.snapshot)
            if there is not None:
                self._read_back = (job.resources.vault, there)

    async def completed(self, uow: UnitOfWork) -> None:
        deployment = await self._deployment(uow)
        agent = await uow.agents.get_locked(deployment.agent_id)
        deployment.status, deployment.rolled_back_at = DeploymentStatus.ROLLED_BACK, utc_now()
        await uow.flush()
        restored = await restore_version(uow, agent, deployment)
        below = await uow.deployments.standing(agent.id)
        is_ours = below is not None and self._is_of(below)
        agent.current_version = restored.number
        # Somebody may have written there between two deployments: that came back, and not ours.
        agent.deployed_version = restored.number if is_ours else None
        await let_stand(uow, agent, AgentStatus.LIVE if is_ours else AgentStatus.DEV)
        await self._note_what_is_there(uow, agent, deployment)
        uow.publish(events.deployment_rolled_back(deployment, version=restored.number))

    def _is_of(self, below: Deployment) -> bool:
        if below.target is DeploymentTarget.LOCAL:
            return True
        return self._read_back is not None and is_of(self._read_back[0], below, self._read_back[1])

    async def _note_what_is_there(
        self, uow: UnitOfWork, agent: Agent, deployment: Deployment
    ) -> None:
        if self._read_back is None:  # given up: nobody knows what is there
            await uow.known_assistants.forget(agent.id)
            await outdate_comparison(uow, agent)
            return
        vault, there = self._read_back
        await note_what_is_there(
            uow, vault, agent, known_again(vault, deployment, there), there,
            by=KnownBy.ROLLED_BACK,
        )  # fmt: skip

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        """The deployment stays in force, and the job says why."""
        deployment = await self._deployment(uow)
        await settle(uow, deployment, error)
        uow.publish(events.deployment_failed(deployment, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        await self.failed(uow, {"code": "job_cancelled", "detail": "The rollback was cancelled."})

    async def _deployment(self, uow: UnitOfWork) -> Deployment:
        deployment = await uow.deployments.undone_by(self._job_id)
        assert deployment is not None
        return deployment
