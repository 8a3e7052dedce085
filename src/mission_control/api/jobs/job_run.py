"""A job in the hands of a worker: its steps, its progress and its lease."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from mission_control.api.jobs.errors import JobCancelledError, LeaseLostError
from mission_control.api.resources import Resources
from mission_control.core.settings import Settings
from mission_control.core.words import JobKind, JobStatus
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork

LEASE = timedelta(seconds=30)
# Once begun, these change something outside: they end where it is known what is there.
NEVER_HALF_DONE = (JobKind.DEPLOY, JobKind.ROLLBACK)


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
        path = directory_of(self.resources.settings, self.id)
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

    async def end(
        self, uow: UnitOfWork, status: JobStatus, error: dict[str, Any] | None = None
    ) -> None:
        (await uow.jobs.get(self.id)).end(status, error)

    async def renew(self) -> None:
        async with self.resources.unit_of_work() as uow:
            if not await uow.jobs.renew(self.id, owner=self.owner, lease=LEASE):
                raise LeaseLostError("Another worker has taken this job over.")

    async def check_cancel(self) -> None:
        async with self.resources.unit_of_work(readonly=True) as uow:
            if await uow.jobs.is_cancel_requested(self.id):
                raise JobCancelledError("The job was cancelled.")


def directory_of(settings: Settings, job_id: UUID) -> Path:
    """Where an open job keeps what it need not pay for twice. Removed when the job is over."""
    return settings.data_dir / "runs" / str(job_id)
