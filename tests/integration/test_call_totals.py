"""Totals of calls on the real SQLite and the real PostgreSQL: always what the calls come to."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, text

from mission_control.core.call_success import COMPARABLE
from mission_control.core.words import CallEnding, CallSource, SuccessRubric
from mission_control.data.agents import Agent
from mission_control.data.call_figures import CallSums
from mission_control.data.calls import Call, CallFacts, CallFilter, CallPart
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
    yield partial(UnitOfWork, sessions)
    await engine.dispose()


ASSISTANTS = {"asst": None, "asst-ada": "ada", "asst-bob": "bob"}
JUDGED = (
    (None, None), (None, "true"), (None, "9"), (SuccessRubric.PASS_FAIL, "false"),
    (SuccessRubric.NUMERIC, "9"), (SuccessRubric.NUMERIC, "10"), (SuccessRubric.NUMERIC, "Good"),
    (SuccessRubric.PERCENTAGE, "85%"), (SuccessRubric.DESCRIPTIVE, "Fair"),
    (SuccessRubric.LIKERT, "Strongly Agree"), (SuccessRubric.CHECKLIST, '{"a": true, "b": false}'),
)  # fmt: skip


def statement_about(number: int, chance: random.Random, version: int) -> CallFacts:
    """Two and two of them, one of each source, may be of one call; some have several assistants."""
    ending = chance.choice([None, *CallEnding])
    cost = chance.choice([None, Decimal(chance.randrange(10**10)).scaleb(-8)])
    source = list(CallSource)[number % 2]
    is_vapi = source is CallSource.VAPI
    begun = T0 + timedelta(hours=number // 2 * 5)
    rubric, answer = chance.choice(JUDGED)
    speakers = [chance.choice(list(ASSISTANTS)) for _ in range(chance.randrange(5))]
    return CallFacts(
        source=source,
        external_id=f"call-{number}",
        created_at=begun - timedelta(minutes=chance.randrange(300)),
        started_at=begun + timedelta(seconds=chance.choice([0, 0, 30, 100, 500])),
        source_updated_at=T0 + timedelta(days=90, seconds=version),
        agent_id=chance.choice(AGENTS) if is_vapi else None,
        part_agents={one: agent for one, agent in ASSISTANTS.items() if agent},
        assistant_id="asst" if is_vapi else None,
        assistant_version=chance.choice([None, "v1", "v2"]) if is_vapi else None,
        customer_number=chance.choice([None, f"+1415555{number // 2 % 7:04}"]),
        direction=chance.choice([None, "inbound", "outbound"]),
        names_call=None if is_vapi else chance.choice([None, None, None, f"call-{number - 1}"]),
        ending=ending,
        success_rubric=rubric,
        success_evaluation=answer,
        cost_usd=cost,
        duration_seconds=chance.choice(
            [None, round(chance.uniform(0, 4_000), 6), 90.0, 120.0, 1e-7]
        ),
        document={"version": version, "artifact": spoken(speakers) if is_vapi else {}},
    )


def spoken(speakers: list[str]) -> dict[str, Any]:
    return {
        "assistantActivations": [
            {"assistantId": one, "assistantName": one.upper(), "assistantVersion": f"v{at}"}
            for at, one in enumerate(speakers)
        ],
        "messages": [
            {"role": "bot", "message": "Hi", "secondsFromStart": at * 40.5, "assistantId": one}
            for at, one in enumerate(speakers)
        ],
    }


@dataclass(frozen=True)
class Counted:
    """A call, or what one agent had of it, as it counts."""

    call: Call
    agent_id: str | None
    version: str | None
    ending: CallEnding | None
    success: bool | None
    score: tuple[SuccessRubric, float] | None
    cost: Decimal | None
    duration: float


def whole(call: Call) -> Counted:
    rubric, score = call.success_rubric, call.success_score
    judged = (rubric, score) if rubric in COMPARABLE and rubric and score is not None else None
    return Counted(
        call, call.agent_id, call.assistant_version, call.ending, call.success, judged,
        call.cost_usd, call.duration_seconds or 0.0,
    )  # fmt: skip


def had(call: Call, part: CallPart) -> Counted:
    told = whole(call)
    handed_on = CallEnding.TRANSFERRED if call.ending else None
    return replace(
        told,
        agent_id=part.agent_id,
        version=part.assistant_version,
        ending=told.ending if part.is_last else handed_on,
        success=told.success if part.is_last else None,
        score=told.score if part.is_last else None,
        cost=None if part.cost_units is None else Decimal(part.cost_units).scaleb(-8),
        duration=(part.duration_us or 0) / 1_000_000,
    )


async def all_calls(uow: UnitOfWork) -> list[tuple[Call, list[CallPart]]]:
    calls = [*await uow._session.scalars(select(Call))]  # pyright: ignore[reportPrivateUsage]
    parts = [*await uow._session.scalars(select(CallPart))]  # pyright: ignore[reportPrivateUsage]
    return [(call, [part for part in parts if part.call_id == call.id]) for call in calls]


def added_up(counted: list[Counted]) -> dict[str, Any]:
    """In plain Python, from the columns that the API shows."""
    ended = [each for each in counted if each.ending is not None]
    judged = Counter(each.success for each in ended)
    scores: dict[SuccessRubric, list[float]] = {}
    for each in ended:
        if each.score is not None:
            scores.setdefault(each.score[0], []).append(each.score[1])
    unjudged = judged[None] - sum(len(each) for each in scores.values())
    return {
        "calls": len(counted),
        "cost_usd": sum((each.cost or Decimal(0) for each in counted), Decimal(0)),
        "priced": sum(each.cost is not None for each in counted),
        "unpriced": sum(each.cost is None for each in ended),
        "judged": (judged[True], judged[False], unjudged),
        "scores": {
            rubric: (len(each), pytest.approx(sum(each) / len(each), abs=2e-6))
            for rubric, each in scores.items()
        },
        "endings": dict(Counter(each.ending for each in ended)),
        "duration": pytest.approx(sum(each.duration for each in counted), abs=1e-3),
    }


def told(sums: CallSums) -> dict[str, Any]:
    return {
        "calls": sums.calls,
        "cost_usd": sums.cost_usd,
        "priced": sums.priced,
        "unpriced": sums.unpriced,
        "judged": (sums.succeeded, sums.failed, sums.unjudged),
        "scores": {rubric: (each.calls, each.average) for rubric, each in sums.scores.items()},
        "endings": dict(sums.endings),
        "duration": sums.duration_seconds,
    }


async def assert_right(unit: Unit, chance: random.Random) -> None:
    async with unit(readonly=True) as uow:
        assert await uow.call_totals.differences() == []
        calls = await all_calls(uow)
        for _ in range(10):
            first = T0 + timedelta(minutes=chance.randrange(-2_000, 20_000))
            wanted = CallFilter(
                agent_id=chance.choice([None, *AGENTS]),
                source=chance.choice([None, *CallSource]),
                created_from=chance.choice([None, first, first.replace(hour=0, minute=0)]),
                created_to=chance.choice(
                    [None, first + timedelta(minutes=chance.randrange(9_000))]
                ),
            )
            fitting = [(call, parts) for call, parts in calls if _fits(call, wanted)]
            by_agent = [
                each
                for call, parts in fitting
                for each in ([had(call, part) for part in parts] or [whole(call)])
                if wanted.agent_id in {None, each.agent_id}
            ]
            everything = by_agent if wanted.agent_id else [whole(call) for call, _ in fitting]
            found = await uow.call_totals.read(wanted)
            assert told(found.overall) == added_up(everything), wanted
            for agent_id in {each.agent_id for each in by_agent} | found.by_agent.keys():
                some = [each for each in by_agent if each.agent_id == agent_id]
                assert told(found.by_agent[agent_id]) == added_up(some)
            versions = {(each.agent_id, each.version) for each in by_agent}
            for key in versions | found.by_version.keys():
                some = [each for each in by_agent if (each.agent_id, each.version) == key]
                assert told(found.by_version[key]) == added_up(some)
            for day in {each.call.created_at.date() for each in everything} | found.by_day.keys():
                some = [each for each in everything if each.call.created_at.date() == day]
                assert told(found.by_day[day]) == added_up(some)
            listed = (await uow.calls.page(wanted, limit=1_000, cursor=None)).items
            whose = {each.call.id for each in by_agent} if wanted.agent_id else None
            assert {call.id for call in listed} >= {
                call.id for call, _ in fitting if whose is None or call.id in whose
            }


def _fits(call: Call, wanted: CallFilter) -> bool:
    return (
        wanted.source == call.source if wanted.source is not None else call.same_call_as is None
    ) and (
        (wanted.created_from is None or call.created_at >= wanted.created_from)
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
                await uow.calls.judge_by({"asst": SuccessRubric.NUMERIC})
        await assert_right(unit, chance)
        async with unit(readonly=True) as uow:
            calls = await all_calls(uow)
        assert any(parts for _, parts in calls)
        assert any(call.same_call_as for call, _ in calls)
    async with unit() as uow:
        await uow.agents.delete(await uow._session.get_one(Agent, "ada"))  # pyright: ignore[reportPrivateUsage]
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
        await uow._session.execute(text("UPDATE call_totals SET calls = calls + 2"))  # pyright: ignore[reportPrivateUsage]
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
