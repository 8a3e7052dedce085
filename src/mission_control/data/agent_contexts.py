"""Agent contexts: which memories an agent is given, version by version."""

from typing import Any
from uuid import uuid4

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.data.base import Record
from mission_control.data.pages import Cursor, Page, page_of


class AgentContext(Record):
    """One version. Without settings: from here on nothing is loaded into the agent."""

    __tablename__ = "agent_contexts"
    __table_args__ = (
        UniqueConstraint("agent_id", "number"),
        Index("ix_agent_contexts_agent_id_created_at_id", "agent_id", "created_at", "id"),
    )

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    number: Mapped[int]
    settings: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    note: Mapped[str] = mapped_column(Text, default="")


class AgentContextRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def latest(self, agent_id: str) -> AgentContext | None:
        return await self._session.scalar(
            select(AgentContext)
            .where(AgentContext.agent_id == agent_id)
            .order_by(AgentContext.number.desc())
            .limit(1)
        )

    async def add(
        self, agent_id: str, *, settings: dict[str, Any] | None, note: str
    ) -> AgentContext:
        """The next version. The caller holds the agent's lock, so that numbers do not collide."""
        highest = await self._session.scalar(
            select(func.max(AgentContext.number)).where(AgentContext.agent_id == agent_id)
        )
        context = AgentContext(
            id=uuid4(),
            agent_id=agent_id,
            number=(highest or 0) + 1,
            settings=settings,
            note=note,
        )
        self._session.add(context)
        return context

    async def page(self, agent_id: str, *, limit: int, cursor: Cursor | None) -> Page[AgentContext]:
        statement = select(AgentContext).where(AgentContext.agent_id == agent_id)
        return await page_of(self._session, statement, AgentContext, limit=limit, cursor=cursor)
