"""Jobs: the record of any long work. The row is the promise; a queue message can get lost."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.errors import NotFoundError
from mission_control.core.words import OPEN_STATUSES, JobKind, JobStatus
from mission_control.data.base import Record
from mission_control.data.pages import Cursor, Page, page_of


class Job(Record):
    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_created_at_id", "created_at", "id"),
        Index("ix_jobs_agent_id_created_at", "agent_id", "created_at"),
        Index("ix_jobs_status_lease_expires_at", "status", "lease_expires_at"),
    )

    kind: Mapped[JobKind]
    agent_id: Mapped[str | None] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), default=None
    )
    status: Mapped[JobStatus] = mapped_column(default=JobStatus.QUEUED)
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    progress: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    idempotency_key: Mapped[str | None] = mapped_column(String(200), unique=True, default=None)
    # Held while the job is open: what may run only once at a time (`optimize:remus`).
    exclusive_key: Mapped[str | None] = mapped_column(String(120), unique=True, default=None)
    lease_owner: Mapped[str | None] = mapped_column(String(120), default=None)
    lease_expires_at: Mapped[datetime | None] = mapped_column(default=None)
    attempts: Mapped[int] = mapped_column(default=0)  # since the last progress
    cancel_requested_at: Mapped[datetime | None] = mapped_column(default=None)
    queued_at: Mapped[datetime] = mapped_column(default=utc_now)
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)

    def end(self, status: JobStatus, error: dict[str, Any] | None = None) -> None:
        """It is over: nobody holds it, and what it kept others from may be done again."""
        self.status, self.error, self.finished_at = status, error, utc_now()
        self.lease_owner, self.lease_expires_at, self.exclusive_key = None, None, None


class JobRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, job: Job) -> None:
        self._session.add(job)

    async def get(self, job_id: UUID) -> Job:
        job = await self._session.get(Job, job_id)
        if job is None:
            raise NotFoundError("There is no job with this id.", job_id=str(job_id))
        return job

    async def get_locked(self, job_id: UUID) -> Job:
        """The job, which nobody else can take or end until this transaction does."""
        job = await self._session.get(Job, job_id, with_for_update=True)
        return job or await self.get(job_id)

    async def with_idempotency_key(self, key: str) -> Job | None:
        return await self._session.scalar(select(Job).where(Job.idempotency_key == key))

    async def holding(self, exclusive_key: str) -> Job | None:
        return await self._session.scalar(select(Job).where(Job.exclusive_key == exclusive_key))

    async def open_for(self, agent_id: str) -> Sequence[Job]:
        statement = select(Job).where(Job.agent_id == agent_id, Job.status.in_(OPEN_STATUSES))
        return (await self._session.scalars(statement)).all()

    async def open(self) -> Sequence[Job]:
        """Every job that waits or runs, in the order in which they were asked for."""
        statement = select(Job).where(Job.status.in_(OPEN_STATUSES))
        return (await self._session.scalars(statement.order_by(Job.created_at, Job.id))).all()

    async def page(
        self,
        *,
        limit: int,
        cursor: Cursor | None,
        agent_id: str | None,
        kind: JobKind | None,
        status: JobStatus | None,
    ) -> Page[Job]:
        statement = select(Job)
        if agent_id is not None:
            statement = statement.where(Job.agent_id == agent_id)
        if kind is not None:
            statement = statement.where(Job.kind == kind)
        if status is not None:
            statement = statement.where(Job.status == status)
        return await page_of(self._session, statement, Job, limit=limit, cursor=cursor)

    async def latest(self, agent_id: str, kinds: Sequence[JobKind]) -> Job | None:
        return await self._session.scalar(
            select(Job)
            .where(Job.agent_id == agent_id, Job.kind.in_(kinds))
            .order_by(Job.created_at.desc(), Job.id.desc())
            .limit(1)
        )

    async def latest_of_kind(self, kind: JobKind) -> Job | None:
        return await self._session.scalar(
            select(Job)
            .where(Job.kind == kind)
            .order_by(Job.created_at.desc(), Job.id.desc())
            .limit(1)
        )

    async def claim(
        self, job_id: UUID, *, owner: str, lease: timedelta, dead_owner: str | None = None
    ) -> bool:
        """Take the job if it is free, atomically. `dead_owner`: a holder known to be gone."""
        now = utc_now()
        free = or_(
            Job.status == JobStatus.QUEUED,
            and_(
                Job.status == JobStatus.RUNNING,
                or_(
                    Job.lease_expires_at < now,
                    Job.lease_owner.is_(None),
                    Job.lease_owner == (dead_owner or ""),
                ),
            ),
        )
        taken = await self._session.execute(
            update(Job)
            .where(Job.id == job_id, free)
            .values(
                status=JobStatus.RUNNING,
                lease_owner=owner,
                lease_expires_at=now + lease,
                attempts=Job.attempts + 1,
                started_at=now,
            )
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        return taken.first() is not None

    async def renew(self, job_id: UUID, *, owner: str, lease: timedelta) -> bool:
        """Keep the lease. False: it is no longer ours."""
        kept = await self._session.execute(
            update(Job)
            .where(Job.id == job_id, Job.lease_owner == owner, Job.status == JobStatus.RUNNING)
            .values(lease_expires_at=utc_now() + lease)
            .returning(Job.id)
            .execution_options(synchronize_session=False)
        )
        return kept.first() is not None

    async def is_cancel_requested(self, job_id: UUID) -> bool:
        asked = await self._session.scalar(select(Job.cancel_requested_at).where(Job.id == job_id))
        return asked is not None

    async def held_by(self, job_id: UUID, owner: str) -> Job | None:
        """The running job if `owner` holds its lease, locked until this transaction ends."""
        return await self._session.scalar(
            select(Job)
            .where(Job.id == job_id, Job.lease_owner == owner, Job.status == JobStatus.RUNNING)
            .with_for_update()
        )

    async def abandoned(self, *, queued_before: datetime) -> Sequence[Job]:
        """Jobs that nobody works on: lease run out, or queued and never started."""
        statement = (
            select(Job)
            .where(
                or_(
                    and_(Job.status == JobStatus.RUNNING, Job.lease_expires_at < utc_now()),
                    and_(Job.status == JobStatus.QUEUED, Job.queued_at < queued_before),
                )
            )
            .order_by(Job.created_at)
            .limit(200)
        )
        return (await self._session.scalars(statement)).all()

    async def leased(self) -> Sequence[Job]:
        statement = select(Job).where(Job.status == JobStatus.RUNNING)
        return (await self._session.scalars(statement)).all()
