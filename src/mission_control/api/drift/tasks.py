"""Background work of drift."""

from contextlib import suppress

from mission_control.api.drift.work import check_agent, check_all
from mission_control.api.queue import celery_app, run
from mission_control.api.resources import open_resources
from mission_control.core.errors import MissionControlError


@celery_app.task(name="drift.check")
def check(agent_id: str | None = None) -> None:
    """Of one agent, or of all."""
    run(_check(agent_id))


async def _check(agent_id: str | None) -> None:
    resources = await open_resources()
    if agent_id is None:
        await check_all(resources)
        return
    with suppress(MissionControlError):  # it is stored, and there is nobody here to tell
        await check_agent(resources, agent_id)
