"""Evaluations and the result of every scenario in them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from mission_control.core.errors import NotFoundError
from mission_control.core.words import EvaluationPurpose, JobStatus, ScenarioStatus
from mission_control.data.agents import Agent, AgentVersion
from mission_control.data.base import Record
from mission_control.data.pages import Cursor, Page, page_of


class Evaluation(Record):
    """A version × a set of scenarios × n repetitions. Rates are None until measured."""

    __tablename__ = "evaluations"
    __table_args__ = (
        Index("ix_evaluations_created_at_id", "created_at", "id"),
        Index("ix_evaluations_agent_id_created_at_id", "agent_id", "created_at", "id"),
        Index("ix_evaluations_version_id", "version_id"),
        Index("ix_evaluations_job_id", "job_id"),
    )

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    version_id: Mapped[UUID] = mapped_column(ForeignKey("agent_versions.id", ondelete="CASCADE"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    purpose: Mapped[EvaluationPurpose]
    status: Mapped[JobStatus] = mapped_column(default=JobStatus.QUEUED)
    model: Mapped[str] = mapped_column(String(120))
    scenario_ids: Mapped[list[str]]
    repetitions: Mapped[int]
    passed: Mapped[int] = mapped_column(default=0)
    failed: Mapped[int] = mapped_column(default=0)
    errors: Mapped[int] = mapped_column(default=0)
    pass_rate: Mapped[float | None] = mapped_column(default=None)  # over what was scored, 0..1
    # The same over the scenarios of the test split alone, which no search has seen.
    test_pass_rate: Mapped[float | None] = mapped_column(default=None)
    test_scenarios: Mapped[int | None] = mapped_column(default=None)
    mean_score: Mapped[float | None] = mapped_column(default=None)
    superoptix_score: Mapped[float | None] = mapped_column(default=None)
    latency_p50_ms: Mapped[float | None] = mapped_column(default=None)
    latency_p95_ms: Mapped[float | None] = mapped_column(default=None)
    input_tokens: Mapped[int | None] = mapped_column(default=0)  # None: the server did not say
    output_tokens: Mapped[int | None] = mapped_column(default=0)
    cost_usd: Mapped[Decimal | None] = mapped_column(default=None)  # None: unpriced or not finished
    error: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    started_at: Mapped[datetime | None] = mapped_column(default=None)
    finished_at: Mapped[datetime | None] = mapped_column(default=None)


class ScenarioResult(Record):
    """One scenario, once. An error has no score."""

    __tablename__ = "scenario_results"
    __table_args__ = (UniqueConstraint("evaluation_id", "scenario_id", "repetition"),)

    evaluation_id: Mapped[UUID] = mapped_column(ForeignKey("evaluations.id", ondelete="CASCADE"))
    scenario_id: Mapped[str] = mapped_column(String(120))
    repetition: Mapped[int]
    status: Mapped[ScenarioStatus]
    score: Mapped[float | None] = mapped_column(default=None)
    superoptix_score: Mapped[float | None] = mapped_column(default=None)
    checks: Mapped[list[dict[str, Any]]]
    output: Mapped[dict[str, Any]]
    latency_ms: Mapped[float]
    input_tokens: Mapped[int | None] = mapped_column(default=0)  # None: the server did not say
    output_tokens: Mapped[int | None] = mapped_column(default=0)
    cost_usd: Mapped[Decimal | None] = mapped_column(default=None)
    error_kind: Mapped[str | None] = mapped_column(String(32), default=None)
    error_detail: Mapped[str | None] = mapped_column(Text, default=None)
    truncated: Mapped[bool] = mapped_column(default=False)  # the token limit cut the reply
    thinking: Mapped[str | None] = mapped_column(Text, default=None)


class EvaluationRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, evaluation: Evaluation) -> None:
        self._session.add(evaluation)

    def add_result(self, result: ScenarioResult) -> None:
        self._session.add(result)

    async def get(self, evaluation_id: UUID) -> Evaluation:
        found = await self._session.get(Evaluation, evaluation_id)
        if found is None:
            raise NotFoundError("There is no such evaluation.", evaluation_id=str(evaluation_id))
        return found

    async def of_job(self, job_id: UUID) -> Sequence[Evaluation]:
        statement = select(Evaluation).where(Evaluation.job_id == job_id)
        return (await self._session.scalars(statement)).all()

    async def page(
        self,
        agent_id: str,
        *,
        limit: int,
        cursor: Cursor | None,
        purpose: EvaluationPurpose | None = None,
        status: JobStatus | None = None,
    ) -> Page[Evaluation]:
        statement = select(Evaluation).where(Evaluation.agent_id == agent_id)
        if purpose is not None:
            statement = statement.where(Evaluation.purpose == purpose)
        if status is not None:
            statement = statement.where(Evaluation.status == status)
        return await page_of(self._session, statement, Evaluation, limit=limit, cursor=cursor)

    async def newest(
        self,
        agent_id: str,
        *,
        purposes: Sequence[EvaluationPurpose],
        status: JobStatus | None = None,
    ) -> Evaluation | None:
        """The newest one among `purposes`, whatever its end unless `status` says."""
        statement = select(Evaluation).where(
            Evaluation.agent_id == agent_id, Evaluation.purpose.in_(purposes)
        )
        if status is not None:
            statement = statement.where(Evaluation.status == status)
        return await self._session.scalar(
            statement.order_by(Evaluation.created_at.desc(), Evaluation.id.desc()).limit(1)
        )

    async def newest_on_test(self, agent_ids: Sequence[str]) -> dict[str, Evaluation]:
        """By agent: what was measured last of the version in force, on scenarios of the test split.

        A version with the same content is the same version: a rollback makes such a copy.
        """
        in_force = aliased(AgentVersion)
        newest = (
            select(
                Evaluation.id,
                func.row_number()
                .over(
                    partition_by=Evaluation.agent_id,
                    order_by=(Evaluation.created_at.desc(), Evaluation.id.desc()),
                )
                .label("place"),
            )
            .join(Agent, Agent.id == Evaluation.agent_id)
            .join(AgentVersion, AgentVersion.id == Evaluation.version_id)
            .join(
                in_force,
                and_(
                    in_force.agent_id == Agent.id,
                    in_force.number == func.coalesce(Agent.deployed_version, Agent.current_version),
                    in_force.content_hash == AgentVersion.content_hash,
                ),
            )
            .where(
                Evaluation.agent_id.in_(agent_ids),
                Evaluation.status == JobStatus.COMPLETED,
                Evaluation.test_pass_rate.is_not(None),
                Evaluation.purpose != EvaluationPurpose.RERUN,
            )
            .subquery()
        )
        statement = select(Evaluation).join(
            newest, and_(newest.c.id == Evaluation.id, newest.c.place == 1)
        )
        return {each.agent_id: each for each in await self._session.scalars(statement)}

    async def forget_errors(self, evaluation: Evaluation) -> None:
        """Drop the results that could not be measured, so that they can be run again."""
        errors = select(ScenarioResult).where(
            ScenarioResult.evaluation_id == evaluation.id,
            ScenarioResult.status == ScenarioStatus.ERROR,
        )
        for result in (await self._session.scalars(errors)).all():
            await self._session.delete(result)
        await self._session.flush()
        evaluation.errors = 0

    async def results(self, evaluation_id: UUID) -> Sequence[ScenarioResult]:
        statement = (
            select(ScenarioResult)
            .where(ScenarioResult.evaluation_id == evaluation_id)
            .order_by(ScenarioResult.scenario_id, ScenarioResult.repetition)
        )
        return (await self._session.scalars(statement)).all()
