"""Jobs of an agent, as the pages need them."""

from mission_control.api.jobs.schemas import JobRead
from mission_control.core.words import JobKind, JobStatus
from mission_control.ui.clients import api_client


def open_jobs(agent_id: str, *kinds: JobKind) -> list[JobRead]:
    """What is running, then what waits; oldest first."""
    found = [
        job
        for status in (JobStatus.RUNNING, JobStatus.QUEUED)
        for kind in kinds
        for job in reversed(
            api_client().jobs.list(agent_id=agent_id, kind=kind, status=status, limit=20).items
        )
    ]
    return list({job.id: job for job in found}.values())
