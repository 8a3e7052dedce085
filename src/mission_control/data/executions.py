"""Executions: one run of an agent on one input."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.words import ExecutionStatus
from mission_control.data.base import Record
from mission_control.data.pages import Cursor, Page, page_of


class Execution(Record):
    __tablename__ = "executions"
    __table_args__ = (
        Index("ix_executions_created_at_id", "created_at", "id"),
        Index("ix_executions_agent_id_created_at_id", "agent_id", "created_at", "id"),
        Index("ix_executions_version_id", "version_id"),
    )

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    version_id: Mapped[UUID] = mapped_column(ForeignKey("agent_versions.id", ondelete="CASCADE"))
    status: Mapped[ExecutionStatus]
    model: Mapped[str] = mapped_column(String(120))
    input: Mapped[dict[str, Any]]
    output: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    latency_ms: Mapped[float | None] = mapped_column(default=None)
    input_tokens: Mapped[int | None] = mapped_column(default=0)  # None: the server did not say
    output_tokens: Mapped[int | None] = mapped_column(default=0)
    cost_usd: Mapped[Decimal | None] = mapped_column(default=None)
    error: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    truncated: Mapped[bool] = mapped_column(default=False)  # the token limit cut the reply
    thinking: Mapped[str | None] = mapped_column(Text, default=None)
    # What of the memory was in its prompt, to the letter; null: the agent has no context.
    memories: Mapped[dict[str, Any] | None] = mapped_column(default=None)


class ExecutionRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, execution: Execution) -> None:
        self._session.add(execution)

    async def page(
        self, agent_id: str, *, limit: int, cursor: Cursor | None, status: ExecutionStatus | None
    ) -> Page[Execution]:
        statement = select(Execution).where(Execution.agent_id == agent_id)
        if status is not None:
            statement = statement.where(Execution.status == status)
        return await page_of(self._session, statement, Execution, limit=limit, cursor=cursor)
