"""What deployments announce."""

from typing import Any

from mission_control.core.events import SYSTEM_CHANNEL, Event
from mission_control.data.deployments import Deployment


def deployment_verified(deployment: Deployment, *, version: int) -> Event:
    return _event("deployment.verified", deployment, version=version, changed=deployment.changed)


def deployment_failed(deployment: Deployment, error: dict[str, Any]) -> Event:
    return _event("deployment.failed", deployment, error=error)


def deployment_rolled_back(deployment: Deployment, *, version: int) -> Event:
    return _event("deployment.rolled_back", deployment, version=version)


def _event(name: str, deployment: Deployment, **data: Any) -> Event:
    return Event(
        channel=SYSTEM_CHANNEL,
        type=name,
        agent_id=deployment.agent_id,
        job_id=str(deployment.job_id),
        data={"deployment_id": str(deployment.id), "target": deployment.target, **data},
    )
