"""Totals of calls on the real SQLite and the real PostgreSQL: always what the calls come to."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select, text

from mission_control.core.words import CallEnding, CallSource
from mission_control.data.agents import Agent
from mission_control.data.call_totals import CallSums
from mission_control.data.calls import Call, CallFacts, CallFilter
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import an_agent

T0 = datetime(2026, 11, 1, 22, 30, tzinfo=UTC)
AGENTS = (None, "ada", "bob")
Unit = Callable[..., UnitOfWork]


@pytest.fixture
async def unit(database_url: str) -> AsyncIterator[Unit]:
    engine = create_engine(database_url)
    sessions = create_sessions(engine)
    async with UnitOfWork(sessions) as uow:
        for agent_id in AGENTS[1:]:
            await an_agent(uow, agent_id)
    yield lambda **options: UnitOfWork(sessions, **options)
    await engine.dispose()


def statement_about(number: int, chance: random.Random, version: int) -> CallFacts:
    ending = chance.choice([None, *CallEnding])
    cost = chance.choice([None, Decimal(chance.randrange(10**10)).scaleb(-8)])
    return CallFacts(
        source=list(CallSource)[number % 2],
        external_id=f"call-{number}",
        created_at=T0 + timedelta(hours=number * 5) - timedelta(minutes=chance.randrange(300)),
        source_updated_at=T0 + timedelta(days=90, seconds=version),
        agent_id=chance.choice(AGENTS),
        assistant_id="asst",
        ending=ending,
        success=chance.choice([None, True, False]),
        cost_usd=cost,
        duration_seconds=chance.choice([None, round(chance.uniform(-5, 4_000), 6), 1e-7]),
        document={"version": version},
    )


async def all_calls(uow: UnitOfWork) -> list[Call]:
    return [*await uow._session.scalars(select(Call))]


def added_up(calls: list[Call]) -> dict[str, Any]:
    """In plain Python, from the columns that the API shows."""
    ended = [call for call in calls if call.ending is not None]
    judged = Counter(call.success for call in ended)
    return {
        "calls": len(calls),
        "cost_usd": sum((call.cost_usd or Decimal(0) for call in calls), Decimal(0)),
        "priced": sum(call.cost_usd is not None for call in calls),
        "unpriced": sum(call.cost_usd is None for call in ended),
        "judged": (judged[True], judged[False], judged[None]),
        "endings": dict(Counter(call.ending for call in ended)),
        "duration": round(sum(call.duration_seconds or 0 for call in calls), 3),
    }


def told(sums: CallSums) -> dict[str, Any]:
    return {
        "calls": sums.calls,
        "cost_usd": sums.cost_usd,
        "priced": sums.priced,
        "unpriced": sums.unpriced,
        "judged": (sums.succeeded, sums.failed, sums.unjudged),
        "endings": dict(sums.endings),
        "duration": round(sums.duration_seconds, 3),
    }


async def assert_right(unit: Unit, chance: random.Random) -> None:
    async with unit(readonly=True) as uow:
        assert await uow.call_totals.differences() == []
        calls = await all_calls(uow)
        for _ in range(25):
            first = T0 + timedelta(minutes=chance.randrange(-2_000, 20_000))
            wanted = CallFilter(
                agent_id=chance.choice([None, *AGENTS]),
                source=chance.choice([None, *CallSource]),
                created_from=chance.choice([None, first, first.replace(hour=0, minute=0)]),
                created_to=chance.choice(
                    [None, first + timedelta(minutes=chance.randrange(9_000))]
                ),
            )
            fitting = [call for call in calls if _fits(call, wanted)]
            found = await uow.call_totals.read(wanted)
            assert told(found.overall) == added_up(fitting), wanted
            for agent_id in {call.agent_id for call in fitting} | found.by_agent.keys():
                some = [call for call in fitting if call.agent_id == agent_id]
                assert told(found.by_agent[agent_id]) == added_up(some)
            for day in {call.created_at.date() for call in fitting} | found.by_day.keys():
                some = [call for call in fitting if call.created_at.date() == day]
                assert told(found.by_day[day]) == added_up(some)


def _fits(call: Call, wanted: CallFilter) -> bool:
    return (
        wanted.agent_id in {None, call.agent_id}
        and wanted.source in {None, call.source}
        and (wanted.created_from is None or call.created_at >= wanted.created_from)
        and (wanted.created_to is None or call.created_at < wanted.created_to)
    )


@pytest.mark.parametrize("seed", range(3))
async def test_always_what_the_calls_come_to(unit: Unit, seed: int) -> None:
    chance = random.Random(seed)
    for version in range(6):
        numbers = [chance.randrange(60) for _ in range(40)]
        async with unit() as uow:
            await uow.calls.store([statement_about(n, chance, version) for n in numbers])
            gone = [f"call-{chance.randrange(60)}" for _ in range(3)]
            await uow.calls.delete(chance.choice(list(CallSource)), gone)
            if version % 2:
                await uow.calls.link_agents({"asst": "ada"})
        await assert_right(unit, chance)
    async with unit() as uow:
        await uow.agents.delete(await uow._session.get_one(Agent, "ada"))
    await assert_right(unit, chance)
    async with unit(readonly=True) as uow:
        assert "ada" not in (await uow.call_totals.read(CallFilter())).by_agent


async def test_several_writers_at_once(unit: Unit) -> None:
    """Of the same calls, days and agents, in other orders: nothing is lost, nobody waits for ever."""

    async def write(seed: int) -> None:
        chance = random.Random(seed)
        for version in range(5):
            numbers = chance.sample(range(30), 20)
            async with unit() as uow:
                await uow.calls.store(
                    [statement_about(n, chance, version * 10 + seed) for n in numbers]
                )
            async with unit() as uow:
                await uow.calls.delete(CallSource.VAPI, [f"call-{chance.randrange(30)}"])

    async def rebuild() -> None:
        for _ in range(4):
            async with unit() as uow:
                await uow.call_totals.rebuild()

    await asyncio.gather(*(write(seed) for seed in range(4)), rebuild())
    await assert_right(unit, random.Random(1))


async def test_what_failed_is_not_counted(unit: Unit) -> None:
    async def fail() -> None:
        async with unit() as uow:
            await uow.calls.store([statement_about(1, random.Random(1), 1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with unit(readonly=True) as uow:
        assert (await uow.call_totals.read(CallFilter())).overall.calls == 0


async def test_wrong_sums_are_found_and_mended(unit: Unit) -> None:
    chance = random.Random(3)
    async with unit() as uow:
        await uow.calls.store([statement_about(n, chance, 1) for n in range(20)])
        await uow.call_totals.write_changes()
        await uow._session.execute(text("UPDATE call_totals SET calls = calls + 2"))
    async with unit() as uow:
        wrong = await uow.call_totals.differences()
        assert {each.too_high_by["calls"] for each in wrong} == {2}
        await uow.call_totals.rebuild()
    await assert_right(unit, chance)


async def test_times_at_the_ends_of_the_calendar(unit: Unit) -> None:
    async with unit() as uow:
        await uow.calls.store([statement_about(1, random.Random(1), 1)])
        earliest, latest = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        for bounds in ((earliest, latest), (earliest, None), (None, latest)):
            wanted = CallFilter(created_from=bounds[0], created_to=bounds[1])
            assert (await uow.call_totals.read(wanted)).overall.calls == 1
        for wanted in (CallFilter(created_from=latest), CallFilter(created_to=earliest)):
            assert (await uow.call_totals.read(wanted)).overall.calls == 0
