"""Which deployment or rollback of an agent is going on: one at a time."""

from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork


async def running_job(uow: UnitOfWork, agent_id: str) -> Job | None:
    """The deployment or rollback of this agent that is not over yet."""
    return await uow.jobs.holding(exclusive_key(agent_id))


def exclusive_key(agent_id: str) -> str:
    return f"deploy:{agent_id}"
