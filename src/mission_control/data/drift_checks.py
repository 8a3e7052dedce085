"""What the last comparison of an agent with its assistant at Vapi has shown."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.words import DriftState
from mission_control.data.agents import Agent
from mission_control.data.base import Base
from mission_control.data.pages import Cursor, Page, page_of


class DriftCheck(Base):
    """One per agent, the latest. `fields` is all that is not clean: `{field, state, here, …}`."""

    __tablename__ = "drift_checks"

    agent_id: Mapped[str] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    assistant_id: Mapped[str] = mapped_column(String(64))
    # Of which version `fields` tells; null where that was not noted. A plain number, as in `agents`.
    version: Mapped[int | None] = mapped_column(default=None)
    state: Mapped[DriftState]
    fields: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    error: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    warnings: Mapped[list[str]] = mapped_column(default=list)
    # Our texts there are not what we know to have been there; null: not noted yet.
    texts_moved: Mapped[bool | None] = mapped_column(default=None)
    # What the assistant has and the agent does not carry: `{what, items}`; null: not asked yet.
    left_at_vapi: Mapped[list[dict[str, Any]] | None] = mapped_column(default=None)
    checked_at: Mapped[datetime] = mapped_column(default=utc_now)
    # When Vapi last answered: the age of `fields` while the state is unknown.
    compared_at: Mapped[datetime | None] = mapped_column(default=None)


class DriftCheckRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, check: DriftCheck) -> None:
        self._session.add(check)

    async def find(self, agent_id: str) -> DriftCheck | None:
        return await self._session.get(DriftCheck, agent_id, populate_existing=True)

    async def of_agents(self, agent_ids: Sequence[str]) -> dict[str, DriftCheck]:
        rows = await self._session.scalars(
            select(DriftCheck).where(DriftCheck.agent_id.in_(agent_ids))
        )
        return {row.agent_id: row for row in rows}

    async def page(self, *, limit: int, cursor: Cursor | None) -> Page[DriftCheck]:
        """Of the newest agents first."""
        checked = select(Agent).where(Agent.id.in_(select(DriftCheck.agent_id)))
        agents = await page_of(self._session, checked, Agent, limit=limit, cursor=cursor)
        wanted = [agent.id for agent in agents.items]
        rows = await self._session.scalars(
            select(DriftCheck).where(DriftCheck.agent_id.in_(wanted))
        )
        checks = {row.agent_id: row for row in rows}
        return Page(items=[checks[key] for key in wanted], next_cursor=agents.next_cursor)
