"""A call that both Vapi and Close keep is one, whatever comes first; on both databases."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from mission_control.api.mirrors.close.store import store_calls
from mission_control.core.words import CallEnding, CallSource
from mission_control.data.calls import Call, CallFacts, CallFilter
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.unit_of_work import UnitOfWork
from mission_control_sandbox.close.records import call_as_json, call_record, identifier
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.people import person
from tests.calls_world import TODAY, calls_world, settings_for

T0 = datetime(2026, 11, 20, 23, 59, tzinfo=UTC)
NUMBER = "+14155550123"
VAPI_ID = "0b6c1f2e-8a34-4b69-b0d7-61e0a9c3f201"
Unit = Callable[..., UnitOfWork]


@pytest.fixture
async def unit(database_url: str) -> AsyncIterator[Unit]:
    engine = create_engine(database_url)
    sessions = create_sessions(engine)
    yield partial(UnitOfWork, sessions)
    await engine.dispose()


def at_vapi(external_id: str = VAPI_ID, *, after: float = 0, **changes: Any) -> CallFacts:
    return _facts(CallSource.VAPI, external_id, after, {"duration_seconds": 90.0, **changes})


def at_close(external_id: str = "acti_1", *, after: float = 40, **changes: Any) -> CallFacts:
    return _facts(CallSource.CLOSE, external_id, after, {"duration_seconds": 110.0, **changes})


def _facts(source: CallSource, external_id: str, after: float, changes: Any) -> CallFacts:
    began = T0 + timedelta(seconds=after)
    told: dict[str, Any] = {
        "created_at": began,
        "started_at": began,
        "source_updated_at": began + timedelta(minutes=5),
        "ending": CallEnding.CUSTOMER,
        "customer_number": NUMBER,
        "document": {"id": external_id},
    }
    return CallFacts(source=source, external_id=external_id, **{**told, **changes})


async def pairs(unit: Unit) -> dict[str, str]:
    async with unit(readonly=True) as uow:
        rows = (
            await uow.calls.page(CallFilter(source=CallSource.CLOSE), limit=500, cursor=None)
        ).items
        return {
            row.external_id: (await uow.calls.get(row.same_call_as)).external_id
            for row in rows
            if row.same_call_as is not None
        }


async def counted(unit: Unit, **wanted: Any) -> tuple[int, int]:
    """In the totals, and in the list."""
    async with unit(readonly=True) as uow:
        assert await uow.call_totals.differences() == []
        totals = await uow.call_totals.read(CallFilter(**wanted))
        listed = await uow.calls.page(CallFilter(**wanted), limit=50, cursor=None)
        assert sum(each.calls for each in totals.by_day.values()) == totals.overall.calls
        return totals.overall.calls, len(listed.items)


@pytest.mark.parametrize(
    ("one", "other", "is_one"),
    [
        (at_vapi(), at_close(), True),
        (at_vapi(), at_close(after=120), True),
        (at_vapi(), at_close(after=121), False),
        (at_vapi(), at_close(customer_number="+14155550199"), False),
        (at_vapi(customer_number=None), at_close(customer_number=None), False),
        (at_vapi(customer_number="anonymous"), at_close(customer_number="anonymous"), False),
        (at_vapi(duration_seconds=10.0), at_close(duration_seconds=300.0), False),
        (at_vapi(duration_seconds=1_000.0), at_close(duration_seconds=1_150.0), True),
        (at_vapi(duration_seconds=None), at_close(duration_seconds=300.0), True),
        (at_vapi(), at_close(duration_seconds=0.0), True),  # only logged
        (at_vapi(direction="inbound"), at_close(direction="outbound"), False),
        (at_vapi(lead_id="lead_1"), at_close(lead_id="lead_2"), False),
        (at_vapi(), at_close(after=9_000, names_call=VAPI_ID, customer_number=None), True),
        (at_vapi(), at_close(names_call="11111111-8a34-4b69-b0d7-61e0a9c3f201"), False),
    ],
)  # fmt: skip
async def test_which_are_one(unit: Unit, one: CallFacts, other: CallFacts, is_one: bool) -> None:
    for first, second in ((one, other), (other, one)):
        for facts in (first, second):
            async with unit() as uow:
                await uow.calls.record([facts])
        assert (await pairs(unit) != {}) is is_one
        count = 1 if is_one else 2
        assert await counted(unit) == (count, count)
        for source in CallSource:
            assert await counted(unit, source=source) == (1, 1)
        async with unit() as uow:
            await uow.calls.delete(CallSource.VAPI, [VAPI_ID])
            await uow.calls.delete(CallSource.CLOSE, ["acti_1"])


async def test_each_is_one_of_a_pair_whatever_comes_first(unit: Unit) -> None:
    """Called twice within two minutes: the nearest are one, and neither counts for two."""
    known = [
        at_vapi("v1", after=0, duration_seconds=20.0), at_vapi("v2", after=70, duration_seconds=30.0),
        at_close("c1", after=5, duration_seconds=25.0), at_close("c2", after=72, duration_seconds=35.0),
    ]  # fmt: skip
    for order in list(permutations(known))[::3]:
        for facts in order:
            async with unit() as uow:
                await uow.calls.record([facts])
        assert await pairs(unit) == {"c1": "v1", "c2": "v2"}
        assert await counted(unit) == (2, 2)
        async with unit() as uow:
            await uow.calls.delete(CallSource.VAPI, ["v1"])
        assert "c1" not in await pairs(unit)
        async with unit() as uow:
            await uow.calls.delete(CallSource.VAPI, ["v2"])
            await uow.calls.delete(CallSource.CLOSE, ["c1", "c2"])


async def test_what_is_learnt_later_parts_them(unit: Unit) -> None:
    async with unit() as uow:
        await uow.calls.record([at_vapi(duration_seconds=None), at_close()])
    assert await counted(unit) == (1, 1)
    async with unit() as uow:
        later = T0 + timedelta(hours=1)
        await uow.calls.record([at_vapi(duration_seconds=900.0, source_updated_at=later)])
    assert await counted(unit) == (2, 2)


async def test_either_rows_words_find_it_once(unit: Unit) -> None:
    theirs = at_close(transcript="Us: only Close heard the zebra", lead_id="lead_1")
    async with unit() as uow:
        await uow.calls.record([at_vapi(transcript="AI: both heard the roof"), theirs])

    async def found(**wanted: Any) -> list[Call]:
        async with unit(readonly=True) as uow:
            return [*(await uow.calls.page(CallFilter(**wanted), limit=9, cursor=None)).items]

    assert [call.source for call in await found(text="roof")] == [CallSource.VAPI]
    assert [call.source for call in await found(text="zebra")] == [CallSource.CLOSE]
    assert [call.source for call in await found(text="heard")] == [CallSource.VAPI]
    assert [call.source for call in await found(lead_id="lead_1")] == [CallSource.CLOSE]
    assert [call.source for call in await found(text=NUMBER)] == [CallSource.VAPI]


async def test_of_two_whole_worlds_each_call_is_found_once(
    unit: Unit, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Every third call of the stand-in for Vapi is logged in Close, and every second logger names it."""
    people = 60
    async with calls_world(settings_for(database_url, redis_url, tmp_path), people=people) as world:
        await world.sync()
        logged = conversations.logged_indices(people)
        own = conversations.close_indices(people)
        told = [logged_in_close(index, people) for index in (*logged, *own)]
        async with world.resources.unit_of_work() as uow:
            await store_calls(uow, told)
        totals = await world.totals()
        there = len(conversations.vapi_indices(people))
        assert totals["calls"] == there + len(own)
        for source, count in (("vapi", there), ("close", len(logged) + len(own))):
            answer = await world.http.get("/api/calls/totals", params={"source": source})
            assert answer.json()["calls"] == count
        found = await pairs(unit)
        assert found == {
            identifier("acti", index): conversations.vapi_id(index) for index in logged
        }


def logged_in_close(index: int, people: int) -> dict[str, Any]:
    call = conversations.conversation(index, today=TODAY, people=people)
    record = call_record(call, person(call.person_index, today=TODAY))
    return call_as_json(record, origin="https://close.example")
