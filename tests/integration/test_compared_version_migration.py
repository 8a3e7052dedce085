"""Comparisons keep what they found when more of them is noted, on both databases."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from mission_control.data import migrate
from mission_control.data.engine import create_engine

BEFORE, AFTER, PREVIOUS, STAYS = "3f1b6d90c2ae", "5a2e8c17d4b0", "9c4e7d15b8a2", "7d40b2f6c9e1"
OLD, COMPARED, NEW = (f"2026-11-2{day} 10:00:00+00:00" for day in (5, 6, 7))
AGENT = """
    INSERT INTO agents (id, name, description, type, status, current_version, created_at, updated_at)
    VALUES (:id, 'Ada', '', 'phone_bot', 'dev', :current, :old, :old)
"""
VERSION = """
    INSERT INTO agent_versions
        (id, agent_id, number, content_hash, playbook, prompt, origin, note, warnings, created_at)
    VALUES (:id, :agent, :number, :hash, '', '', 'edit', '', '[]', :at)
"""
CHECK = """
    INSERT INTO drift_checks
        (agent_id, assistant_id, state, fields, warnings, checked_at, compared_at)
    VALUES (:agent, :agent, 'clean', '[]', '[]', :compared, :at)
"""
FoundT = TypeVar("FoundT")


def test_the_version_up_and_down_on_data(database_url: str) -> None:
    migrate.downgrade(database_url, revision=BEFORE)
    run(database_url, insert)
    before = run(database_url, checks)
    migrate.upgrade(database_url, revision=AFTER)
    found = {row.pop("agent_id"): row["version"] for row in run(database_url, checks)}
    assert found == {"calm": 2, "edited": None, "never": None}
    migrate.downgrade(database_url, revision=BEFORE)
    assert run(database_url, checks) == before
    migrate.upgrade(database_url)


def test_what_stays_at_vapi_up_and_down_on_data(database_url: str) -> None:
    migrate.downgrade(database_url, revision=PREVIOUS)
    run(database_url, insert)
    before = run(database_url, checks)
    migrate.upgrade(database_url, revision=STAYS)
    nothing_noted = {"left_at_vapi": None, "texts_moved": None}
    assert run(database_url, checks) == [{**row, **nothing_noted} for row in before]
    migrate.downgrade(database_url, revision=PREVIOUS)
    assert run(database_url, checks) == before
    migrate.upgrade(database_url)


def run(database_url: str, do: Callable[[AsyncConnection], Awaitable[FoundT]]) -> FoundT:
    async def run_it() -> FoundT:
        engine = create_engine(database_url)
        async with engine.begin() as connection:
            found = await do(connection)
        await engine.dispose()
        return found

    return asyncio.run(run_it())


async def insert(connection: AsyncConnection) -> None:
    """`calm` was compared after its last edit, `edited` before it, and `never` not at all."""
    second = {"calm": OLD, "edited": NEW, "never": OLD}
    for number, (agent, edited_at) in enumerate(second.items()):
        await connection.execute(text(AGENT), {"id": agent, "current": 2, "old": OLD})
        for version, at in ((1, OLD), (2, edited_at)):
            identifier = f"{number}{version}".rjust(32, "0")
            row = {"id": identifier, "hash": "0", "agent": agent, "number": version, "at": at}
            await connection.execute(text(VERSION), row)
        at = None if agent == "never" else COMPARED
        await connection.execute(text(CHECK), {"agent": agent, "compared": COMPARED, "at": at})


async def checks(connection: AsyncConnection) -> list[dict[str, Any]]:
    rows = await connection.execute(text("SELECT * FROM drift_checks ORDER BY agent_id"))
    return [dict(row) for row in rows.mappings()]
