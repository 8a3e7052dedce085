"""Database engine and session factory, set up for several processes on one database."""

import asyncio
from functools import partial
from typing import Any

from mission_control.data.sqlite import install_newer_sqlite

install_newer_sqlite()  # before anything imports sqlite3

from sqlalchemy import event, exc  # noqa: E402
from sqlalchemy.engine import Connection  # noqa: E402
from sqlalchemy.ext.asyncio import (  # noqa: E402
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.util import await_only  # noqa: E402

BUSY_SECONDS = 20  # less than a job's lease
SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    f"busy_timeout={BUSY_SECONDS * 1000}",
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
    turns = _Turns()
    event.listen(engine.sync_engine, "begin", partial(_begin, turns=turns))
    event.listen(engine.sync_engine, "checkin", turns.give_up)
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


class _Turns:
    """The writers of one process stand in line for SQLite's one write lock.

    SQLite itself lets those who wait look again now and then, and whoever looks first gets it: beside
    a process that writes page after page, another one's short write could wait for ever.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._lock.acquire()
        except TimeoutError:
            raise exc.TimeoutError("database is locked by other writers of this process") from None

    def give_up(self, _connection: Any, record: Any) -> None:
        """Its transaction is over: a connection that had the turn goes back to the pool."""
        if record.info.pop("has_turn", False):
            self._lock.release()


def _begin(connection: Connection, *, turns: _Turns) -> None:
    # A transaction that starts by reading and then writes fails at once when another process wrote
    # in between. Taking the write lock at the start makes it wait its turn instead.
    if connection.get_execution_options().get("readonly", False):
        connection.exec_driver_sql("BEGIN")
        return
    if not connection.info.get("has_turn"):
        await_only(turns.take())
        connection.info["has_turn"] = True
    connection.exec_driver_sql("BEGIN IMMEDIATE")
