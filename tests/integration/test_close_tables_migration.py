"""What stood in one JSON row moves into tables and back, on both databases."""

import asyncio
import json
from typing import Any

from sqlalchemy import text

from mission_control.data import migrate
from mission_control.data.engine import create_engine

BEFORE, AFTER = "7d0c92b4e1fa", "b3c1f0a4d27e"
POSITIONS: dict[str, Any] = {
    "close.hints": {"leads": {"lead_1": 2}, "calls": {"acti_1": 1}, "gone": {"lead_2": 1}},
    "close.transcripts": {"waiting": {"acti_2": ["2026-11-27T10:00:00+00:00", 3]}},
    "close.merged": {"into": [["lead_3", "lead_4"]]},
    "close.leads": {"walk": "w", "started_at": "2026-11-27T10:00:00+00:00", "done": []},
}


def test_names_up_and_down_on_data(database_url: str) -> None:
    migrate.downgrade(database_url, revision=BEFORE)
    asyncio.run(run(database_url, insert, POSITIONS))
    migrate.upgrade(database_url, revision=AFTER)
    counts = asyncio.run(run(database_url, counted))
    assert counts == {"close_refetches": 3, "pending_transcripts": 1, "merged_leads": 1}
    [(name, position)] = asyncio.run(run(database_url, positions)).items()
    assert (name, position["backfill"]) == ("close.leads", "w")
    migrate.downgrade(database_url, revision=BEFORE)
    assert asyncio.run(run(database_url, positions)) == POSITIONS
    migrate.upgrade(database_url)


async def run(database_url: str, what: Any, *given: Any) -> Any:
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        found = await what(connection, *given)
    await engine.dispose()
    return found


async def insert(connection: Any, states: dict[str, Any]) -> None:
    for name, position in states.items():
        await connection.execute(
            text(
                "INSERT INTO sync_states (name, position, updated_at) "
                "VALUES (:name, :position, '2026-11-27 10:00:00+00:00')"
            ),
            {"name": name, "position": json.dumps(position)},
        )


async def counted(connection: Any) -> dict[str, int]:
    tables = ("close_refetches", "pending_transcripts", "merged_leads")
    return {
        table: await connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
        for table in tables
    }


async def positions(connection: Any) -> dict[str, Any]:
    rows = (await connection.execute(text("SELECT name, position FROM sync_states"))).all()
    return {
        name: json.loads(position) if isinstance(position, str) else position
        for name, position in rows
    }
