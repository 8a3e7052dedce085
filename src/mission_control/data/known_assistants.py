"""What we last wrote or read of each agent's assistant at Vapi: what differs now, others changed."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary, String, delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.core.clock import utc_now
from mission_control.core.words import KnownBy
from mission_control.data.base import Base


class KnownAssistant(Base):
    """One per agent. `sealed` holds the assistant and our texts in it, encrypted."""

    __tablename__ = "known_assistants"

    agent_id: Mapped[str] = mapped_column(
        ForeignKey("agents.id", ondelete="CASCADE"), primary_key=True
    )
    assistant_id: Mapped[str] = mapped_column(String(64))
    known_by: Mapped[KnownBy]
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[datetime] = mapped_column(default=utc_now)


class KnownAssistantRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, known: KnownAssistant) -> None:
        self._session.add(known)

    async def find(self, agent_id: str) -> KnownAssistant | None:
        return await self._session.scalar(
            select(KnownAssistant)
            .where(KnownAssistant.agent_id == agent_id)
            .execution_options(populate_existing=True)
        )

    async def forget(self, agent_id: str) -> None:
        """Nothing is known of the assistant that it is linked to from now on."""
        await self._session.execute(
            delete(KnownAssistant).where(KnownAssistant.agent_id == agent_id)
        )
