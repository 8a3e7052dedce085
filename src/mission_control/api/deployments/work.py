"""What a worker does: put a version on its target, or take it back."""

from typing import Any
from uuid import UUID

from mission_control.api.deployments import events
from mission_control.api.deployments.deploy import deploy_to_vapi, load_memory
from mission_control.api.deployments.rollback import is_of, restore_version, take_back
from mission_control.api.deployments.standing import let_stand, outdate_comparison, settle
from mission_control.api.jobs.job_run import JobRun
from mission_control.core.clock import utc_now
from mission_control.core.words import AgentStatus, DeploymentStatus, DeploymentTarget
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork


class DeployWork:
    """Puts the version on its target. Run again after a crash, it finishes what was begun."""

    def __init__(self, job_id: UUID) -> None:
        self._job_id = job_id

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            deployment = await self._deployment(uow)
            agent = await uow.agents.get(deployment.agent_id)
            version = await uow.agents.version_by_id(deployment.version_id)
        if deployment.target is DeploymentTarget.VAPI:
            if job.parameters.get("include_memory") and deployment.memories is None:
                deployment.memories = await load_memory(job, deployment)
            await deploy_to_vapi(job, deployment, agent, version)

    async def completed(self, uow: UnitOfWork) -> None:
        """Only now, with the target read back, may the agent be called live."""
        deployment = await self._deployment(uow)
        version = await uow.agents.version_by_id(deployment.version_id)
        agent = await uow.agents.get_locked(deployment.agent_id)
        deployment.status, deployment.finished_at = DeploymentStatus.VERIFIED, utc_now()
        agent.current_version = agent.deployed_version = version.number
        await let_stand(uow, agent, AgentStatus.LIVE)
        await outdate_comparison(uow, agent)
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
        self._is_as_before = True

    async def run(self, job: JobRun) -> None:
        async with job.resources.unit_of_work(readonly=True) as uow:
            deployment = await self._deployment(uow)
            below = await uow.deployments.standing(deployment.agent_id, below=deployment.id)
        if deployment.target is DeploymentTarget.VAPI and deployment.snapshot is not None:
            there = await take_back(job, deployment, deployment.snapshot)
            self._is_as_before = there is not None and is_of(job, below, there)

    async def completed(self, uow: UnitOfWork) -> None:
        deployment = await self._deployment(uow)
        agent = await uow.agents.get_locked(deployment.agent_id)
        deployment.status = DeploymentStatus.ROLLED_BACK
        await uow.flush()
        restored = await restore_version(uow, agent, deployment)
        standing = await uow.deployments.standing(agent.id)
        agent.current_version = restored.number
        agent.deployed_version = restored.number if standing is not None else None
        await let_stand(uow, agent, self._status(standing))
        await outdate_comparison(uow, agent)
        uow.publish(events.deployment_rolled_back(deployment, version=restored.number))

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        """The deployment stays in force, and the job says why."""
        deployment = await self._deployment(uow)
        await settle(uow, deployment, error)
        uow.publish(events.deployment_failed(deployment, error))

    async def cancelled(self, uow: UnitOfWork) -> None:
        await self.failed(uow, {"code": "job_cancelled", "detail": "The rollback was cancelled."})

    def _status(self, standing: Deployment | None) -> AgentStatus:
        """Somebody may have written there between two deployments: that came back, and not ours."""
        if standing is None:
            return AgentStatus.DEV
        return AgentStatus.LIVE if self._is_as_before else AgentStatus.ERROR

    async def _deployment(self, uow: UnitOfWork) -> Deployment:
        deployment = await uow.deployments.undone_by(self._job_id)
        assert deployment is not None
        return deployment
