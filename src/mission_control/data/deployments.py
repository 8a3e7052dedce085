"""Deployments: a version put on a target, with what was there before."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    func,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from mission_control.core.errors import NotFoundError
from mission_control.core.words import DeploymentStatus, DeploymentTarget
from mission_control.data.agents import AgentVersion
from mission_control.data.base import Record
from mission_control.data.pages import Cursor, Page, page_of


class Deployment(Record):
    __tablename__ = "deployments"
    __table_args__ = (
        Index("ix_deployments_created_at_id", "created_at", "id"),
        Index("ix_deployments_agent_id_created_at_id", "agent_id", "created_at", "id"),
        Index("ix_deployments_version_id", "version_id"),
        Index("ix_deployments_previous_version_id", "previous_version_id"),
        Index("ix_deployments_rollback_job_id", "rollback_job_id"),
    )

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    version_id: Mapped[UUID] = mapped_column(ForeignKey("agent_versions.id", ondelete="CASCADE"))
    previous_version_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("agent_versions.id", ondelete="SET NULL"), default=None
    )
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    # The job that takes it back, once somebody asked for that.
    rollback_job_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("jobs.id", ondelete="SET NULL"), default=None
    )
    target: Mapped[DeploymentTarget]
    target_id: Mapped[str | None] = mapped_column(String(64), default=None)
    status: Mapped[DeploymentStatus] = mapped_column(default=DeploymentStatus.PENDING)
    # The target as it was, encrypted: an assistant's tools carry secrets.
    snapshot: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    # What of the memory was put into the prompt, to the letter; null: none was asked for.
    memories: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    changed: Mapped[list[str]] = mapped_column(default=list)
    warnings: Mapped[list[str]] = mapped_column(default=list)
    requested_by: Mapped[str | None] = mapped_column(String(120), default=None)
    # Theirs at Vapi became the version that this deployment puts in force.
    taken_over: Mapped[bool] = mapped_column(default=False)
    # The texts at the target when this was asked for: these may be replaced, and no others.
    seen: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    # What of somebody else's was overwritten on request: `{field, known, live}`; null: nothing.
    overwritten: Mapped[list[dict[str, Any]] | None] = mapped_column(default=None)
    # What was known of the assistant before, encrypted: a rollback brings that back too.
    known_before: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    rolled_back_at: Mapped[datetime | None] = mapped_column(default=None)
    rolled_back_by: Mapped[str | None] = mapped_column(String(120), default=None)
    rollback_seen: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    rollback_overwritten: Mapped[list[dict[str, Any]] | None] = mapped_column(default=None)
    error: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)


class Mark(NamedTuple):
    """When a deployment was verified or rolled back, on whose word."""

    version: int
    at: datetime | None
    by: str | None
    taken_over: bool


class DeploymentRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, deployment: Deployment) -> None:
        self._session.add(deployment)

    async def of_job(self, job_id: UUID) -> Deployment | None:
        return await self._session.scalar(select(Deployment).where(Deployment.job_id == job_id))

    async def undone_by(self, job_id: UUID) -> Deployment | None:
        return await self._session.scalar(
            select(Deployment).where(Deployment.rollback_job_id == job_id)
        )

    async def get(self, deployment_id: UUID) -> Deployment:
        found = await self._session.get(Deployment, deployment_id)
        if found is None:
            raise NotFoundError("There is no such deployment.", deployment_id=str(deployment_id))
        return found

    async def standing(self, agent_id: str, *, below: UUID | None = None) -> Deployment | None:
        """The deployment in force: verified, and not rolled back since. `below`: but for this one."""
        verified = select(Deployment).where(
            Deployment.agent_id == agent_id, Deployment.status == DeploymentStatus.VERIFIED
        )
        if below is not None:
            verified = verified.where(Deployment.id != below)
        return await self._session.scalar(
            verified.order_by(Deployment.created_at.desc(), Deployment.id.desc()).limit(1)
        )

    async def latest_begun(self, agent_id: str, *, besides: UUID | None) -> Deployment | None:
        """The newest (other) one that came as far as to note what was there before it."""
        begun = select(Deployment).where(
            Deployment.agent_id == agent_id, Deployment.snapshot.is_not(None)
        )
        if besides is not None:
            begun = begun.where(Deployment.id != besides)
        return await self._session.scalar(
            begun.order_by(Deployment.created_at.desc(), Deployment.id.desc()).limit(1)
        )

    async def latest_rolled_back(self, agent_id: str) -> Deployment | None:
        """The one that was taken back last, if any."""
        return await self._session.scalar(
            select(Deployment)
            .where(
                Deployment.agent_id == agent_id, Deployment.status == DeploymentStatus.ROLLED_BACK
            )
            .order_by(Deployment.rolled_back_at.desc().nulls_last(), Deployment.id.desc())
            .limit(1)
        )

    async def standing_of(self, agent_ids: Sequence[str]) -> dict[str, Mark]:
        """By agent, what is in force: as `standing`, of many at once."""
        newest = (Deployment.created_at.desc(), Deployment.id.desc())
        return await self._marks(
            agent_ids, DeploymentStatus.VERIFIED, newest,
            at=Deployment.finished_at, by=Deployment.requested_by,
        )  # fmt: skip

    async def rolled_back_of(self, agent_ids: Sequence[str]) -> dict[str, Mark]:
        """By agent, what was taken back last: as `latest_rolled_back`, of many at once."""
        newest = (Deployment.rolled_back_at.desc().nulls_last(), Deployment.id.desc())
        return await self._marks(
            agent_ids, DeploymentStatus.ROLLED_BACK, newest,
            at=Deployment.rolled_back_at, by=Deployment.rolled_back_by,
        )  # fmt: skip

    async def _marks(
        self,
        agent_ids: Sequence[str],
        status: DeploymentStatus,
        newest: Sequence[ColumnElement[Any]],
        *,
        at: InstrumentedAttribute[datetime | None],
        by: InstrumentedAttribute[str | None],
    ) -> dict[str, Mark]:
        place = func.row_number().over(partition_by=Deployment.agent_id, order_by=newest)
        ranked = (
            select(Deployment.id, place.label("place"))
            .where(Deployment.agent_id.in_(agent_ids), Deployment.status == status)
            .subquery()
        )
        rows = await self._session.execute(
            select(Deployment.agent_id, AgentVersion.number, at, by, Deployment.taken_over)
            .join(AgentVersion, AgentVersion.id == Deployment.version_id)
            .where(Deployment.id.in_(select(ranked.c.id).where(ranked.c.place == 1)))
        )
        return {row[0]: Mark(row[1], row[2], row[3], row[4]) for row in rows}

    async def page(
        self, *, agent_id: str | None, limit: int, cursor: Cursor | None
    ) -> Page[Deployment]:
        statement = select(Deployment)
        if agent_id is not None:
            statement = statement.where(Deployment.agent_id == agent_id)
        return await page_of(self._session, statement, Deployment, limit=limit, cursor=cursor)
