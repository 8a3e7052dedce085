"""Jobs: asked for once, run by one worker at a time, picked up again when that one dies."""

import asyncio
import hashlib
import os
import shutil
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import structlog

from mission_control.api.jobs.errors import (
    IdempotencyKeyReusedError,
    JobAlreadyFinishedError,
    JobCancelledError,
    JobGaveUpError,
    JobNotCancellableError,
    LeaseLostError,
)
from mission_control.api.queue import enqueue, hints
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.errors import MissionControlError
from mission_control.core.tasks import end
from mission_control.core.words import JobKind, JobStatus
from mission_control.data.jobs import OPEN, Job
from mission_control.data.pages import Cursor, Page
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork
from mission_control.integrations.errors import SuperOptiXError

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
RENEW_SECONDS = 5.0
CANCEL_POLL_SECONDS = 0.4
NEVER_STARTED_AFTER = timedelta(seconds=10)
# Once begun, these change something outside: they end where it is known what is there.
NEVER_HALF_DONE = (JobKind.DEPLOY, JobKind.ROLLBACK)
MAX_ATTEMPTS_WITHOUT_PROGRESS = 5


# -------------------------------------------------------------------- asking for work


def request_key(idempotency_key: str, kind: JobKind, agent_id: str | None) -> str:
    """Keys are one client's own; two kinds of work may use the same one."""
    return hashlib.sha256(f"{kind}\x00{agent_id}\x00{idempotency_key}".encode()).hexdigest()


async def repeated(
    uow: UnitOfWork,
    *,
    idempotency_key: str | None,
    kind: JobKind,
    agent_id: str | None,
    parameters: dict[str, Any],
) -> Job | None:
    """The job that an earlier request with this key has started."""
    if idempotency_key is None:
        return None
    job = await uow.jobs.with_idempotency_key(request_key(idempotency_key, kind, agent_id))
    if job is not None and job.parameters != parameters:
        raise IdempotencyKeyReusedError(job.id)
    return job


async def submit(
    uow: UnitOfWork,
    *,
    kind: JobKind,
    agent_id: str | None,
    parameters: dict[str, Any],
    idempotency_key: str | None = None,
    exclusive_key: str | None = None,
) -> Job:
    """Write the promise; the queue hears of it once it is stored."""
    job = Job(
        id=uuid4(),
        kind=kind,
        agent_id=agent_id,
        parameters=parameters,
        exclusive_key=exclusive_key,
        idempotency_key=(
            request_key(idempotency_key, kind, agent_id) if idempotency_key is not None else None
        ),
    )
    uow.jobs.add(job)
    await uow.flush()
    uow.after_commit(lambda: enqueue(job.kind, job.id))
    log.info("job_queued", job_id=str(job.id), kind=kind, agent_id=agent_id)
    return job


async def list_jobs(
    uow: UnitOfWork,
    *,
    limit: int,
    cursor: str | None,
    agent_id: str | None,
    kind: JobKind | None,
    status: JobStatus | None,
) -> Page[Job]:
    return await uow.jobs.page(
        limit=limit,
        cursor=Cursor.decode(cursor) if cursor else None,
        agent_id=agent_id,
        kind=kind,
        status=status,
    )


async def request_cancel(uow: UnitOfWork, job_id: UUID) -> Job:
    """Ask a job to end. Its worker sees it within half a second; asking twice is harmless."""
    job = await uow.jobs.get(job_id)
    if job.status not in OPEN:
        raise JobAlreadyFinishedError(job.id, job.status)
    if job.kind in NEVER_HALF_DONE and job.status is JobStatus.RUNNING:
        raise JobNotCancellableError(job.id)
    job.cancel_requested_at = job.cancel_requested_at or utc_now()
    # A queued job is ended by the worker too: one place decides how each kind ends.
    uow.after_commit(lambda: enqueue(job.kind, job.id))
    return job


# -------------------------------------------------------------------- doing the work


class Work(Protocol):
    """One kind of long work. Each method after `run` is called at most once, as the last."""

    async def run(self, job: "JobRun") -> None:
        """Do it, in steps. Called again, on the same rows, when a worker has died."""
        ...

    async def completed(self, uow: UnitOfWork) -> None: ...

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None: ...

    async def cancelled(self, uow: UnitOfWork) -> None: ...


class JobRun:
    """A job that this process holds the lease of."""

    def __init__(self, job: Job, *, owner: str, resources: Resources) -> None:
        self.id = job.id
        self.agent_id = job.agent_id
        self.parameters = job.parameters
        self.resources = resources
        self.owner = owner
        self.may_be_cancelled = job.kind not in NEVER_HALF_DONE

    @property
    def directory(self) -> Path:
        """Where finished model calls are kept, so that a resumed job does not pay them again."""
        path = self.resources.settings.data_dir / "runs" / str(self.id)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    @asynccontextmanager
    async def step(self) -> AsyncGenerator[UnitOfWork]:
        """One transaction, stored only while the lease is still ours."""
        async with self.resources.unit_of_work() as uow:
            if await uow.jobs.held_by(self.id, self.owner) is None:
                raise LeaseLostError("Another worker has taken this job over.")
            yield uow

    async def note_progress(self, uow: UnitOfWork, *, got_on: bool, **progress: Any) -> None:
        """Say how far the job is. A job that gets on may be started again as often as it takes.

        `got_on`: further than any attempt before. What a resumed job merely repeats is no progress,
        or one that dies at the same place every time would never be given up.
        """
        job = await uow.jobs.get(self.id)
        job.progress = {**job.progress, **progress}
        if got_on:
            job.attempts = 1

    async def renew(self) -> None:
        async with self.resources.unit_of_work() as uow:
            if not await uow.jobs.renew(self.id, owner=self.owner, lease=LEASE):
                raise LeaseLostError("Another worker has taken this job over.")

    async def check_cancel(self) -> None:
        async with self.resources.unit_of_work(readonly=True) as uow:
            if await uow.jobs.is_cancel_requested(self.id):
                raise JobCancelledError("The job was cancelled.")


async def run_job(resources: Resources, job_id: UUID, work: Work) -> None:
    """Run a job to its end, if nobody else does."""
    job = await claim(resources, job_id)
    if job is None:
        return
    with structlog.contextvars.bound_contextvars(job_id=str(job.id), agent_id=job.agent_id):
        log.info("job_started", kind=job.kind, attempt=job.attempts)
        held = JobRun(job, owner=job.lease_owner or "", resources=resources)
        try:
            await _run_to_its_end(held, job, work)
        except LeaseLostError:
            log.warning("job_lease_lost")
            return
        except DatabaseUnavailableError:
            # Its lease runs out, and the sweeper gives it to whoever can store what comes of it.
            log.warning("job_put_down")
            return
    shutil.rmtree(held.directory, ignore_errors=True)


async def claim(resources: Resources, job_id: UUID) -> Job | None:
    """Take the lease, or return None when the job is over or in other hands."""
    owner = f"{this_host()}:{os.getpid()}:{uuid4().hex[:8]}"
    async with resources.unit_of_work() as uow:
        job = await uow.jobs.get(job_id)
        dead = job.lease_owner if is_dead_here(job.lease_owner) else None
        if not await uow.jobs.claim(job_id, owner=owner, lease=LEASE, dead_owner=dead):
            return None
    async with resources.unit_of_work(readonly=True) as uow:
        return await uow.jobs.get(job_id)


async def _run_to_its_end(held: JobRun, job: Job, work: Work) -> None:
    try:
        if held.may_be_cancelled or job.attempts == 1:
            await held.check_cancel()
        _refuse_hopeless(job)
        await _watched(held, work)
    except (LeaseLostError, DatabaseUnavailableError):
        raise
    except JobCancelledError:
        async with held.step() as uow:
            await work.cancelled(uow)
            await _close(uow, held, JobStatus.CANCELLED, None)
    except SuperOptiXError as error:
        if error.kind == "crashed" and job.attempts < MAX_ATTEMPTS_WITHOUT_PROGRESS:
            await _start_again(held)
            raise LeaseLostError("The engine died; the job starts again.") from error
        await _fail(held, work, error)
    except MissionControlError as error:
        await _fail(held, work, error)
    except Exception:
        log.exception("job_failed_unexpectedly")
        await _fail(
            held,
            work,
            MissionControlError("Something unexpected happened; the worker's log has the details."),
        )
    else:
        async with held.step() as uow:
            await work.completed(uow)
            await _close(uow, held, JobStatus.COMPLETED, None)


def _refuse_hopeless(job: Job) -> None:
    if job.attempts > MAX_ATTEMPTS_WITHOUT_PROGRESS:
        raise JobGaveUpError(
            f"The job was started {job.attempts - 1} times without any progress. What it had "
            "stored is kept; look at the worker's log before you start it again."
        )


async def _watched(held: JobRun, work: Work) -> None:
    """Do the work while the lease is renewed and the wish to cancel is looked for."""
    working = asyncio.ensure_future(work.run(held))
    watching = asyncio.ensure_future(_watch(held))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        else:
            watching.result()
    finally:
        await end(working, watching)


async def _watch(held: JobRun) -> None:
    loop = asyncio.get_running_loop()
    renew_at = loop.time() + RENEW_SECONDS
    while True:
        await asyncio.sleep(CANCEL_POLL_SECONDS)
        with suppress(DatabaseUnavailableError):  # each step makes sure of the lease itself
            if held.may_be_cancelled:
                await held.check_cancel()
            if loop.time() >= renew_at:
                await held.renew()
                renew_at = loop.time() + RENEW_SECONDS


async def _fail(held: JobRun, work: Work, error: MissionControlError) -> None:
    described = describe(error)
    log.warning("job_failed", **described)
    async with held.step() as uow:
        await work.failed(uow, described)
        await _close(uow, held, JobStatus.FAILED, described)


async def _start_again(held: JobRun) -> None:
    async with held.step() as uow:
        job = await uow.jobs.get(held.id)
        job.status, job.lease_owner, job.lease_expires_at = JobStatus.QUEUED, None, None
        job.queued_at = utc_now()
        uow.after_commit(lambda: enqueue(job.kind, job.id))


async def _close(
    uow: UnitOfWork, held: JobRun, status: JobStatus, error: dict[str, Any] | None
) -> None:
    job = await uow.jobs.get(held.id)
    job.status, job.error, job.finished_at = status, error, utc_now()
    job.lease_owner, job.lease_expires_at, job.exclusive_key = None, None, None


def describe(error: MissionControlError) -> dict[str, Any]:
    """An error as rows, events and answers carry it."""
    return error.described()


# -------------------------------------------------------------------- picking up what was dropped


async def sweep(resources: Resources) -> int:
    """Put back into the queue what nobody works on. Returns how many."""
    async with resources.unit_of_work() as uow:
        dropped = list(await uow.jobs.abandoned(queued_before=utc_now() - NEVER_STARTED_AFTER))
        dropped += [job for job in await uow.jobs.leased() if is_dead_here(job.lease_owner)]
        for job in dropped:
            job.queued_at = utc_now()  # so that the next sweep leaves it time to start
    waiting = await hints(resources.redis)
    for job in {job.id: job for job in dropped}.values():
        if str(job.id) not in waiting:  # while all workers are busy, one hint is enough
            log.info("job_swept", job_id=str(job.id), kind=job.kind)
            await enqueue(job.kind, job.id)
    return len(dropped)


def this_host() -> str:
    """This machine and process namespace: where a process number means something."""
    namespace = "-"
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]")
    return f"{socket.gethostname()}/{namespace}"


def is_dead_here(owner: str | None) -> bool:
    """True when the holder of a lease was a process of this machine that is gone."""
    if owner is None:
        return False
    host, _, rest = owner.partition(":")
    if host != this_host():
        return False
    try:
        os.kill(int(rest.split(":")[0]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
