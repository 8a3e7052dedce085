"""Agents and their versions: the tables and every query on them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.errors import NotFoundError
from mission_control.core.words import AgentStatus, AgentType, VersionOrigin
from mission_control.data.base import Base, Record
from mission_control.data.call_totals import leave_agent
from mission_control.data.pages import Cursor, Page, page_of


class Agent(Base):
    __tablename__ = "agents"
    __table_args__ = (
        Index("ix_agents_created_at_id", "created_at", "id"),
        Index("ix_agents_status_created_at", "status", "created_at"),
        UniqueConstraint("vapi_assistant_id"),
    )

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text, default="")
    type: Mapped[AgentType]
    status: Mapped[AgentStatus] = mapped_column(default=AgentStatus.DEV)
    # Plain numbers, not foreign keys: the version and the agent would point at each other.
    current_version: Mapped[int] = mapped_column(default=1)
    deployed_version: Mapped[int | None] = mapped_column(default=None)
    vapi_assistant_id: Mapped[str | None] = mapped_column(String(64), default=None)
    created_at: Mapped[datetime] = mapped_column(default=utc_now)
    updated_at: Mapped[datetime] = mapped_column(default=utc_now, onupdate=utc_now)


class AgentVersion(Record):
    """An immutable snapshot of an agent's playbook."""

    __tablename__ = "agent_versions"
    __table_args__ = (
        UniqueConstraint("agent_id", "number"),
        Index("ix_agent_versions_parent_id", "parent_id"),
        Index("ix_agent_versions_agent_id_content_hash", "agent_id", "content_hash"),
    )

    agent_id: Mapped[str] = mapped_column(ForeignKey("agents.id", ondelete="CASCADE"))
    number: Mapped[int]
    content_hash: Mapped[str] = mapped_column(String(64))
    playbook: Mapped[str] = mapped_column(Text)  # canonical YAML
    prompt: Mapped[str] = mapped_column(Text)  # as the engine composed it
    origin: Mapped[VersionOrigin]
    parent_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("agent_versions.id", ondelete="SET NULL"), default=None
    )
    note: Mapped[str] = mapped_column(Text, default="")
    warnings: Mapped[list[str]] = mapped_column(default=list)


class AgentRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, agent: Agent) -> None:
        self._session.add(agent)

    async def find(self, agent_id: str) -> Agent | None:
        return await self._session.get(Agent, agent_id)

    async def get(self, agent_id: str) -> Agent:
        agent = await self.find(agent_id)
        if agent is None:
            raise NotFoundError("There is no agent with this id.", agent_id=agent_id)
        return agent

    async def get_locked(self, agent_id: str) -> Agent:
        """As it is now, and nobody else changes it or starts work on it until we have committed.

        SQLite's one writer has that anyway; on PostgreSQL it takes the row's lock.
        """
        agent = await self._session.scalar(
            select(Agent)
            .where(Agent.id == agent_id)
            .with_for_update(key_share=True)  # rows that refer to the agent need not wait
            .execution_options(populate_existing=True)
        )
        if agent is None:
            raise NotFoundError("There is no agent with this id.", agent_id=agent_id)
        return agent

    async def page(
        self,
        *,
        limit: int,
        cursor: Cursor | None,
        status: AgentStatus | None,
        agent_type: AgentType | None,
    ) -> Page[Agent]:
        statement = select(Agent)
        if status is not None:
            statement = statement.where(Agent.status == status)
        if agent_type is not None:
            statement = statement.where(Agent.type == agent_type)
        return await page_of(self._session, statement, Agent, limit=limit, cursor=cursor)

    async def of_assistant(self, assistant_id: str) -> Agent | None:
        """The agent that is linked to this assistant at Vapi."""
        return await self._session.scalar(
            select(Agent).where(Agent.vapi_assistant_id == assistant_id)
        )

    async def phone_bots(self) -> Sequence[Agent]:
        """All that have, or may have, an assistant at Vapi."""
        statement = select(Agent).where(
            or_(Agent.vapi_assistant_id.is_not(None), Agent.type == AgentType.PHONE_BOT)
        )
        return (await self._session.scalars(statement.order_by(Agent.id))).all()

    async def known_among(self, ids: Sequence[str]) -> set[str]:
        return set(await self._session.scalars(select(Agent.id).where(Agent.id.in_(ids))))

    async def count(self) -> int:
        return await self._session.scalar(select(func.count()).select_from(Agent)) or 0

    async def delete(self, agent: Agent) -> None:
        """Its calls stay, as nobody's."""
        locked = select(Agent.id).where(Agent.id == agent.id).with_for_update()
        await self._session.execute(locked)  # no call becomes its own meanwhile
        await leave_agent(self._session, agent.id)
        await self._session.delete(agent)

    # ------------------------------------------------------------ versions

    async def version(self, agent_id: str, number: int) -> AgentVersion:
        found = await self._session.scalar(
            select(AgentVersion).where(
                AgentVersion.agent_id == agent_id, AgentVersion.number == number
            )
        )
        if found is None:
            raise NotFoundError(
                "This agent has no version with this number.", agent_id=agent_id, number=number
            )
        return found

    async def version_by_id(self, version_id: UUID) -> AgentVersion:
        found = await self._session.get(AgentVersion, version_id)
        if found is None:
            raise NotFoundError("There is no such version.", version_id=str(version_id))
        return found

    async def same_content(self, version: AgentVersion) -> AgentVersion | None:
        """The oldest version of the agent that says the same: a rollback makes a copy."""
        return await self._session.scalar(
            select(AgentVersion)
            .where(
                AgentVersion.agent_id == version.agent_id,
                AgentVersion.content_hash == version.content_hash,
            )
            .order_by(AgentVersion.number)
            .limit(1)
        )

    async def current(self, agent: Agent) -> AgentVersion:
        return await self.version(agent.id, agent.current_version)

    async def version_page(
        self, agent_id: str, *, limit: int, cursor: Cursor | None
    ) -> Page[AgentVersion]:
        statement = select(AgentVersion).where(AgentVersion.agent_id == agent_id)
        return await page_of(self._session, statement, AgentVersion, limit=limit, cursor=cursor)

    async def versions_by_id(self, ids: Sequence[UUID]) -> dict[UUID, AgentVersion]:
        rows = await self._session.scalars(select(AgentVersion).where(AgentVersion.id.in_(ids)))
        return {row.id: row for row in rows}

    async def next_number(self, agent_id: str) -> int:
        highest = await self._session.scalar(
            select(func.max(AgentVersion.number)).where(AgentVersion.agent_id == agent_id)
        )
        return (highest or 0) + 1

    def add_version(self, version: AgentVersion) -> None:
        self._session.add(version)
