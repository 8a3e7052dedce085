"""What deployments announce."""

from typing import Any
from uuid import UUID

from pydantic import Field

from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.events import SYSTEM_CHANNEL, Event, EventData
from mission_control.core.words import DeploymentTarget
from mission_control.data.deployments import Deployment


class OfADeployment(EventData):
    deployment_id: UUID
    target: DeploymentTarget


class DeploymentVerified(OfADeployment):
    """A version is in force, read back from its target."""

    type = "deployment.verified"
    version: int
    changed: list[str] = Field(description="Fields of the target that were written.")


class DeploymentFailed(OfADeployment):
    """A deployment or rollback ended without being verified."""

    type = "deployment.failed"
    error: ErrorRead


class DeploymentRolledBack(OfADeployment):
    """What was in force before is in force again, as a new version."""

    type = "deployment.rolled_back"
    version: int


EVENTS = (DeploymentVerified, DeploymentFailed, DeploymentRolledBack)


def deployment_verified(deployment: Deployment, *, version: int) -> Event:
    return _event(
        deployment,
        DeploymentVerified(
            deployment_id=deployment.id,
            target=deployment.target,
            version=version,
            changed=deployment.changed,
        ),
    )


def deployment_failed(deployment: Deployment, error: dict[str, Any]) -> Event:
    return _event(
        deployment,
        DeploymentFailed(
            deployment_id=deployment.id,
            target=deployment.target,
            error=ErrorRead.model_validate(error),
        ),
    )


def deployment_rolled_back(deployment: Deployment, *, version: int) -> Event:
    return _event(
        deployment,
        DeploymentRolledBack(
            deployment_id=deployment.id, target=deployment.target, version=version
        ),
    )


def _event(deployment: Deployment, data: EventData) -> Event:
    return Event(
        channel=SYSTEM_CHANNEL,
        agent_id=deployment.agent_id,
        job_id=str(deployment.job_id),
        data=data,
    )
