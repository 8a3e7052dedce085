"""Database engine and session factory, set up for several processes on one database."""

from functools import partial
from typing import Any

from mission_control.data.sqlite import install_newer_sqlite

install_newer_sqlite()  # before anything imports sqlite3

from sqlalchemy import event  # noqa: E402
from sqlalchemy.engine import Connection  # noqa: E402
from sqlalchemy.ext.asyncio import (  # noqa: E402
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "busy_timeout=5000",
    "synchronous=NORMAL",
    "cache_size=-32000",
    "temp_store=MEMORY",
)


def create_engine(url: str, *, foreign_keys: bool = True) -> AsyncEngine:
    """An engine for `sqlite+aiosqlite://…` or `postgresql+psycopg://…`.

    `foreign_keys=False` is for migrations: rebuilding a parent table with them on would delete
    its children.
    """
    # Parameters are what callers said and what agents are told: none of it belongs into a log.
    if not url.startswith("sqlite"):
        return create_async_engine(
            url, pool_pre_ping=True, pool_size=10, max_overflow=20, hide_parameters=True
        )
    engine = create_async_engine(url, hide_parameters=True)
    pragmas = (*SQLITE_PRAGMAS, f"foreign_keys={'ON' if foreign_keys else 'OFF'}")
    event.listen(engine.sync_engine, "connect", partial(_set_pragmas, pragmas=pragmas))
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def create_sessions(engine: AsyncEngine) -> "async_sessionmaker[AsyncSession]":
    # expire_on_commit=False: what was read stays readable after the commit.
    return async_sessionmaker(engine, expire_on_commit=False)


def _set_pragmas(connection: Any, _record: Any, *, pragmas: tuple[str, ...]) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that starts by reading and then writes fails at once when another process wrote
    # in between. Taking the write lock at the start makes it wait its turn instead.
    readonly = connection.get_execution_options().get("readonly", False)
    connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")
