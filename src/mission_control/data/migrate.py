"""Brings a database to the newest schema, or back."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from mission_control.core.errors import MissionControlError
from mission_control.data.engine import create_engine

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 742_109_331  # any number, the same in every process

Action = Callable[[Config], object]


class BrokenReferencesError(MissionControlError):
    """A migration left rows that point at nothing; it was rolled back."""

    code = "migration_broke_references"


def upgrade(database_url: str, *, revision: str = "head") -> None:
    """Apply what is missing. Safe to call by several processes and any number of times."""
    asyncio.run(_run(database_url, lambda config: command.upgrade(config, revision)))


def downgrade(database_url: str, *, revision: str = "base") -> None:
    asyncio.run(_run(database_url, lambda config: command.downgrade(config, revision)))


def revise(database_url: str, message: str) -> None:
    """Write a new revision from the difference between the tables and the database."""
    asyncio.run(
        _run(database_url, lambda config: command.revision(config, message, autogenerate=True))
    )


def check(database_url: str) -> None:
    """Raise when the tables and the migrations disagree."""
    asyncio.run(_run(database_url, command.check))


def newest_revision() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def revision_of(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option(
        "file_template", "%%(year)d_%%(month).2d_%%(day).2d_%%(hour).2d%%(minute).2d_%%(slug)s"
    )
    config.set_main_option("timezone", "UTC")
    return config


async def _run(database_url: str, action: Action) -> None:
    engine = create_engine(database_url, foreign_keys=False)
    try:
        async with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                # One migrating process at a time; the lock goes with the connection.
                await connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
                await connection.commit()
            await connection.run_sync(_migrate, action)
            await connection.commit()
            if engine.dialect.name == "sqlite":
                await _check_references(connection)
    finally:
        await engine.dispose()


def _migrate(connection: Connection, action: Action) -> None:
    config = _config()
    config.attributes["connection"] = connection
    action(config)


async def _check_references(connection: AsyncConnection) -> None:
    broken = (await connection.exec_driver_sql("PRAGMA foreign_key_check")).all()
    if broken:
        raise BrokenReferencesError(f"{len(broken)} rows point at rows that do not exist.")
