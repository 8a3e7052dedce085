"""The mirror of calls on the real SQLite and the real PostgreSQL: stored, narrowed, added up."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from mission_control.core.words import CallEnding, CallSource
from mission_control.data.agents import Agent
from mission_control.data.calls import Call, CallContent, CallFacts, CallFilter
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import an_agent

T0 = datetime(2026, 11, 1, 10, tzinfo=UTC)
Unit = Callable[..., UnitOfWork]


@pytest.fixture
async def unit(database_url: str) -> AsyncIterator[Unit]:
    engine = create_engine(database_url)
    sessions = create_sessions(engine)
    yield partial(UnitOfWork, sessions)
    await engine.dispose()


def facts(number: int, **changes: Any) -> CallFacts:
    told: dict[str, Any] = {
        "source": CallSource.VAPI,
        "external_id": f"call-{number:05}",
        "created_at": T0 + timedelta(minutes=number),
        "source_updated_at": T0 + timedelta(minutes=number, seconds=50),
        "status": "ended",
        "ending": CallEnding.CUSTOMER,
        "ended_reason": "customer-ended-call",
        "document": {"id": f"call-{number:05}", "artifact": {"messages": [{"role": "user"}]}},
        **changes,
    }
    return CallFacts(**told)


async def rows(unit: Unit) -> list[dict[str, Any]]:
    """Everything that is stored of calls, but our own ids and times."""
    statement = select(Call, CallContent).join(CallContent, CallContent.call_id == Call.id)
    async with unit(readonly=True) as uow:
        found = await uow._session.execute(statement.order_by(Call.source, Call.external_id))  # pyright: ignore[reportPrivateUsage]
        return [
            {
                **{c.key: getattr(call, c.key) for c in Call.__table__.columns},
                "transcript": content.transcript,
                "document": content.document,
                "stamps": content.stamps,
                "id": None,
                "updated_at": None,
            }
            for call, content in found
        ]


class TestStoring:
    async def test_twice_is_once(self, unit: Unit) -> None:
        found = [facts(n, cost_usd=Decimal("0.1843"), duration_seconds=12.5) for n in range(30)]
        async with unit() as uow:
            assert await uow.calls.store(found) == 30
        before = await rows(unit)
        async with unit() as uow:
            assert await uow.calls.store(found) == 0
            assert await uow.calls.count(CallSource.VAPI) == 30
        assert await rows(unit) == before

    async def test_only_what_changed_is_counted(self, unit: Unit) -> None:
        async with unit() as uow:
            await uow.calls.store([facts(1), facts(2)])
        later = T0 + timedelta(days=1)
        async with unit() as uow:
            changed = await uow.calls.record(
                [facts(1), facts(2, source_updated_at=later, summary="New"), facts(3)]
            )
        assert [call.external_id for call in changed] == ["call-00002", "call-00003"]

    async def test_the_order_of_arrival_makes_no_difference(self, unit: Unit) -> None:
        started = facts(
            1, status="in-progress", ending=None, ended_reason=None, document={"id": "c"}
        )
        ended = facts(1, source_updated_at=T0 + timedelta(minutes=5), cost_usd=Decimal("0.2"))
        report = facts(
            1,
            source_updated_at=T0 + timedelta(minutes=5, milliseconds=3),
            transcript="AI: Hello",
            summary="Fine.",
            document={"id": "c", "analysis": {"summary": "Fine."}},
        )
        outcomes: list[Any] = []
        for seed in range(4):
            told = [started, ended, report, ended, started]
            random.Random(seed).shuffle(told)
            for one in told:
                async with unit() as uow:
                    await uow.calls.store([one])
            outcomes.append(await rows(unit))
            async with unit() as uow:
                assert await uow.calls.delete(CallSource.VAPI, ["call-00001"]) == 1
        assert outcomes.count(outcomes[0]) == 4
        assert outcomes[0][0]["cost_usd"] == Decimal("0.2")
        assert outcomes[0][0]["transcript"] == "AI: Hello"

    async def test_what_is_removed_stays_removed(self, unit: Unit) -> None:
        told = facts(1, transcript="T", summary="S", customer_number="+14155550123")
        for one in (told, facts(1, content_removed_at=T0, document={}), told):
            async with unit() as uow:
                await uow.calls.store([one])
        [row] = await rows(unit)
        assert (row["transcript"], row["summary"], row["customer_number"], row["document"]) == (
            None, None, None, {},
        )  # fmt: skip
        assert row["ending"] is CallEnding.CUSTOMER

    async def test_a_lead_that_became_part_of_another_keeps_no_calls(self, unit: Unit) -> None:
        """Vapi names the lead that a call was made for, whenever it tells of the call again."""
        later = {"source_updated_at": T0 + timedelta(days=1), "summary": "S"}
        async with unit() as uow:
            await uow.calls.store([facts(1, lead_id="lead_a"), facts(2, lead_id="lead_x")])
            await uow.leads.merge("lead_a", "lead_b")
        async with unit() as uow:
            await uow.leads.merge("lead_b", "lead_c")
            await uow.leads.merge("lead_a", "lead_b")  # told once more, and late
        async with unit() as uow:
            again = [facts(1, lead_id="lead_a", **later), facts(2, lead_id="lead_x", **later)]
            await uow.calls.store([*again, facts(3, lead_id="lead_b")])
        assert [row["lead_id"] for row in await rows(unit)] == ["lead_c", "lead_x", "lead_c"]

    async def test_two_at_once_store_each_call_once(self, unit: Unit) -> None:
        async def store(seed: int) -> None:
            found = [facts(n, summary=f"by {seed}" if n % 2 else None) for n in range(60)]
            random.Random(seed).shuffle(found)
            for some in (found[:20], found[20:], found):
                async with unit() as uow:
                    await uow.calls.store(some)

        await asyncio.gather(*(store(seed) for seed in range(4)))
        async with unit(readonly=True) as uow:
            assert await uow.calls.count(CallSource.VAPI) == 60


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [6, 5, 4, 3, 2, 1]),
        ({"agent_id": "remus"}, [2, 1]),
        ({"source": CallSource.CLOSE}, [5]),
        ({"created_from": T0 + timedelta(minutes=2), "created_to": T0 + timedelta(minutes=4)}, [3, 2]),
        ({"ended_reason": "silence-timed-out"}, [2]),
        ({"ending": CallEnding.SILENCE}, [2]),
        ({"success": True}, [1]),
        ({"success": False}, [2]),
        ({"min_cost": Decimal("9.5")}, [2, 1]),
        ({"max_cost": Decimal("9.5")}, [3, 1]),
        ({"min_cost": Decimal(10)}, [2]),
        ({"lead_id": "lead_1"}, [5, 4]),
        ({"text": "roof"}, [1]),
        ({"text": "100%"}, [1]),
        ({"text": "%%"}, []),
        ({"text": "a_b PRICE"}, [2]),
        ({"text": "aXb"}, []),
        ({"text": "élan"}, [1]),
        ({"text": "lovelace"}, [3]),
        ({"text": "5550123"}, [6, 5, 3]),
        ({"text": "roof", "agent_id": "remus", "success": True}, [1]),
    ]  # fmt: skip


class TestFinding:
    @pytest.fixture(autouse=True)
    async def stored(self, unit: Unit) -> None:
        async with unit() as uow:
            await an_agent(uow, "remus")
            await uow.calls.store([
                facts(1, agent_id="remus", cost_usd=Decimal("9.5"), success_evaluation="true",
                      summary="100% Roof, Élan"),
                facts(2, agent_id="remus", cost_usd=Decimal("10.25"), success_evaluation="false",
                      transcript="User: a_b price?", ended_reason="silence-timed-out",
                      ending=CallEnding.SILENCE),
                facts(3, cost_usd=Decimal(0), customer_name="Ada Lovelace",
                      customer_number="+14155550123", assistant_id="asst", duration_seconds=20.0),
                facts(4, status="in-progress", ending=None, ended_reason=None, lead_id="lead_1"),
                facts(5, source=CallSource.CLOSE, lead_id="lead_1", customer_number="+14155550123",
                      duration_seconds=300.0),
                facts(6, lead_id="lead_2", customer_number="+14155550123"),
            ])  # fmt: skip

    async def test_every_filter(self, unit: Unit) -> None:
        async with unit(readonly=True) as uow:
            for wanted, numbers in FILTERS:
                page = await uow.calls.page(CallFilter(**wanted), limit=50, cursor=None)
                assert [int(call.external_id[-5:]) for call in page.items] == numbers, wanted

    async def test_pages_meet(self, unit: Unit) -> None:
        seen: list[str] = []
        cursor: str | None = None
        async with unit(readonly=True) as uow:
            while True:
                page = await uow.calls.page(
                    CallFilter(), limit=4, cursor=Cursor.decode(cursor, Call)
                )
                seen += [call.external_id for call in page.items]
                if (cursor := page.next_cursor) is None:
                    break
        assert seen == [f"call-{n:05}" for n in (6, 5, 4, 3, 2, 1)]

    async def test_of_a_lead(self, unit: Unit) -> None:
        async with unit(readonly=True) as uow:
            found = await uow.calls.of_lead("lead_1", ["+14155550123"])
        # Number 6 carries the id of another lead: its number does not make it this one's.
        assert [int(call.external_id[-5:]) for call in found] == [5, 4, 3]

    async def test_open_ones(self, unit: Unit) -> None:
        async with unit(readonly=True) as uow:
            found = await uow.calls.open(CallSource.VAPI, limit=9)
        assert [call.external_id for call in found] == ["call-00004"]

    async def test_links_to_agents(self, unit: Unit) -> None:
        async with unit() as uow:
            assert await uow.calls.unlinked_assistants() == {"asst"}
            assert await uow.calls.link_agents({"asst": "remus", "other": "remus"}) == 1
            assert await uow.calls.link_agents({"asst": "remus"}) == 0
        async with unit() as uow:
            await uow.agents.delete(await uow._session.get_one(Agent, "remus"))  # pyright: ignore[reportPrivateUsage]
        async with unit(readonly=True) as uow:
            assert await uow.calls.unlinked_assistants() == {"asst"}


async def test_totals_are_exact(unit: Unit) -> None:
    """Sums of floats would be off in the last cents; sums of these are not."""
    costs = [Decimal(n * 37 % 9973) / 100_000 + Decimal("0.00000001") for n in range(900)]
    found = [
        facts(n, cost_usd=cost, created_at=T0 + timedelta(hours=n),
              source_updated_at=T0 + timedelta(days=90), duration_seconds=1.5,
              success_evaluation=("true", "false", "Good")[n % 3])
        for n, cost in enumerate(costs)
    ]  # fmt: skip
    async with unit() as uow:
        await uow.calls.store([*found, facts(5000, ending=None, status="queued")])
        found = await uow.call_totals.read(CallFilter())
    assert found.overall.cost_usd == sum(costs)
    assert (found.overall.calls, found.overall.ended, found.overall.priced) == (901, 900, 900)
    assert found.overall.duration_seconds == 1350
    assert found.by_day[T0.date()].cost_usd == sum(costs[:14])
