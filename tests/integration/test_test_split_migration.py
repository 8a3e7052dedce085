"""Comparisons that were made before there was a ledger are counted in it; readings outlive their agent."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, MetaData, Table

from mission_control.data import migrate
from mission_control.data.engine import create_engine
from tests.builders import a_playbook, a_scenario

BEFORE, LEDGER = "4e9a7c21d0b8", "e41c7d2f90ab"
OUTLIVING, BEFORE_OUTLIVING = "a83d5f10c6e4", "7d40b2f6c9e1"
AT = datetime(2026, 11, 27, 10, tzinfo=UTC)
VERSION = uuid4()
JOBS = [uuid4(), uuid4()]


def on(database_url: str, what: Any) -> Any:
    async def run() -> Any:
        engine = create_engine(database_url)
        async with engine.begin() as connection:
            found = await connection.run_sync(what)
        await engine.dispose()
        return found

    return asyncio.run(run())


def test_earlier_comparisons_are_readings(database_url: str) -> None:
    migrate.downgrade(database_url, revision=BEFORE)
    on(database_url, insert_two_comparisons)
    migrate.upgrade(database_url, revision=LEDGER)
    [first, second] = on(database_url, readings)
    assert (first["agent_id"], first["number"], first["kind"]) == ("ada", 1, "comparison")
    assert first["questions"] == [{"caller_says": "What is a?"}, {"caller_says": "What is b?"}]
    # The second asked "b" again, and "c" for the first time.
    assert (second["number"], second["questions"]) == (2, [{"caller_says": "What is c?"}])
    assert [UUID(str(each["job_id"])) for each in (first, second)] == JOBS
    assert on(database_url, rates_on_test) == [(0.25, 2), (0.25, 2)]
    migrate.upgrade(database_url)


def test_readings_outlive_their_agent_and_go_with_the_table_that_holds_them(
    database_url: str,
) -> None:
    migrate.downgrade(database_url, revision=BEFORE)
    on(database_url, insert_two_comparisons)
    migrate.upgrade(database_url, revision=OUTLIVING)
    on(database_url, delete_agents)
    assert len(on(database_url, readings)) == 2
    migrate.downgrade(database_url, revision=BEFORE_OUTLIVING)
    assert on(database_url, readings) == []
    migrate.upgrade(database_url)


def insert_two_comparisons(connection: Connection) -> None:
    tables = MetaData()
    tables.reflect(connection, only=["agents", "agent_versions", "jobs", "evaluations"])
    declared = [
        a_scenario(name, split="test", input={"caller_says": f"What is {name}?"}) for name in "abc"
    ]
    add(connection, tables, "agents", id="ada", current_version=1)
    playbook = a_playbook(scenarios=declared)
    add(connection, tables, "agent_versions", id=VERSION, agent_id="ada", playbook=playbook)
    for number, asked in enumerate((["a", "b"], ["b", "c"])):
        job = JOBS[number]
        add(connection, tables, "jobs", id=job, agent_id="ada")
        add(
            connection, tables, "evaluations", agent_id="ada", version_id=VERSION, job_id=job,
            purpose="comparison_baseline", scenario_ids=asked, pass_rate=0.25,
            created_at=AT + timedelta(hours=number),
        )  # fmt: skip


def delete_agents(connection: Connection) -> None:
    connection.execute(sa.text("DELETE FROM agents"))


def add(connection: Connection, tables: MetaData, name: str, **given: Any) -> None:
    """A row with these values, and something of the right type in every other column that needs it."""
    table = tables.tables[name]
    needed = {
        column.name: something(column)
        for column in table.columns
        if not column.nullable and column.server_default is None
    }
    values = {column: stored(table, column, value) for column, value in (needed | given).items()}
    connection.execute(table.insert().values(values))


def something(column: sa.Column[Any]) -> Any:
    match column.type:
        case sa.DateTime():
            return AT
        case sa.Integer() | sa.Numeric():
            return 1
        case sa.Boolean():
            return False
        case sa.JSON():
            return {}
        case _:
            return (
                uuid4() if column.name == "id" or column.name.endswith("_id") else column.name[:8]
            )


def stored(table: Table, column: str, value: object) -> object:
    """SQLite gives its types back by other names: a UUID as its 32 digits."""
    kind = table.columns[column].type
    if isinstance(value, UUID) and not isinstance(kind, sa.Uuid):
        return value.hex
    holds_json = isinstance(kind, sa.JSON)
    if isinstance(value, (list, dict)) and not holds_json:
        return json.dumps(value)
    return cast("object", value)


def readings(connection: Connection) -> list[dict[str, Any]]:
    rows = connection.execute(sa.text("SELECT * FROM split_readings ORDER BY number")).mappings()
    return [
        {**row, "questions": json.loads(row["questions"]) if isinstance(row["questions"], str) else row["questions"]}
        for row in rows
    ]  # fmt: skip


def rates_on_test(connection: Connection) -> list[tuple[float, int]]:
    asked = "SELECT test_pass_rate, test_scenarios FROM evaluations"
    return [tuple(row) for row in connection.execute(sa.text(asked))]
