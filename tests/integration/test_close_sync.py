"""Close is mirrored whole, resumed after a kill, kept up to date, and never twice."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from mission_control.api.mirrors.close import call_backfill, lead_backfill, store, transcripts
from mission_control.api.mirrors.close.refetch import refetch_named, take_close_event
from mission_control.api.mirrors.close.sync import sync_close
from mission_control.api.mirrors.report import unreported
from mission_control.api.mirrors.tally import ChangeTally
from mission_control.api.mirrors.work import poll_close
from mission_control.api.queue import celery_app
from mission_control.api.resources import Resources, build_resources
from mission_control.api.sync.queries import read_sync
from mission_control.core.clock import utc_now
from mission_control.core.page_sets import PageSet
from mission_control.core.settings import Settings
from mission_control.core.words import CallSource, JobKind, RefetchKind, SyncStatus, SyncSystem
from mission_control.data.calls import Call, CallFilter
from mission_control.data.jobs import Job
from mission_control.data.leads import Lead, LeadFilter
from mission_control.data.pages import Cursor
from mission_control.integrations.close import queries
from mission_control.integrations.close.errors import TooManyLeadsInADayError
from mission_control.integrations.close.reader import CloseReader
from mission_control.integrations.close_client import CloseClient
from mission_control.integrations.errors import (
    IntegrationCredentialsError,
    IntegrationRateLimitedError,
    IntegrationUnavailableError,
)
from mission_control_sandbox.close import lists
from mission_control_sandbox.close_server import create_app
from tests.close_stand_in import Sandbox, held_by, mirrored_copy
from tests.services import sandbox_server

PEOPLE = 210


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CloseClient, "retry_base_seconds", 0.01)


@pytest.fixture
def stand_in() -> Any:
    return create_app(people=PEOPLE)


@pytest.fixture
def sandbox(stand_in: Any) -> Sandbox:
    return Sandbox(stand_in)


@pytest.fixture
def url(sqlite_url: str) -> str:
    return sqlite_url


@pytest.fixture(scope="module")
def mirrored(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mirrored_copy(migrated_sqlite, tmp_path_factory.mktemp("mirrored"), PEOPLE)


@pytest.fixture
def mirrored_url(mirrored: Path, tmp_path: Path) -> str:
    """A database in which Close is mirrored already."""
    copy = shutil.copytree(mirrored, tmp_path / "mirrored")
    return f"sqlite+aiosqlite:///{copy / 'database.db'}"


@pytest.fixture
async def resources(
    url: str, redis_url: str, tmp_path: Path, stand_in: Any
) -> AsyncIterator[Resources]:
    settings = Settings(
        _env_file=None,  # pyright: ignore[reportCallIssue]
        database_url=url,
        redis_url=redis_url,
        mc_data_dir=tmp_path / "data",  # pyright: ignore[reportCallIssue]
    )
    celery_app.conf.broker_url = settings.celery_broker  # pyright: ignore[reportAttributeAccessIssue]
    held = await held_by(settings, stand_in)
    yield held
    await held.aclose()


async def sync(resources: Resources) -> dict[str, int]:
    return await sync_close(resources, unreported)


async def mirrored_leads(resources: Resources) -> dict[str, dict[str, Any]]:
    """Documents by id."""
    async with resources.unit_of_work(readonly=True) as uow:
        page: list[Any] = []
        cursor = None
        while True:
            some = await uow.leads.page(LeadFilter(), limit=200, cursor=cursor)
            page += some.items
            if some.next_cursor is None:
                return {one.id: (await uow.leads.get(one.id)).document for one in page}
            cursor = Cursor.decode(some.next_cursor, Lead)


async def mirrored_calls(resources: Resources) -> dict[str, Any]:
    """Rows by Close's id."""
    async with resources.unit_of_work(readonly=True) as uow:
        found: dict[str, Any] = {}
        cursor = None
        while True:
            page = await uow.calls.page(
                CallFilter(source=CallSource.CLOSE), limit=200, cursor=cursor
            )
            found |= {one.external_id: one for one in page.items}
            if page.next_cursor is None:
                return found
            cursor = Cursor.decode(page.next_cursor, Call)


async def assert_mirrored(resources: Resources, sandbox: Sandbox, *, but: str = "") -> None:
    """All that Close has is here, and nothing else; `but` is a field of leads to leave out."""
    leads, calls = await sandbox.all("lead"), await sandbox.all("activity/call")
    here = await mirrored_leads(resources)
    assert _without(but, here) == _without(but, leads)
    mirrored = await mirrored_calls(resources)
    assert mirrored.keys() == calls.keys()
    assert {one: call.lead_id for one, call in mirrored.items()} == {
        one: call["lead_id"] for one, call in calls.items()
    }


def _without(field: str, leads: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        one: {key: value for key, value in lead.items() if key != field}
        for one, lead in leads.items()
    }


async def state(resources: Resources, name: str) -> Any:
    async with resources.unit_of_work(readonly=True) as uow:
        return await uow.sync_states.seen(name)


async def pending_refetches(resources: Resources) -> list[tuple[RefetchKind, str]]:
    async with resources.unit_of_work(readonly=True) as uow:
        return [(one.kind, one.close_id) for one in await uow.close_refetches.pending(limit=99)]


async def pending_transcripts(resources: Resources) -> set[str]:
    async with resources.unit_of_work(readonly=True) as uow:
        return {one.call_id for one in await uow.pending_transcripts.all()}


class TestOnBothDatabases:
    @pytest.fixture
    def url(self, database_url: str) -> str:
        return database_url

    async def test_everything_is_there_and_a_second_time_changes_nothing(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        counts = await sync(resources)
        await assert_mirrored(resources, sandbox)
        assert counts["leads"] == PEOPLE
        assert counts["calls"] == len(await mirrored_calls(resources))
        assert await sync(resources) == {"leads": 0, "calls": 0, "removed": 0}

    async def test_what_changed_since_is_followed(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        await sync(resources)
        old = await sandbox.all("lead")
        told = await sandbox.change(seed=3, leads=12, contacts=6, calls=9, delete=4, merge=3)
        counts = await sync(resources)
        await assert_mirrored(resources, sandbox)
        assert counts["removed"] >= 4 + 3
        assert await sync(resources) == {"leads": 0, "calls": 0, "removed": 0}
        late = [old[lead_id] for lead_id in told["updated"] if lead_id not in told["deleted"]]
        async with resources.unit_of_work() as uow:  # what is older never overwrites
            there = await uow.leads.present([lead["id"] for lead in late])
            late = [lead for lead in late if lead["id"] in there]
            assert await store.store_leads(uow, late, seen_at=utc_now()) == 0
        assert late

    async def test_two_at_once_are_harmless(self, resources: Resources, sandbox: Sandbox) -> None:
        both = await asyncio.gather(sync(resources), sync(resources))
        assert sum(one["leads"] for one in both) == PEOPLE
        await assert_mirrored(resources, sandbox)
        assert (await state(resources, store.LEADS)).position == {}


class TestFirstLoad:
    async def test_takes_as_few_requests_as_the_pages_allow(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        await sync(resources)
        pages = -(-PEOPLE // 200)
        assert await sandbox.requests("GET", "/api/v1/lead/") == pages + 2  # counted at both ends
        calls = len(await mirrored_calls(resources))
        asked = await sandbox.requests("GET", "/api/v1/activity/call/")
        assert asked <= call_backfill.CALL_WINDOWS * 2 + calls / 50 + 5

    async def test_says_how_far_it_is(self, resources: Resources) -> None:
        said: list[tuple[str, int, int | None]] = []

        async def report(*, phase: str, done: int, total: int | None) -> None:
            said.append((phase, done, total))

        await sync_close(resources, report)
        assert ("leads", PEOPLE, PEOPLE) in said
        assert "calls" in {phase for phase, *_ in said}

    async def test_what_happens_meanwhile_is_caught(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        changed = False

        async def report(*, phase: str, done: int, total: int | None) -> None:
            nonlocal changed
            if not changed:
                changed = True
                await sandbox.change(seed=9, leads=10, contacts=5, calls=5, delete=15, merge=3)

        await sync_close(resources, report)
        assert changed
        await assert_mirrored(resources, sandbox)

    async def test_what_an_offset_has_left_out_is_found(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        get_leads = CloseReader.get_leads

        async def forgetful(self: CloseReader, *args: Any, **options: Any) -> Any:
            rows = await get_leads(self, *args, **options)
            is_page = not args and not options.get("fields") and options.get("skip") == 0
            return replace(rows, items=rows.items[7:]) if is_page else rows

        monkeypatch.setattr(CloseReader, "get_leads", forgetful)
        await sync(resources)
        await assert_mirrored(resources, sandbox)

    async def test_more_leads_than_an_offset_reaches(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lead_backfill, "LONGEST_LEAD_SKIP", 0)
        monkeypatch.setattr(lead_backfill, "LEADS_PER_WINDOW", 60)
        await sync(resources)
        await assert_mirrored(resources, sandbox)

    async def test_a_window_is_resumed_a_day_before_where_it_stopped(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where Close's day begins depends on who asks."""
        asked: list[Any] = []
        search = CloseReader.search_leads

        def searching(self: CloseReader, query: Any, **options: Any) -> Any:
            asked.append(query)
            return search(self, query, **options)

        async def dies(*, phase: str, done: int, total: int | None) -> None:
            raise InterruptedError

        monkeypatch.setattr(lead_backfill, "LONGEST_LEAD_SKIP", 0)
        with pytest.raises(InterruptedError):
            await sync_close(resources, dies)
        position = (await state(resources, store.LEADS)).position
        [(since, before, _)] = position["windows"]
        reached = date.fromisoformat(position["reached"]["0"])
        assert date.fromisoformat(since) < reached - timedelta(days=1)
        monkeypatch.setattr(CloseReader, "search_leads", searching)
        await sync(resources)
        assert asked[0] == queries.created(
            since=reached - timedelta(days=1), before=date.fromisoformat(before)
        )
        await assert_mirrored(resources, sandbox)

    async def test_leads_that_close_lets_nobody_find_are_told_for_good(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full, find = "", CloseReader.search_leads

        async def out_of_reach(self: CloseReader, query: Any, **options: Any) -> AsyncIterator[Any]:
            nonlocal full
            async with aclosing(find(self, query, **options)) as pages:
                async for page in pages:
                    if not options and full in {"", str(query)}:
                        full = str(query)
                        raise TooManyLeadsInADayError(["2026-11-02"])
                    yield page

        monkeypatch.setattr(lead_backfill, "LONGEST_LEAD_SKIP", 0)
        monkeypatch.setattr(lead_backfill, "LEADS_PER_WINDOW", 60)
        monkeypatch.setattr(CloseReader, "search_leads", out_of_reach)
        for _ in range(2):
            with pytest.raises(TooManyLeadsInADayError):
                await sync(resources)
            async with resources.unit_of_work(readonly=True) as uow:
                told = (await read_sync(uow, resources.settings)).systems
            [close] = [one for one in told if one.system is SyncSystem.CLOSE]
            assert (close.status, close.complete_until) == (SyncStatus.FAILED, None)
            assert close.error is not None
            assert close.error.code == "close_day_too_full"
        # What can be had is there, and kept up to date.
        assert 0 < len(await mirrored_leads(resources)) < PEOPLE
        await sandbox.change(seed=4, leads=30)
        await poll_close(resources)
        assert (await mirrored_leads(resources)).items() <= (await sandbox.all("lead")).items()
        assert (await state(resources, store.LEADS)).error is not None

    async def test_more_calls_than_a_window_can_skip(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(call_backfill, "CALL_WINDOWS", 2)
        monkeypatch.setattr(lists, "LARGEST_SKIP_OF_ACTIVITIES", 90)
        await sync(resources)
        monkeypatch.undo()
        await assert_mirrored(resources, sandbox)

    async def test_calls_that_move_up_while_they_are_read_are_not_left_out(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(call_backfill, "CALL_WINDOWS", 2)
        get_calls = CloseReader.get_calls
        deleted: list[str] = []

        async def while_somebody_deletes(self: CloseReader, *args: Any, **options: Any) -> Any:
            rows = await get_calls(self, *args, **options)
            if not deleted and rows.has_more:
                deleted.extend(str(one["id"]) for one in rows.items[:3])
                for one in deleted:
                    await sandbox.http.delete(f"/api/v1/activity/call/{one}/")
            return rows

        monkeypatch.setattr(CloseReader, "get_calls", while_somebody_deletes)
        await sync(resources)
        assert deleted
        await assert_mirrored(resources, sandbox)


class TestOldMirror:
    @pytest.fixture
    def url(self, mirrored_url: str) -> str:
        return mirrored_url

    async def test_is_read_whole_again_and_what_is_gone_is_removed(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await sync(resources)
        told = await sandbox.change(seed=2, delete=5)
        long_ago = utc_now() - timedelta(days=40)
        async with resources.unit_of_work() as uow:
            for name in (store.LEADS, store.CALLS):
                (await uow.sync_states.of(name)).complete_until = long_ago
        monkeypatch.setattr(CloseReader, "get_events", _no_events)
        counts = await sync(resources)
        assert counts["removed"] >= len(told["deleted"])  # and their calls
        assert counts["leads"] == 0
        await assert_mirrored(resources, sandbox)


async def _no_events(self: CloseReader, since: Any, **_: Any) -> AsyncIterator[Any]:
    """Close has forgotten them."""
    for nothing in ():
        yield nothing


class TestTranscripts:
    @pytest.fixture
    def url(self, mirrored_url: str) -> str:
        return mirrored_url

    async def test_are_asked_for_again_when_they_come_late(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await sync(resources)
        # A short call of the last day waits already: whether there is one depends on the hour.
        before = await pending_transcripts(resources)

        async def not_yet(self: CloseReader, call_ids: Any) -> dict[str, Any]:
            return {}

        monkeypatch.setattr(CloseReader, "transcripts_of", not_yet)
        told = await sandbox.change(seed=11, calls=12)
        await poll_close(resources)
        monkeypatch.undo()
        waiting = await pending_transcripts(resources) - before
        assert waiting <= set(told["calls"])
        assert waiting
        async with resources.unit_of_work() as uow:  # nothing else would read these calls again
            for name in (store.LEADS, store.CALLS, store.EVENTS):
                (await uow.sync_states.of(name)).complete_until = utc_now() + timedelta(hours=1)
        later = utc_now() + timedelta(minutes=6)
        monkeypatch.setattr(transcripts, "utc_now", lambda: later)
        await poll_close(resources)
        calls = await mirrored_calls(resources)
        async with resources.unit_of_work(readonly=True) as uow:
            contents = [await uow.calls.content(calls[one].id) for one in waiting]
        assert any(content is not None and content.transcript for content in contents)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("close")
    module = "mission_control_sandbox.close_server"
    with sandbox_server(module, directory, "--people", "600", "--today", "2026-11-23") as origin:
        yield origin


class TestKilled:
    @pytest.fixture
    def url(self, database_url: str) -> str:
        return database_url

    async def test_goes_on_where_it_was(
        self, url: str, redis_url: str, tmp_path: Path, origin: str
    ) -> None:
        settings = Settings(
            _env_file=None, database_url=url, redis_url=redis_url, close_base_url=origin,  # pyright: ignore[reportCallIssue]
            mc_data_dir=tmp_path / "data",
        )  # fmt: skip
        _killed_after(settings, "leads", pages := 2)
        held = build_resources(settings)
        stored = len(await mirrored_leads(held))
        position = (await state(held, store.LEADS)).position
        assert len(PageSet(position["done"])) >= min(pages, 3)
        assert 0 < stored <= 600
        counts = await sync(held)
        assert counts["leads"] == 600 - stored
        assert held.close.requests_sent > 0
        assert await sync(held) == {"leads": 0, "calls": 0, "removed": 0}
        async with httpx2.AsyncClient(base_url=origin, auth=("key", "")) as http:
            total = (await http.get("/api/v1/lead/?_limit=0")).json()["total_results"]
        assert len(await mirrored_leads(held)) == total == 600
        await held.aclose()

    async def test_counts_what_all_attempts_changed(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        async def dies(*, phase: str, done: int, total: int | None) -> None:
            raise InterruptedError

        job = uuid4()
        with pytest.raises(InterruptedError):
            await sync_close(resources, dies, ChangeTally("close", job))
        assert await mirrored_leads(resources)
        counts = await sync_close(resources, unreported, ChangeTally("close", job))
        assert counts["leads"] == len(await sandbox.all("lead"))
        assert counts["calls"] == len(await sandbox.all("activity/call"))

    async def test_goes_on_where_it_was_among_the_calls(
        self, sqlite_url: str, redis_url: str, tmp_path: Path, origin: str
    ) -> None:
        settings = Settings(
            _env_file=None, database_url=sqlite_url, redis_url=redis_url, close_base_url=origin,  # pyright: ignore[reportCallIssue]
            mc_data_dir=tmp_path / "data",
        )  # fmt: skip
        _killed_after(settings, "calls", 3)
        held = build_resources(settings)
        stored, position = await mirrored_calls(held), await state(held, store.CALLS)
        assert stored
        assert position.position["done"] or position.position["at"]
        counts = await sync(held)
        everything = await mirrored_calls(held)
        assert counts["calls"] == len(everything) - len(stored) > 0
        assert {one.id for one in stored.values()} <= {one.id for one in everything.values()}
        async with httpx2.AsyncClient(base_url=origin) as http:
            assert len(everything) == (await http.get("/sandbox/totals")).json()["calls"]
        await held.aclose()


SCRIPT = """
import asyncio, sys
from mission_control.api.mirrors.close.sync import sync_close
from mission_control.api.resources import build_resources
from mission_control.core.page_sets import PageSet
from mission_control.core.settings import Settings

async def report(**said):
    print(said["phase"], flush=True)
    await asyncio.sleep(0.05)

asyncio.run(sync_close(build_resources(Settings(_env_file=None)), report))
"""


def _killed_after(settings: Settings, phase: str, pages: int) -> None:
    """A sync in another process, ended by SIGKILL when it has told of so many pages of `phase`."""
    environment = {**os.environ, **settings.environment(), "MC_LOG_LEVEL": "error"}
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=environment, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        told = 0
        for line in child.stdout:
            told += line.strip() == phase
            if told == pages:
                break
        child.send_signal(signal.SIGKILL)
    assert told == pages
    assert child.returncode == -signal.SIGKILL


class TestTroubles:
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ({"kind": "status", "status": 401, "times": 1}, IntegrationCredentialsError),
            ({"kind": "html", "times": 1000}, IntegrationUnavailableError),
            (
                {"kind": "rate_limit", "headers": {"ratelimit": "reset=60"}, "times": 1000},
                IntegrationRateLimitedError,
            ),
        ],
    )
    async def test_end_the_sync_with_a_name_and_keep_what_was_read(
        self, resources: Resources, sandbox: Sandbox, fault: dict[str, Any], error: type[Exception]
    ) -> None:
        await sandbox.fault(**fault, path="/api/v1/activity/call/")
        with pytest.raises(error):
            await sync(resources)
        assert len(await mirrored_leads(resources)) == PEOPLE
        assert (await state(resources, store.LEADS)).error["code"] == error.code  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        await sandbox.post("/sandbox/reset", {})
        resources.close._paces.clear()  # a minute has passed  # pyright: ignore[reportPrivateUsage]
        counts = await sync(resources)
        assert counts["leads"] == 0
        assert (await state(resources, store.LEADS)).error is None

    async def test_a_declared_limit_only_slows_it_down(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        await sandbox.post("/sandbox/rate-limit", {"requests": 20, "seconds": 0.3})
        await sync(resources)
        await sandbox.post("/sandbox/rate-limit", None)
        await assert_mirrored(resources, sandbox)


class TestPolling:
    async def test_does_nothing_before_the_first_sync(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        await poll_close(resources)
        assert await sandbox.requests("GET", "/api") == 0


class TestPollingAMirror:
    @pytest.fixture
    def url(self, mirrored_url: str) -> str:
        return mirrored_url

    async def test_stands_aside_while_a_sync_runs(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        await sync(resources)
        async with resources.unit_of_work() as uow:
            uow.jobs.add(Job(kind=JobKind.SYNC, exclusive_key="sync"))
        before = await sandbox.requests("GET", "/api")
        await poll_close(resources)
        assert await sandbox.requests("GET", "/api") == before

    async def test_follows_changes_and_notes_what_went_wrong(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        await sync(resources)
        await sandbox.change(seed=4, leads=3, calls=2, delete=1)
        await sandbox.fault("status", path="/api/v1/event/", status=401)
        await poll_close(resources)
        assert (await state(resources, store.LEADS)).error["code"] == "integration_credentials"
        await poll_close(resources)
        assert (await state(resources, store.LEADS)).error is None
        await assert_mirrored(resources, sandbox)


class TestWebhooks:
    @pytest.fixture
    def url(self, mirrored_url: str) -> str:
        return mirrored_url

    async def test_what_an_event_names_is_read_again(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        await sync(resources)
        await sandbox.change(seed=6, leads=5, contacts=3, calls=3, delete=2, merge=1)
        events = (await sandbox.get("/api/v1/event/?_limit=50"))["data"]
        before = await sandbox.requests("GET", "/api/v1/lead/")
        for event in [*events[::3], *events, *events[::2]]:  # late, twice, in any order
            await take_close_event(resources, json.loads(json.dumps(event)))
        assert await sandbox.requests("GET", "/api/v1/lead/") == before  # answered at once
        await refetch_named(resources)
        # A call moves its lead's time of change, of which no event tells.
        await assert_mirrored(resources, sandbox, but="date_updated")
        assert await pending_refetches(resources) == []

    async def test_what_is_named_while_it_is_read_is_read_again(
        self, resources: Resources, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lead_id = next(iter(await sandbox.all("lead")))
        event = {"object_type": "lead", "action": "updated", "lead_id": lead_id}
        await take_close_event(resources, event)  # pyright: ignore[reportArgumentType]
        read = CloseReader.get_lead

        async def slowly(self: CloseReader, lead_id: str) -> Any:
            found = await read(self, lead_id)
            await take_close_event(resources, event)  # pyright: ignore[reportArgumentType]
            return found

        with monkeypatch.context() as patched:
            patched.setattr(CloseReader, "get_lead", slowly)
            await refetch_named(resources)
        assert await pending_refetches(resources) == [(RefetchKind.LEAD, lead_id)]
        await refetch_named(resources)
        assert await pending_refetches(resources) == []

    async def test_a_late_update_does_not_bring_back_what_was_deleted(
        self, resources: Resources, sandbox: Sandbox
    ) -> None:
        await sync(resources)
        lead_id = next(iter(await sandbox.all("lead")))
        update = {
            "object_type": "lead",
            "action": "updated",
            "object_id": lead_id,
            "lead_id": lead_id,
            "data": {"id": lead_id},
        }
        assert (await sandbox.http.delete(f"/api/v1/lead/{lead_id}/")).is_success
        await take_close_event(resources, {**update, "action": "deleted"})  # pyright: ignore[reportArgumentType]
        await take_close_event(resources, update)  # pyright: ignore[reportArgumentType]
        await refetch_named(resources)
        assert lead_id not in await mirrored_leads(resources)

    @pytest.mark.parametrize(
        "event",
        [
            {},
            {"object_type": "note"},
            {"object_type": "lead", "action": "merged", "object_id": "lead_1"},
            {"object_type": 5, "object_id": []},
        ],
    )
    async def test_what_it_does_not_know_is_let_pass(
        self, resources: Resources, event: dict[str, Any]
    ) -> None:
        await take_close_event(resources, event)
        # A merge that does not say with whom still names a lead, which is then looked at.
        named = [(RefetchKind.LEAD, "lead_1")] if event.get("action") == "merged" else []
        assert await pending_refetches(resources) == named
