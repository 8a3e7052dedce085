"""Optimizations and the trials they are made of."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.errors import NotFoundError
from mission_control.core.words import JobStatus, Verdict
from mission_control.data.base import Record
from mission_control.data.pages import Cursor, Page, page_of


class Optimization(Record):
    """A search from a version, ending in a candidate version and a verdict."""

    __tablename__ = "optimizations"
    __table_args__ = (
        Index("ix_optimizations_created_at_id", "created_at", "id"),
        Index("ix_optimizations_agent_id_created_at_id", "agent_id", "created_at", "id"),
        Index("ix_optimizations_base_version_id", "base_version_id"),
        Index("ix_optimizations_candidate_version_id", "candidate_version_id"),
    )

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    base_version_id: Mapped[UUID] = mapped_column(
        ForeignKey("agent_versions.id", ondelete="CASCADE")
    )
    candidate_version_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("agent_versions.id", ondelete="SET NULL"), default=None
    )
    optimizer: Mapped[str] = mapped_column(String(40))
    budget: Mapped[dict[str, Any]]
    model: Mapped[str] = mapped_column(String(120))
    reflection_model: Mapped[str] = mapped_column(String(120))
    seed: Mapped[int] = mapped_column(default=0)
    repetitions: Mapped[int] = mapped_column(default=3)
    status: Mapped[JobStatus] = mapped_column(default=JobStatus.QUEUED)
    phase: Mapped[str] = mapped_column(String(32), default="queued")
    # Where the agent stood before; it goes back there when nothing came of the search.
    previous_status: Mapped[str] = mapped_column(String(32))
    # What was wrong with the scenarios before it began: leaks into the test split, and copies.
    warnings: Mapped[list[str]] = mapped_column(default=list)
    stop_reason: Mapped[str | None] = mapped_column(String(32), default=None)
    baseline_validation_score: Mapped[float | None] = mapped_column(default=None)
    best_validation_score: Mapped[float | None] = mapped_column(default=None)
    metric_calls: Mapped[int] = mapped_column(default=0)
    metric_calls_budget: Mapped[int | None] = mapped_column(default=None)
    input_tokens: Mapped[int | None] = mapped_column(default=0)  # None: the server did not say
    output_tokens: Mapped[int | None] = mapped_column(default=0)
    cost_usd: Mapped[Decimal | None] = mapped_column(default=None)
    comparison: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    verdict: Mapped[Verdict | None] = mapped_column(default=None)
    # Difference in pass rate on the test split, in points; None until measured.
    improvement_pct: Mapped[float | None] = mapped_column(default=None)
    error: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)


class Trial(Record):
    """One candidate of a search; number 0 is the prompt it started from."""

    __tablename__ = "trials"
    __table_args__ = (UniqueConstraint("optimization_id", "number"),)

    optimization_id: Mapped[UUID] = mapped_column(
        ForeignKey("optimizations.id", ondelete="CASCADE")
    )
    number: Mapped[int]
    parent: Mapped[int | None] = mapped_column(default=None)
    accepted: Mapped[bool]
    validation_score: Mapped[float | None] = mapped_column(default=None)
    sample_score: Mapped[float | None] = mapped_column(default=None)
    prompt: Mapped[str] = mapped_column(Text)
    demonstrations: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    metric_calls: Mapped[int] = mapped_column(default=0)
    cost_usd: Mapped[Decimal | None] = mapped_column(default=None)
    # Since the trial before; None: stored before they were counted.
    truncated: Mapped[int | None] = mapped_column(default=None)
    unmeasured: Mapped[int | None] = mapped_column(default=None)


class OptimizationRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, optimization: Optimization) -> None:
        self._session.add(optimization)

    def add_trial(self, trial: Trial) -> None:
        self._session.add(trial)

    async def get(self, optimization_id: UUID) -> Optimization:
        found = await self._session.get(Optimization, optimization_id)
        if found is None:
            raise NotFoundError(
                "There is no such optimization.", optimization_id=str(optimization_id)
            )
        return found

    async def of_job(self, job_id: UUID) -> Optimization | None:
        return await self._session.scalar(select(Optimization).where(Optimization.job_id == job_id))

    async def latest(self, agent_id: str) -> Optimization | None:
        return await self._session.scalar(
            select(Optimization)
            .where(Optimization.agent_id == agent_id)
            .order_by(Optimization.created_at.desc(), Optimization.id.desc())
            .limit(1)
        )

    async def latest_with_candidate(self, agent_id: str) -> Optimization | None:
        return await self._session.scalar(
            select(Optimization)
            .where(
                Optimization.agent_id == agent_id, Optimization.candidate_version_id.is_not(None)
            )
            .order_by(Optimization.created_at.desc(), Optimization.id.desc())
            .limit(1)
        )

    async def latest_of_candidate(self, version_id: UUID) -> Optimization | None:
        """The optimization that this version came from."""
        return await self._session.scalar(
            select(Optimization)
            .where(Optimization.candidate_version_id == version_id)
            .order_by(Optimization.created_at.desc())
            .limit(1)
        )

    async def page(self, agent_id: str, *, limit: int, cursor: Cursor | None) -> Page[Optimization]:
        statement = select(Optimization).where(Optimization.agent_id == agent_id)
        return await page_of(self._session, statement, Optimization, limit=limit, cursor=cursor)

    async def trials(self, optimization_id: UUID) -> Sequence[Trial]:
        statement = (
            select(Trial).where(Trial.optimization_id == optimization_id).order_by(Trial.number)
        )
        return (await self._session.scalars(statement)).all()

    async def trial(self, optimization_id: UUID, number: int) -> Trial | None:
        return await self._session.scalar(
            select(Trial).where(Trial.optimization_id == optimization_id, Trial.number == number)
        )
