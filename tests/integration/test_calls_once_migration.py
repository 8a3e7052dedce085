"""Calls that are there already are paired, divided and judged by the migration; on both databases."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from mission_control.data import migrate
from mission_control.data.calls import CallFilter
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.unit_of_work import UnitOfWork

BEFORE = "5a2e8c17d4b0"
T0 = datetime(2026, 11, 20, 12, tzinfo=UTC)
SQUAD = {
    "artifact": {
        "assistantActivations": [
            {"assistantId": "a1", "assistantName": "Front", "assistantVersion": "v1"},
            {"assistantId": "a2", "assistantName": "Billing", "assistantVersion": "v2"},
        ],
        "messages": [
            {"role": "bot", "message": "Hi", "assistantId": "a1", "secondsFromStart": 1},
            {"role": "tool_call_result", "result": {"place": "İstanbul"}},
            {"role": "bot", "message": "Hi", "assistantId": "a2", "secondsFromStart": 60},
        ],
    }
}
CALLS: list[dict[str, Any]] = [
    {"source": "vapi", "document": SQUAD, "success": True, "evaluation": "true"},
    {"source": "close", "document": {}, "success": None, "evaluation": None},
    {"source": "vapi", "document": {}, "success": None, "evaluation": "9", "number": "+14155550199"},
]  # fmt: skip


def test_calls_that_are_there_up_and_down(database_url: str) -> None:
    migrate.downgrade(database_url, revision=BEFORE)
    asyncio.run(run(database_url, insert))
    migrate.upgrade(database_url)
    for _ in range(2):
        found = asyncio.run(run(database_url, seen))
        assert found["rubrics"] == [("pass_fail", 1.0), (None, None), (None, None)]
        assert found["paired"] == [False, True, False]
        assert found["parts"] == [("a1", 60_000_000, False), ("a2", 30_000_000, True)]
        asyncio.run(totals(database_url))
        migrate.downgrade(database_url, revision=BEFORE)
        assert asyncio.run(run(database_url, sums)) == 3
        migrate.upgrade(database_url)


async def totals(database_url: str) -> None:
    engine = create_engine(database_url)
    async with UnitOfWork(create_sessions(engine), readonly=True) as uow:
        assert await uow.call_totals.differences() == []
        read = await uow.call_totals.read(CallFilter())
        assert (read.overall.calls, read.overall.succeeded) == (2, 1)
        assert {version: sums.calls for (_, version), sums in read.by_version.items()} == {
            "v1": 1, "v2": 1, None: 1,
        }  # fmt: skip
        found = await uow.calls.page(CallFilter(text="istanbul"), limit=5, cursor=None)
        assert len(found.items) == 1
        assert found.items[0].to_index  # the memory reads it again, with what its tools did
    await engine.dispose()


async def run(database_url: str, what: Any) -> Any:
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        found = await what(connection)
    await engine.dispose()
    return found


async def insert(connection: Any) -> None:
    is_sqlite = connection.dialect.name == "sqlite"
    for at, call in enumerate(CALLS):
        key = UUID(int=at + 1)
        began = T0 + timedelta(seconds=30 * at)
        row = {
            "id": key.hex if is_sqlite else key,
            "source": call["source"],
            "external_id": f"call-{at}",
            "number": call.get("number", "+14155550123"),
            "success": call["success"],
            "evaluation": call["evaluation"],
            "at": began.isoformat(sep=" ").replace("+00:00", "") if is_sqlite else began,
        }
        await connection.execute(
            text(
                "INSERT INTO calls (id, source, external_id, customer_number, success, ending, "
                "success_evaluation, duration_seconds, created_at, started_at, updated_at, to_index) "
                "VALUES (:id, :source, :external_id, :number, :success, 'customer', :evaluation, 90, "
                ":at, :at, :at, false)"
            ),
            row,
        )
        await connection.execute(
            text(
                "INSERT INTO call_contents (call_id, document, stamps) VALUES (:id, :document, '{}')"
            ),
            {"id": row["id"], "document": json.dumps(call["document"], ensure_ascii=False)},
        )
        words = "''" if is_sqlite else "''::tsvector"
        await connection.execute(
            text(f"INSERT INTO call_texts (call_id, created_at, words) VALUES (:id, :at, {words})"),  # noqa: S608
            {"id": row["id"], "at": row["at"]},
        )


async def seen(connection: Any) -> dict[str, Any]:
    rows = (
        await connection.execute(
            text(
                "SELECT success_rubric, success_score, same_call_as FROM calls ORDER BY external_id"
            )
        )
    ).all()
    parts = await connection.execute(
        text("SELECT assistant_id, duration_us, is_last FROM call_parts ORDER BY position")
    )
    return {
        "rubrics": [(row[0], row[1]) for row in rows],
        "paired": [row[2] is not None for row in rows],
        "parts": [(row[0], row[1], bool(row[2])) for row in parts.all()],
    }


async def sums(connection: Any) -> int:
    return int(await connection.scalar(text("SELECT sum(calls) FROM call_totals")))
