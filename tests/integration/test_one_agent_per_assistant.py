"""The database links an assistant to one agent: in a race, and after an upgrade of duplicates."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from mission_control.api.resources import Resources
from mission_control.core.words import AgentType
from mission_control.data import migrate
from mission_control.data.engine import create_engine
from tests.builders import a_playbook, a_version, an_agent
from tests.vapi_world import ASSISTANT, vapi_world

BEFORE = "e41f7a90c3d5"


async def test_of_two_that_link_at_once_one_is_told(resources: Resources) -> None:
    async with vapi_world(resources) as world:
        async with resources.unit_of_work() as uow:
            for name in ("ada", "bea"):
                agent = await an_agent(uow, name, type=AgentType.PHONE_BOT)
                await a_version(uow, agent, playbook=a_playbook(name))
        link = {"vapi_assistant_id": ASSISTANT}
        answers = await asyncio.gather(
            *(world.http.put(f"/api/agents/{name}", json=link) for name in ("ada", "bea"))
        )
        found = sorted((each.status_code, each.json().get("code")) for each in answers)
        assert found == [(200, None), (409, "assistant_linked")]


async def test_the_constraint_is_told_by_name_where_no_query_saw_it(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both looked before either wrote: only the database can say it."""

    async def saw_nobody(*_: object) -> None:
        return None

    async with vapi_world(resources) as world:
        await world.has()
        async with resources.unit_of_work() as uow:
            bea = await an_agent(uow, "bea", type=AgentType.PHONE_BOT)
            await a_version(uow, bea, playbook=a_playbook("bea"))
        monkeypatch.setattr("mission_control.api.agents.commands.refuse_linked", saw_nobody)
        answer = await world.http.put("/api/agents/bea", json={"vapi_assistant_id": ASSISTANT})
        assert (answer.status_code, answer.json()["code"]) == (409, "assistant_linked")
        assert (await world.http.get("/api/agents/bea")).json()["vapi_assistant_id"] is None


async def test_an_upgrade_keeps_the_link_of_the_one_that_was_deployed(database_url: str) -> None:
    await asyncio.to_thread(migrate.downgrade, database_url, revision=BEFORE)
    engine = create_engine(database_url)
    await _store(engine, "older", deployed=None, day=1)
    await _store(engine, "deployed", deployed=1, day=2)
    await asyncio.to_thread(migrate.upgrade, database_url)
    async with engine.connect() as connection:
        agents = (
            await connection.execute(
                sa.text("SELECT id, vapi_assistant_id, deployed_version FROM agents ORDER BY id")
            )
        ).all()
        rows = (
            await connection.execute(
                sa.text("SELECT agent_id, warnings FROM agent_versions ORDER BY agent_id")
            )
        ).all()
    await engine.dispose()
    assert [tuple(each) for each in agents] == [("deployed", "shared", 1), ("older", None, None)]
    warnings = {each.agent_id: _json(each.warnings) for each in rows}
    assert warnings["deployed"] == []
    assert "linked to the assistant shared" in warnings["older"][0]


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


async def _store(engine: AsyncEngine, agent_id: str, *, deployed: int | None, day: int) -> None:
    at = datetime(2026, 1, day, tzinfo=UTC)
    agents = sa.table(
        "agents",
        *(sa.column(name) for name in ("id", "name", "description", "type", "status",
                                       "current_version", "deployed_version",
                                       "vapi_assistant_id")),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("updated_at", sa.DateTime(timezone=True)),
    )  # fmt: skip
    versions = sa.table(
        "agent_versions",
        sa.column("id", sa.Uuid()),
        *(sa.column(name) for name in ("agent_id", "number", "content_hash", "playbook", "prompt",
                                       "origin", "note")),
        sa.column("warnings", sa.JSON()),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )  # fmt: skip
    async with engine.begin() as connection:
        await connection.execute(
            agents.insert().values(
                id=agent_id, name=agent_id, description="", type="phone_bot",
                status="live" if deployed else "dev", current_version=1, deployed_version=deployed,
                vapi_assistant_id="shared", created_at=at, updated_at=at,
            )
        )  # fmt: skip
        await connection.execute(
            versions.insert().values(
                id=uuid4(), agent_id=agent_id, number=1, content_hash="0" * 64, playbook="{}",
                prompt="x", origin="import", note="", warnings=[], created_at=at,
            )
        )  # fmt: skip
