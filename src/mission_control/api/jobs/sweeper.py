"""Picks up what was dropped: jobs whose worker has died, or whose message was lost."""

from datetime import timedelta

import structlog

from mission_control.api.queue import enqueue, queued_messages
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.lease_owners import is_dead_here

log = structlog.get_logger(__name__)

NEVER_STARTED_AFTER = timedelta(seconds=10)


async def sweep(resources: Resources) -> int:
    """Put back into the queue what nobody works on. Returns how many."""
    async with resources.unit_of_work() as uow:
        dropped = list(await uow.jobs.abandoned(queued_before=utc_now() - NEVER_STARTED_AFTER))
        dropped += [job for job in await uow.jobs.leased() if is_dead_here(job.lease_owner)]
        for job in dropped:
            job.queued_at = utc_now()  # so that the next sweep leaves it time to start
    waiting = await queued_messages(resources.redis)
    for job in {job.id: job for job in dropped}.values():
        if str(job.id) not in waiting:  # while all workers are busy, one message is enough
            log.info("job_swept", job_id=str(job.id), kind=job.kind)
            await enqueue(job.kind, job.id)
    return len(dropped)
