"""What would be deployed, where to, and who asked for it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from mission_control.api.agents.deploying import exclusive_key
from mission_control.api.agents.errors import DeploymentRunningError
from mission_control.api.deployments.target import (
    Look,
    Ours,
    ours_on_target,
)
from mission_control.api.jobs import commands as jobs
from mission_control.core.encryption import Vault
from mission_control.core.words import DeploymentTarget, JobKind
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.deployments import Deployment
from mission_control.data.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked, and the key under which the same request is the same job."""

    by: str
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Plan:
    """What would be deployed, and to where, as it is at one moment."""

    agent: Agent
    version: AgentVersion
    in_force: AgentVersion
    ours: Ours
    known_at: object

    @property
    def moment(self) -> tuple[object, ...]:
        """The same as long as nothing of it has moved."""
        agent = self.agent
        return (agent.type, agent.vapi_assistant_id, agent.name, self.version.id, self.in_force.id,
                self.known_at)  # fmt: skip


async def plan_of(
    uow: UnitOfWork, vault: Vault, agent: Agent, version: AgentVersion, in_force: AgentVersion
) -> Plan:
    row = await uow.known_assistants.find(agent.id)
    return Plan(
        agent=agent,
        version=version,
        in_force=in_force,
        ours=await ours_on_target(uow, vault, agent.id),
        known_at=row.at if row is not None else None,
    )


def deployment_of(plan: Plan, job_id: UUID, look: Look | None, asked: Asked) -> Deployment:
    return Deployment(
        id=uuid4(),
        agent_id=plan.agent.id,
        version_id=plan.version.id,
        previous_version_id=plan.in_force.id,
        job_id=job_id,
        target=DeploymentTarget.LOCAL if look is None else DeploymentTarget.VAPI,
        target_id=None if look is None else look.assistant_id,
        requested_by=asked.by,
        seen=None if look is None else look.seen,
        overwritten=None if look is None else look.overwritten,
    )


def job_request_for(
    kind: JobKind, agent_id: str, parameters: dict[str, Any], asked: Asked
) -> jobs.JobRequest:
    return jobs.JobRequest(
        kind=kind,
        agent_id=agent_id,
        parameters=parameters,
        idempotency_key=asked.idempotency_key,
        exclusive=jobs.Exclusive(key=exclusive_key(agent_id), refusal=DeploymentRunningError),
    )
