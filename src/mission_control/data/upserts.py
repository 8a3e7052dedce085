"""INSERT … ON CONFLICT, which both databases say in the same words, each through its own dialect."""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.data.base import Base


def insert_into(session: AsyncSession, table: type[Base] | Table) -> Any:
    """`Any`: the two dialects' statements have no common type with `on_conflict_…`."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return sqlite_insert(table) if is_sqlite else postgresql_insert(table)
