"""Calls through the API, and the sync that fills the mirror: interrupted, repeated, refused."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mission_control.api.mirrors.report import unreported
from mission_control.api.mirrors.tally import ChangeTally
from mission_control.api.mirrors.vapi import sync as vapi_sync
from mission_control.api.mirrors.work import poll_vapi
from mission_control.core.words import CallSource, JobKind
from mission_control.data.jobs import Job
from mission_control.integrations.errors import IntegrationError
from mission_control.integrations.vapi.reader import VapiReader
from mission_control.integrations.vapi_client import VAPIClient
from tests.calls_world import CallsWorld, calls_world, settings_for


@pytest.fixture(autouse=True)
def _small_pages_and_no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VapiReader, "calls_page_size", 20)
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)


@pytest.fixture
async def world(sqlite_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[CallsWorld]:
    async with calls_world(settings_for(sqlite_url, redis_url, tmp_path), people=80) as world:
        await world.has_agents()
        yield world


async def state_of(world: CallsWorld) -> Any:
    async with world.resources.unit_of_work(readonly=True) as uow:
        return await uow.sync_states.seen(vapi_sync.SYNC_NAME)


async def was_read_long_ago(world: CallsWorld) -> None:
    """So that a poll has something to go on from: the first reading is a sync's."""
    async with world.resources.unit_of_work() as uow:
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        (await uow.sync_states.of(vapi_sync.SYNC_NAME)).complete_until = long_ago


class KilledError(Exception):
    """What kill -9 leaves behind, it leaves without a word."""


class TestSync:
    async def test_everything_then_nothing_then_what_changed(self, world: CallsWorld) -> None:
        there = (await world.vapi.get("/sandbox/world")).json()["calls"]
        first = await world.sync()
        assert first == {"calls": there}
        before = await world.rows()
        assert await changed_recently(world) > 0
        assert await world.sync() == {"calls": 0}
        assert await world.rows() == before

        placed = await world.places_a_call(tomorrow=True)
        assert (await world.sync())["calls"] == 1
        [row] = [row for row in await world.rows() if row["external_id"] == placed["id"]]
        assert (row["status"], row["ending"]) == ("scheduled", None)

    async def test_calls_find_their_agents_by_name(self, world: CallsWorld) -> None:
        await world.sync()
        figures = (await world.totals())["by_agent"]
        assert {each["agent_id"] for each in figures} == {"remus", "genesis", "scout"}

    async def test_a_killed_sync_goes_on_at_its_page(self, world: CallsWorld) -> None:
        async def dies(*, phase: str, done: int, total: int | None) -> None:
            if done >= 50:
                raise KilledError

        with pytest.raises(KilledError):
            await world.sync(dies)
        stored = len(await world.rows())
        assert stored >= 50
        found = await world.sync()
        there = (await world.vapi.get("/sandbox/world")).json()["calls"]
        assert len(await world.rows()) == there
        assert found["calls"] <= there - stored + 1  # the pages before are not read again
        assert (await world.totals())["calls"] == there

    async def test_an_open_call_is_asked_for_until_it_ends(self, world: CallsWorld) -> None:
        await world.sync()
        [row, *_] = await world.rows()
        await world.forget([row["external_id"]])
        told = {"type": "status-update", "status": "ringing", "timestamp": 1_700_000_000_000}
        await world.tell({**told, "call": {"id": row["external_id"]}})
        await world.tell({**told, "call": {"id": "nobody-knows-this-one"}})
        await world.sync()
        rows = {each["external_id"]: each for each in await world.rows()}
        assert rows[row["external_id"]]["cost_usd"] == row["cost_usd"]
        assert rows["nobody-knows-this-one"]["status"] == "not-found"
        asked = await world.requests("/call/")
        await world.sync()
        assert await world.requests("/call/") == asked

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            ({"kind": "status", "status": 503}, "integration_unavailable"),
            ({"kind": "status", "status": 401}, "integration_credentials"),
            ({"kind": "rate_limit", "retry_after": "40"}, "integration_rate_limited"),
            ({"kind": "html"}, "integration_"),
        ],
        ids=["away", "key", "rate", "nonsense"],
    )
    async def test_vapi_away_stops_only_the_sync(
        self, world: CallsWorld, fault: dict[str, Any], code: str
    ) -> None:
        await world.sync()
        before = await world.totals()
        await world.breaks(path="/call", **fault)
        with pytest.raises(IntegrationError) as caught:
            await world.sync()
        assert caught.value.code.startswith(code)
        state = await state_of(world)
        assert state.error["code"] == caught.value.code
        await poll_vapi(world.resources)  # says so in one line, and is not a failed task
        assert await world.totals() == before
        assert (await world.http.get("/api/calls")).status_code == 200
        await world.vapi.post("/sandbox/reset")
        await poll_vapi(world.resources)
        assert (await state_of(world)).error is None

    async def test_the_poll_stands_aside_while_a_sync_runs(self, world: CallsWorld) -> None:
        async with world.resources.unit_of_work() as uow:
            uow.jobs.add(Job(kind=JobKind.SYNC, exclusive_key=JobKind.SYNC))
        await poll_vapi(world.resources)
        assert await world.requests("/call") == 0

    async def test_what_changed_shortly_before_the_newest_change_is_asked_for_again(
        self, world: CallsWorld
    ) -> None:
        await world.sync()
        call = (await world.vapi.get("/call", params={"limit": 1})).json()[0]
        changed_at = datetime.fromisoformat(call["updatedAt"])
        for since, is_read_again in (
            (vapi_sync.OVERLAP - timedelta(seconds=10), True),
            (vapi_sync.OVERLAP + timedelta(seconds=10), False),
        ):
            await world.forget([call["id"]])
            async with world.resources.unit_of_work() as uow:
                state = await uow.sync_states.of(vapi_sync.SYNC_NAME)
                state.complete_until = changed_at + since
            await poll_vapi(world.resources)
            ids = {row["external_id"] for row in await world.rows()}
            assert (call["id"] in ids) is is_read_again

    async def test_changes_are_complete_until_the_newest_one_of_the_first_page(
        self, world: CallsWorld
    ) -> None:
        """While later pages are read, calls may change that the first one has passed."""
        await was_read_long_ago(world)
        first = (await world.vapi.get("/call", params={"limit": 20})).json()
        newest = max(datetime.fromisoformat(call["updatedAt"]) for call in first)
        await poll_vapi(world.resources)
        assert len(await world.rows()) > len(first)
        assert (await state_of(world)).complete_until == newest

    async def test_a_resumed_sync_counts_what_its_earlier_attempts_changed(
        self, world: CallsWorld
    ) -> None:
        async def dies(*, phase: str, done: int, total: int | None) -> None:
            raise KilledError

        there = (await world.vapi.get("/sandbox/world")).json()["calls"]
        job, another = uuid4(), uuid4()
        with pytest.raises(KilledError):
            await vapi_sync.sync_vapi_calls(world.resources, dies, ChangeTally("vapi", job))
        found = await vapi_sync.sync_vapi_calls(
            world.resources, unreported, ChangeTally("vapi", job)
        )
        assert found == {"calls": there}
        later = ChangeTally("vapi", another)
        assert await vapi_sync.sync_vapi_calls(world.resources, unreported, later) == {"calls": 0}


async def changed_recently(world: CallsWorld) -> int:
    """How many calls changed at Vapi within the overlap."""
    async with world.resources.unit_of_work(readonly=True) as uow:
        state = await uow.sync_states.seen(vapi_sync.SYNC_NAME)
    assert state is not None
    assert state.complete_until is not None
    since = (state.complete_until - vapi_sync.OVERLAP).isoformat()
    found = await world.vapi.get("/call", params={"updatedAtGe": since, "limit": 1000})
    return len(found.json())


class TestRoutes:
    async def test_lists_details_and_totals_agree(self, world: CallsWorld) -> None:
        await world.sync()
        seen: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            params = {"limit": 30, "cursor": cursor} if cursor else {"limit": 30}
            page = (await world.http.get("/api/calls", params=params)).json()
            seen += page["items"]
            if (cursor := page["next_cursor"]) is None:
                break
        assert seen == sorted(seen, key=lambda call: call["created_at"], reverse=True)
        assert len({call["id"] for call in seen}) == len(seen)

        totals = await world.totals()
        assert totals["calls"] == len(seen)
        costs = [Decimal(call["cost_usd"]) for call in seen if call["cost_usd"] is not None]
        assert Decimal(totals["cost_usd"]) == sum(costs)
        for part in ("by_agent", "by_day"):
            assert sum(each["calls"] for each in totals[part]) == len(seen)
            assert sum(Decimal(each["cost_usd"]) for each in totals[part]) == sum(costs)
        success = totals["success"]
        scored = {rubric: each["calls"] for rubric, each in success["scores"].items()}
        assert sum(totals["endings"].values()) == totals["ended"]
        assert (
            success["yes"] + success["no"] + success["unknown"] + sum(scored.values())
            == (totals["ended"])
        )
        by_rubric = Counter(
            call["success_rubric"] for call in seen if call["success_score"] is not None
        )
        assert by_rubric == {**scored, "pass_fail": success["yes"] + success["no"]}
        assert set(scored) == {"numeric", "descriptive"}  # of GENESIS and SCOUT

        held = next(
            call for call in seen if (call["duration_seconds"] or 0) > 20 and call["summary"]
        )
        detail = (await world.http.get(f"/api/calls/{held['id']}")).json()
        assert held.items() <= detail.items()
        assert {turn["speaker"] for turn in detail["turns"]} >= {"agent", "caller"}
        assert any(turn["latency_seconds"] for turn in detail["turns"])
        assert detail["cost_breakdown"]

    async def test_filters_by_query(self, world: CallsWorld) -> None:
        await world.sync()

        async def found(**params: Any) -> list[dict[str, Any]]:
            answer = await world.http.get("/api/calls", params={"limit": 200, **params})
            assert answer.status_code == 200, answer.text
            return answer.json()["items"]

        everything = await found()
        assert {call["agent_id"] for call in await found(agent_id="remus")} == {"remus"}
        assert {call["success"] for call in await found(success="false")} == {False}
        assert {call["ending"] for call in await found(ending="customer")} == {"customer"}
        dear = [call for call in everything if Decimal(call["cost_usd"] or 0) >= Decimal("0.1")]
        assert await found(min_cost="0.1") == dear
        middle = everything[len(everything) // 2]["created_at"]
        later, earlier = await found(**{"from": middle}), await found(to=middle)
        assert later + earlier == everything
        named = next(call for call in everything if call["customer_name"])
        assert named in await found(text=named["customer_name"].upper())

    async def test_refusals(self, world: CallsWorld) -> None:
        second = "2026-11-02T00:00:00Z"
        for path, status, code in (
            ("/api/calls?text=x", 422, "invalid_payload"),
            ("/api/calls?min_cost=-1", 422, "invalid_payload"),
            ("/api/calls?min_cost=NaN", 422, "invalid_payload"),
            ("/api/calls?from=2026-11-01", 422, "invalid_payload"),
            ("/api/calls?cursor=x", 422, "cursor_invalid"),
            (f"/api/calls?from={second}&to=2026-11-01T00:00:00Z", 422, "call_filter_invalid"),
            (f"/api/calls/totals?from={second}&to={second}", 422, "call_filter_invalid"),
            ("/api/calls/nonsense", 422, "invalid_payload"),
            ("/api/calls/7c3f0d7e-0000-4000-8000-000000000000", 404, "not_found"),
        ):
            answer = await world.http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (status, code), path

    async def test_no_calls_are_no_cost(self, world: CallsWorld) -> None:
        totals = await world.totals()
        assert (totals["calls"], totals["cost_usd"], totals["by_day"]) == (0, "0.00000000", [])

    async def test_money_is_written_out(self, world: CallsWorld) -> None:
        for call_id, cost in (("call-1", 0), ("call-2", 1.2e-7)):
            await world.tell(
                {"type": "end-of-call-report", "call": {"id": call_id}, "cost": cost,
                 "costBreakdown": {"stt": cost}}
            )  # fmt: skip
        listed = (await world.http.get("/api/calls")).json()["items"]
        assert {one["cost_usd"] for one in listed} == {"0.00000000", "0.00000012"}
        detail = (await world.http.get(f"/api/calls/{listed[0]['id']}")).json()
        assert detail["cost_breakdown"]["stt"] == listed[0]["cost_usd"]
        assert (await world.totals())["cost_usd"] == "0.00000012"
        found = await world.http.get("/api/calls?min_cost=0.0000001")
        assert len(found.json()["items"]) == 1

    async def test_nobody_has_called_yet(
        self, world: CallsWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Then everything is mirrored, too, and the poll may begin."""

        async def nothing(*_: Any, **__: Any) -> list[Any]:
            return []

        with monkeypatch.context() as patched:
            patched.setattr(VapiReader, "_list", nothing)
            assert await world.sync() == {"calls": 0}
        assert (await state_of(world)).complete_until is not None
        await was_read_long_ago(world)
        await poll_vapi(world.resources)
        assert (await world.totals())["calls"] > 0


async def test_a_storm_of_webhooks_and_the_poll(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """2,000 webhooks, a third of them twice, shuffled, 20 % lost; the poll fills what is missing.

    On PostgreSQL, which takes longer to say the same, there are fewer.
    """
    calls = 540 if database_url.startswith("sqlite") else 135
    monkeypatch.setattr(VapiReader, "calls_page_size", 1000)
    settings = settings_for(database_url, redis_url, tmp_path)
    async with calls_world(settings, people=calls + 30) as world:
        await world.has_agents()
        storm = await world.replay(
            count=calls, duplicate=1 / 3, lose=0.2, shuffle=True, seed=7,
            types=["status-update", "end-of-call-report"],
        )  # fmt: skip
        assert storm["sent"] >= calls * 2_000 / 540
        assert storm["statuses"] == {"200": storm["sent"]}
        assert len(storm["calls_without_report"]) > calls / 11
        assert len(await world.rows()) <= calls

        await was_read_long_ago(world)
        await poll_vapi(world.resources)
        theirs = (await world.vapi.get("/sandbox/totals")).json()
        ours = await world.totals()
        assert ours["ended"] == ours["calls"] == theirs["count"]
        assert Decimal(ours["cost_usd"]) == Decimal(theirs["cost"])
        rows = await world.rows()
        assert len({row["external_id"] for row in rows}) == len(rows) == theirs["count"]
        assert sorted(each["calls"] for each in ours["by_agent"]) == sorted(
            theirs["by_assistant"].values()
        )


async def test_the_poll_alone_says_the_same_as_webhooks(world: CallsWorld) -> None:
    await world.replay(count=60, shuffle=True)
    by_webhook = {row["external_id"]: told(row) for row in await world.rows()}
    await world.forget(list(by_webhook))
    await world.sync()
    by_poll = {row["external_id"]: told(row) for row in await world.rows()}
    assert len(by_webhook) == 60
    assert {each: by_poll[each] for each in by_webhook} == by_webhook


def told(row: dict[str, Any]) -> dict[str, Any]:
    """What a person sees of it: not by which statement and when we came to know it."""
    ours = ("stamps", "source_updated_at", "document", "agent_id")
    return {name: value for name, value in row.items() if name not in ours}


async def test_two_polls_at_once_are_one(world: CallsWorld) -> None:
    await was_read_long_ago(world)
    await asyncio.gather(*(poll_vapi(world.resources) for _ in range(3)))
    there = (await world.vapi.get("/sandbox/world")).json()["calls"]
    async with world.resources.unit_of_work(readonly=True) as uow:
        assert await uow.calls.count(CallSource.VAPI) == there
    assert (await state_of(world)).complete_until is not None
