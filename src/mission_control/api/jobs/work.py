"""Does a job's work under a lease: one worker at a time, to the end, whatever dies meanwhile."""

import asyncio
import shutil
from contextlib import suppress
from uuid import UUID

import structlog

from mission_control.api.jobs.errors import JobCancelledError, JobGaveUpError, LeaseLostError
from mission_control.api.jobs.job_run import LEASE, JobRun, Work
from mission_control.api.queue import enqueue
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.errors import MissionControlError
from mission_control.core.lease_owners import is_dead_here, this_process
from mission_control.core.tasks import end
from mission_control.core.words import JobStatus
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import DatabaseUnavailableError
from mission_control.integrations.errors import SuperOptiXError

log = structlog.get_logger(__name__)

RENEW_SECONDS = 5.0
CANCEL_POLL_SECONDS = 0.4
MAX_ATTEMPTS_WITHOUT_PROGRESS = 5


async def run_job(resources: Resources, job_id: UUID, work: Work) -> None:
    """Run a job to its end, if nobody else does."""
    job = await claim(resources, job_id)
    if job is None:
        return
    with structlog.contextvars.bound_contextvars(job_id=str(job.id), agent_id=job.agent_id):
        log.info("job_started", kind=job.kind, attempt=job.attempts)
        run = JobRun(job, owner=job.lease_owner or "", resources=resources)
        try:
            await _run_to_its_end(run, job, work)
        except LeaseLostError:
            log.warning("job_lease_lost")
            return
        except DatabaseUnavailableError:
            # Its lease runs out, and the sweeper gives it to whoever can store what comes of it.
            log.warning("job_put_down")
            return
    shutil.rmtree(run.directory, ignore_errors=True)


async def claim(resources: Resources, job_id: UUID) -> Job | None:
    """Take the lease, or return None when the job is over or in other hands."""
    owner = this_process()
    async with resources.unit_of_work() as uow:
        job = await uow.jobs.get(job_id)
        dead = job.lease_owner if is_dead_here(job.lease_owner) else None
        if not await uow.jobs.claim(job_id, owner=owner, lease=LEASE, dead_owner=dead):
            return None
    async with resources.unit_of_work(readonly=True) as uow:
        return await uow.jobs.get(job_id)


async def _run_to_its_end(run: JobRun, job: Job, work: Work) -> None:
    try:
        if run.may_be_cancelled or job.attempts == 1:
            await run.check_cancel()
        _refuse_hopeless(job)
        await _watched(run, work)
    except (LeaseLostError, DatabaseUnavailableError):
        raise
    except JobCancelledError:
        async with run.step() as uow:
            await work.cancelled(uow)
            await run.end(uow, JobStatus.CANCELLED)
    except SuperOptiXError as error:
        if error.kind == "crashed" and job.attempts < MAX_ATTEMPTS_WITHOUT_PROGRESS:
            await _start_again(run)
            raise LeaseLostError("The engine died; the job starts again.") from error
        await _fail(run, work, error)
    except MissionControlError as error:
        await _fail(run, work, error)
    except Exception:
        log.exception("job_failed_unexpectedly")
        await _fail(
            run,
            work,
            MissionControlError("Something unexpected happened; the worker's log has the details."),
        )
    else:
        async with run.step() as uow:
            await work.completed(uow)
            await run.end(uow, JobStatus.COMPLETED)


def _refuse_hopeless(job: Job) -> None:
    if job.attempts > MAX_ATTEMPTS_WITHOUT_PROGRESS:
        raise JobGaveUpError(
            f"The job was started {job.attempts - 1} times without any progress. What it had "
            "stored is kept; look at the worker's log before you start it again."
        )


async def _watched(run: JobRun, work: Work) -> None:
    """Do the work while the lease is renewed and the wish to cancel is looked for."""
    working = asyncio.ensure_future(work.run(run))
    watching = asyncio.ensure_future(_watch(run))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        else:
            watching.result()
    finally:
        await end(working, watching)


async def _watch(run: JobRun) -> None:
    loop = asyncio.get_running_loop()
    renew_at = loop.time() + RENEW_SECONDS
    while True:
        await asyncio.sleep(CANCEL_POLL_SECONDS)
        with suppress(DatabaseUnavailableError):  # each step makes sure of the lease itself
            if run.may_be_cancelled:
                await run.check_cancel()
            if loop.time() >= renew_at:
                await run.renew()
                renew_at = loop.time() + RENEW_SECONDS


async def _fail(run: JobRun, work: Work, error: MissionControlError) -> None:
    described = error.described()
    log.warning("job_failed", **described)
    async with run.step() as uow:
        await work.failed(uow, described)
        await run.end(uow, JobStatus.FAILED, described)


async def _start_again(run: JobRun) -> None:
    async with run.step() as uow:
        job = await uow.jobs.get(run.id)
        job.status, job.lease_owner, job.lease_expires_at = JobStatus.QUEUED, None, None
        job.queued_at = utc_now()
        uow.after_commit(lambda: enqueue(job.kind, job.id))
