"""System logs: what an operator should be able to read later, without a shell."""

from typing import Any

from sqlalchemy import Index, String, Text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from mission_control.data.base import Record


class SystemLog(Record):
    __tablename__ = "system_logs"
    __table_args__ = (
        Index("ix_system_logs_created_at_id", "created_at", "id"),
        Index("ix_system_logs_level_created_at", "level", "created_at"),
        Index("ix_system_logs_source_created_at", "source", "created_at"),
    )

    level: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(64))
    message: Mapped[str] = mapped_column(Text)
    fields: Mapped[dict[str, Any]] = mapped_column(default=dict)


class SystemLogRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    def add(self, entry: SystemLog) -> None:
        self._session.add(entry)
