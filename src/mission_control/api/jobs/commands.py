"""Asking for work, and asking it to end: rows that a worker acts on."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import structlog

from mission_control.api.jobs.errors import (
    IdempotencyKeyReusedError,
    JobAlreadyFinishedError,
    JobNotCancellableError,
)
from mission_control.api.jobs.job_run import NEVER_HALF_DONE, Work, directory_of
from mission_control.api.queue import enqueue
from mission_control.core.clock import utc_now
from mission_control.core.errors import ConflictError
from mission_control.core.settings import Settings
from mission_control.core.words import JobKind, JobStatus
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Exclusive:
    """What may run only once at a time.

    Whoever asks while a job holds `key`, or one of `within`, is refused with `refusal` (made from
    the id of that job); without a `refusal` they get that job.
    """

    key: str
    within: tuple[str, ...] = ()
    refusal: Callable[[str], ConflictError] | None = None


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """Long work that somebody asks for. A repeated `idempotency_key` is the same request."""

    kind: JobKind
    agent_id: str | None
    parameters: dict[str, Any]
    idempotency_key: str | None = None
    exclusive: Exclusive | None = None

    @property
    def stored_key(self) -> str | None:
        """Keys are one client's own; two kinds of work may use the same one."""
        if self.idempotency_key is None:
            return None
        text = f"{self.kind}\x00{self.agent_id}\x00{self.idempotency_key}"
        return hashlib.sha256(text.encode()).hexdigest()


async def existing_job(uow: UnitOfWork, request: JobRequest) -> Job | None:
    """The job that answers this request already; None when a new one may be submitted.

    Asked before anything else is checked, under a lock that all who ask the same must take: what a
    first request was accepted for need not be acceptable any more when it is repeated.
    """
    return await _repeated(uow, request) or await _running(uow, request)


async def _repeated(uow: UnitOfWork, request: JobRequest) -> Job | None:
    if request.stored_key is None:
        return None
    job = await uow.jobs.with_idempotency_key(request.stored_key)
    if job is not None and job.parameters != request.parameters:
        raise IdempotencyKeyReusedError(job.id)
    return job


async def _running(uow: UnitOfWork, request: JobRequest) -> Job | None:
    if request.exclusive is None:
        return None
    for key in (request.exclusive.key, *request.exclusive.within):
        job = await uow.jobs.holding(key)
        if job is not None and request.exclusive.refusal is not None:
            raise request.exclusive.refusal(str(job.id))
        if job is not None:
            return job
    return None


async def submit(uow: UnitOfWork, request: JobRequest) -> Job:
    """Write the job; the queue gets its message once the row is stored."""
    job = Job(
        id=uuid4(),
        kind=request.kind,
        agent_id=request.agent_id,
        parameters=request.parameters,
        exclusive_key=request.exclusive.key if request.exclusive is not None else None,
        idempotency_key=request.stored_key,
    )
    uow.jobs.add(job)
    await uow.flush()
    uow.after_commit(lambda: enqueue(job.kind, job.id))
    log.info("job_queued", job_id=str(job.id), kind=job.kind, agent_id=job.agent_id)
    return job


async def cancel(
    uow: UnitOfWork, settings: Settings, job_id: UUID, *, work_of: Callable[[Job], Work]
) -> Job:
    """End a job that waits; ask a running one to end, which its worker sees within half a second.

    Asking twice is harmless.
    """
    job = await uow.jobs.get_locked(job_id)
    if job.status.is_over:
        raise JobAlreadyFinishedError(job.id, job.status)
    has_begun = job.status is JobStatus.RUNNING or job.attempts > 0
    if job.kind in NEVER_HALF_DONE and has_begun:
        raise JobNotCancellableError(job.id)
    job.cancel_requested_at = job.cancel_requested_at or utc_now()
    if job.status is JobStatus.QUEUED:
        await _end_unstarted(uow, settings, job, work_of(job))
    else:
        uow.after_commit(lambda: enqueue(job.kind, job.id))
    return job


async def _end_unstarted(uow: UnitOfWork, settings: Settings, job: Job, work: Work) -> None:
    """Nobody works on it, and perhaps nobody will: there may be no worker."""
    await work.cancelled(uow)
    job.end(JobStatus.CANCELLED)

    async def forget_what_it_kept() -> None:
        shutil.rmtree(directory_of(settings, job.id), ignore_errors=True)

    uow.after_commit(forget_what_it_kept)
