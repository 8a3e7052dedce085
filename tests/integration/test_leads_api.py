"""Leads over HTTP: found, shown with their calls, and changed at Close first."""

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from mission_control.api.app import create_app as create_api
from mission_control.api.mirrors.close.sync import sync_close
from mission_control.api.mirrors.report import unreported
from mission_control.api.mirrors.work import poll_close
from mission_control.api.queue import celery_app
from mission_control.api.resources import Resources
from mission_control.core.settings import Settings
from mission_control.core.words import CallEnding, CallSource
from mission_control.data.call_facts import CallFacts
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork
from mission_control.integrations.close.errors import LeadUpdateUnconfirmedError
from mission_control.integrations.close.objects import CloseLead
from mission_control.integrations.close_client import CloseClient, open_close
from mission_control_sandbox.close.organization import FIELDS_BY_KEY
from mission_control_sandbox.close_server import create_app
from tests.close_stand_in import KEY, Sandbox, held_by, mirrored_copy
from tests.services import sandbox_server

PEOPLE = 130
CARGO, PRODUCTS, TRUCKS = (FIELDS_BY_KEY[key] for key in ("cargo", "products", "trucks"))


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CloseClient, "request_timeout_seconds", 0.4)
    monkeypatch.setattr(CloseClient, "retry_base_seconds", 0.01)
    monkeypatch.setattr(CloseClient, "read_back_pause_seconds", 0.01)


@pytest.fixture
def stand_in() -> Any:
    return create_app(people=PEOPLE, api_key=KEY)


@pytest.fixture
def sandbox(stand_in: Any) -> Sandbox:
    return Sandbox(stand_in)


@pytest.fixture(scope="module")
def mirrored(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mirrored_copy(migrated_sqlite, tmp_path_factory.mktemp("mirrored"), PEOPLE)


@pytest.fixture
def mirrored_url(mirrored: Path, tmp_path: Path) -> str:
    """A database in which Close is mirrored already."""
    copy = shutil.copytree(mirrored, tmp_path / "mirrored")
    return f"sqlite+aiosqlite:///{copy / 'database.db'}"


@pytest.fixture
def url(mirrored_url: str) -> str:
    return mirrored_url


@pytest.fixture
async def resources(
    url: str, redis_url: str, tmp_path: Path, stand_in: Any
) -> AsyncIterator[Resources]:
    """Close is mirrored already."""
    settings = Settings(
        _env_file=None, database_url=url, redis_url=redis_url, mc_data_dir=tmp_path / "data"
    )
    celery_app.conf.broker_url = settings.celery_broker
    held = await held_by(settings, stand_in)
    await sync_close(held, unreported)
    yield held
    await held.aclose()


@pytest.fixture
async def client(resources: Resources) -> AsyncIterator[httpx2.AsyncClient]:
    app = create_api(resources)
    app.state.resources = resources  # without the engine, that a start would warm up
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        yield http


async def found(client: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    items: list[dict[str, Any]] = []
    while True:
        answer = await client.get("/api/leads", params={"limit": 200, **query})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        query["cursor"] = page["next_cursor"]


async def a_lead(sandbox: Sandbox) -> dict[str, Any]:
    return next(one for one in (await sandbox.all("lead")).values() if one["contacts"][0]["phones"])


def custom(lead: dict[str, Any], field: Any) -> Any:
    return lead.get(f"custom.{field.id}")


class TestFindingOnBothDatabases:
    @pytest.fixture
    def url(self, database_url: str) -> str:
        return database_url

    async def test_by_every_filter(self, client: httpx2.AsyncClient, sandbox: Sandbox) -> None:
        leads = await sandbox.all("lead")

        async def ids(**query: Any) -> set[str]:
            return {one["id"] for one in await found(client, **query)}

        assert await ids() == leads.keys()
        listed = await found(client, limit=17)
        assert [one["id"] for one in listed] == [
            one["id"]
            for one in sorted(listed, key=lambda one: (one["created_at"], one["id"]), reverse=True)
        ]
        assert len(listed) == len(leads)

        one = await a_lead(sandbox)
        contact = one["contacts"][0]
        number = contact["phones"][0]["phone"]
        for search in (one["name"].upper(), contact["emails"][0]["email"], number, number[2:8]):
            assert one["id"] in await ids(search=search), search
        formatted = f"{number[:2]} ({number[2:5]}) {number[5:8]}-{number[8:]}"
        assert one["id"] in await ids(search=formatted)
        assert await ids(search="100%_nobody") == set()

        same_status = {key for key, each in leads.items() if each["status_id"] == one["status_id"]}
        assert await ids(status=one["status_id"]) == same_status
        assert await ids(status=one["status_label"].upper()) == same_status

        for field in (CARGO, PRODUCTS, TRUCKS):
            some = next(each for each in leads.values() if custom(each, field))
            value = custom(some, field)
            wanted = value[0] if isinstance(value, list) else value
            expected = {
                key
                for key, each in leads.items()
                if wanted == custom(each, field)
                or (isinstance(custom(each, field), list) and wanted in custom(each, field))
            }
            assert await ids(**{f"custom.{field.name}": wanted}) == expected
            assert (
                await ids(**{f"custom.{field.id}": wanted, "status": some["status_id"]}) <= expected
            )


class TestFinding:
    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({"custom.No such field": "x"}, "lead_field_unknown"),
            ({"status": "No such status"}, "lead_status_unknown"),
            ({"colour": "red"}, "query_parameter_unknown"),
            ({"cursor": "nonsense"}, "cursor_invalid"),
            ({"limit": "0"}, "invalid_payload"),
        ],
    )
    async def test_what_cannot_be_asked_is_named(
        self, client: httpx2.AsyncClient, query: dict[str, str], code: str
    ) -> None:
        answer = await client.get("/api/leads", params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, code)

    async def test_the_fields_and_statuses(self, client: httpx2.AsyncClient) -> None:
        told = (await client.get("/api/leads/fields")).json()
        by_name = {field["name"]: field for field in told["fields"]}
        assert by_name["Products of interest"]["accepts_multiple"]
        assert by_name["Cargo"]["choices"] == list(CARGO.choices)
        assert told["statuses"][0]["label"]
        assert len(told["statuses"]) == 7


class TestShowing:
    async def test_a_lead_with_its_people_and_fields(
        self, client: httpx2.AsyncClient, sandbox: Sandbox
    ) -> None:
        lead = await a_lead(sandbox)
        shown = (await client.get(f"/api/leads/{lead['id']}")).json()
        contact = lead["contacts"][0]
        assert shown["contacts"][0]["phones"] == [one["phone"] for one in contact["phones"]]
        assert shown["primary_phone"] == contact["phones"][0]["phone"]
        values = {one["name"]: one["value"] for one in shown["custom_fields"]}
        assert values.get("Cargo") == custom(lead, CARGO)

    async def test_calls_of_both_sources_are_joined_and_marked(
        self, client: httpx2.AsyncClient, resources: Resources, sandbox: Sandbox
    ) -> None:
        calls = (await sandbox.all("activity/call")).values()
        call = next(one for one in calls if one["remote_phone"])
        lead_id, number = call["lead_id"], call["remote_phone"]
        other = next(key for key in await sandbox.all("lead") if key != lead_id)
        contact = await sandbox.post(
            "/api/v1/contact/",
            {"lead_id": other, "name": "Shares", "phones": [{"phone": number, "type": "office"}]},
        )
        assert contact["id"]
        await poll_close(resources)
        begun = CloseLead.of({"id": "x", "date_created": call["date_created"]}).created_at

        def vapi(key: str, *, lead: str | None = None, after: timedelta) -> CallFacts:
            return CallFacts(
                source=CallSource.VAPI, external_id=key, created_at=begun + after,
                started_at=begun + after, lead_id=lead, customer_number=number,
                ending=CallEnding.CUSTOMER, cost_usd=Decimal("0.10"), document={"id": key},
            )  # fmt: skip

        async with resources.unit_of_work() as uow:
            await uow.calls.store(
                [
                    vapi("by-number", after=timedelta(seconds=90)),
                    vapi("by-id", lead=lead_id, after=timedelta(days=2)),
                    vapi("of-another", lead=other, after=timedelta(days=3)),
                ]
            )
        shown = (await client.get(f"/api/leads/{lead_id}")).json()
        by_id = {one["external_id"]: one for one in shown["calls"]}
        assert by_id["by-number"]["matched_by"] == "phone"
        assert [one["id"] for one in by_id["by-number"]["other_leads"]] == [other]
        assert by_id["by-id"]["matched_by"] == "metadata"
        assert by_id["by-id"]["same_call_as"] is None
        assert "of-another" not in by_id
        theirs = by_id[call["id"]]
        assert theirs["matched_by"] == "close"
        assert theirs["other_leads"] == []
        assert theirs["same_call_as"] == by_id["by-number"]["id"]
        assert by_id["by-number"]["same_call_as"] == theirs["id"]
        times = [one["created_at"] for one in shown["calls"]]
        assert times == sorted(times, reverse=True)

    async def test_an_unknown_one(self, client: httpx2.AsyncClient) -> None:
        assert (await client.get("/api/leads/lead_none")).status_code == 404
        assert (await client.get("/api/leads/..%2Fx")).status_code in {404, 422}


class TestChanging:
    async def test_close_first_then_the_mirror(
        self, client: httpx2.AsyncClient, sandbox: Sandbox
    ) -> None:
        lead_id = (await a_lead(sandbox))["id"]
        body = {
            "name": "Renamed", "status": "quoted", "description": "New", "url": "https://a.example",
            "custom": {"Cargo": CARGO.choices[1], PRODUCTS.id: {"replace": [PRODUCTS.choices[0]]}},
        }  # fmt: skip
        answer = await client.put(f"/api/leads/{lead_id}", json=body)
        assert answer.status_code == 200, answer.text
        at_close = await sandbox.get(f"/api/v1/lead/{lead_id}/")
        assert (at_close["name"], at_close["status_label"]) == ("Renamed", "Quoted")
        assert custom(at_close, PRODUCTS) == [PRODUCTS.choices[0]]
        shown = (await client.get(f"/api/leads/{lead_id}")).json()
        assert shown == answer.json()
        assert (shown["name"], shown["status_label"]) == ("Renamed", "Quoted")
        assert shown["custom"][CARGO.id] == CARGO.choices[1]
        unset = await client.put(f"/api/leads/{lead_id}", json={"custom": {"Cargo": None}})
        assert CARGO.id not in unset.json()["custom"]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({}, "invalid_payload"),
            ({"custom": {}}, "invalid_payload"),
            ({"name": None}, "invalid_payload"),
            ({"name": ""}, "invalid_payload"),
            ({"colour": "red"}, "invalid_payload"),
            ({"status": "No such"}, "lead_status_unknown"),
            ({"custom": {"No such": 1}}, "lead_field_unknown"),
            ({"custom": {"Cargo": "Balloons"}}, "lead_choice_unknown"),
            ({"custom": {"Cargo": {"add": "x"}}}, "lead_field_holds_one"),
            ({"custom": {PRODUCTS.id: PRODUCTS.choices[0]}}, "lead_field_holds_several"),
        ],
    )
    async def test_what_is_not_understood_is_not_sent(
        self, client: httpx2.AsyncClient, sandbox: Sandbox, body: dict[str, Any], code: str
    ) -> None:
        lead_id = (await a_lead(sandbox))["id"]
        answer = await client.put(f"/api/leads/{lead_id}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
        assert await sandbox.requests("PUT") == 0

    async def test_half_of_an_emoji_is_named(
        self, client: httpx2.AsyncClient, sandbox: Sandbox
    ) -> None:
        lead_id = (await a_lead(sandbox))["id"]
        answer = await client.put(
            f"/api/leads/{lead_id}", content=rb'{"custom": {"\ud83d": 1}}',
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (422, "text_not_unicode")

    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [
            ({"kind": "status", "status": 400, "body": {"errors": [], "field-errors": {"name": "No"}}}, 424, "integration_rejected"),
            ({"kind": "status", "status": 401}, 424, "integration_credentials"),
            ({"kind": "status", "status": 404}, 424, "integration_not_found"),
            ({"kind": "rate_limit", "headers": {"ratelimit": "limit=1; remaining=0; reset=9.5"}}, 429, "integration_rate_limited"),
            ({"kind": "status", "status": 500}, 424, "lead_update_unconfirmed"),
            ({"kind": "html"}, 424, "lead_update_unconfirmed"),
            ({"kind": "hang"}, 424, "lead_update_unconfirmed"),
            ({"kind": "status", "status": 200, "body": {"id": "lead_other"}}, 424, "lead_update_unconfirmed"),
            ({"kind": "status", "status": 200, "body": "fine!"}, 424, "lead_update_unconfirmed"),
        ],
    )  # fmt: skip
    async def test_a_refused_write_changes_neither(
        self,
        client: httpx2.AsyncClient,
        sandbox: Sandbox,
        fault: dict[str, Any],
        status: int,
        code: str,
    ) -> None:
        lead = await a_lead(sandbox)
        before = (await client.get(f"/api/leads/{lead['id']}")).json()
        await sandbox.fault(**fault, method="PUT")
        answer = await client.put(f"/api/leads/{lead['id']}", json={"name": "Lost"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert KEY not in answer.text
        if status == 429:
            assert answer.headers["Retry-After"] == "10"
        assert (await sandbox.get(f"/api/v1/lead/{lead['id']}/"))["name"] == lead["name"]
        assert (await client.get(f"/api/leads/{lead['id']}")).json() == before
        assert await sandbox.requests("PUT") == 1

    @pytest.mark.parametrize("fault", [{"kind": "hang"}, {"kind": "status", "status": 502}])
    async def test_an_answer_that_was_lost_is_read_back(
        self, client: httpx2.AsyncClient, sandbox: Sandbox, fault: dict[str, Any]
    ) -> None:
        lead_id = (await a_lead(sandbox))["id"]
        await sandbox.fault(**fault, method="PUT", when="after")
        answer = await client.put(f"/api/leads/{lead_id}", json={"name": "Kept"})
        assert (answer.status_code, answer.json()["name"]) == (200, "Kept")
        assert await sandbox.requests("PUT") == 1

    async def test_when_close_took_it_and_the_database_did_not(
        self, client: httpx2.AsyncClient, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lead_id = (await a_lead(sandbox))["id"]

        async def away(self: UnitOfWork) -> None:
            raise DatabaseUnavailableError("The database does not answer.")

        with monkeypatch.context() as patched:
            patched.setattr(UnitOfWork, "_commit", away)
            answer = await client.put(f"/api/leads/{lead_id}", json={"name": "There"})
        assert (answer.status_code, answer.json()["code"]) == (503, "lead_mirror_behind")
        assert (await sandbox.get(f"/api/v1/lead/{lead_id}/"))["name"] == "There"

    async def test_one_that_is_not_here(self, client: httpx2.AsyncClient, sandbox: Sandbox) -> None:
        answer = await client.put("/api/leads/lead_none", json={"name": "x"})
        assert answer.status_code == 404
        assert await sandbox.requests("PUT") == 0


class TestCloseAway:
    async def test_nobody_listens(
        self,
        client: httpx2.AsyncClient,
        resources: Resources,
        sandbox: Sandbox,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lead_id = (await a_lead(sandbox))["id"]
        away = open_close("http://127.0.0.1:9", SecretStr(KEY))  # nothing is served there
        monkeypatch.setattr(resources.close, "_http", away._http)
        for body in ({"name": "x"}, {"custom": {"Cargo": None}}):
            answer = await client.put(f"/api/leads/{lead_id}", json=body)
            assert (answer.status_code, answer.json()["code"]) == (424, "integration_unavailable")
        assert (await client.get(f"/api/leads/{lead_id}")).status_code == 200
        monkeypatch.undo()
        await away.aclose()

    async def test_a_connection_that_breaks_while_it_answers(self, tmp_path: Path) -> None:
        module = "mission_control_sandbox.close_server"
        async with AsyncExitStack() as stack:
            origin = stack.enter_context(sandbox_server(module, tmp_path, "--people", "2"))
            theirs = await stack.enter_async_context(httpx2.AsyncClient(base_url=origin))
            close = await stack.enter_async_context(open_close(origin, SecretStr(KEY)))
            lead_id = str((await close.get_leads()).items[0]["id"])
            for when in ("before", "after"):
                fault = {"kind": "drop", "method": "PUT", "when": when}
                assert (await theirs.post("/sandbox/faults", json=fault)).is_success
                change = close.update_lead(lead_id, {"name": "Dropped"})
                if when == "before":
                    with pytest.raises(LeadUpdateUnconfirmedError):
                        await change
                else:
                    assert (await change)["name"] == "Dropped"

    async def test_the_mirror_stays_readable(
        self, client: httpx2.AsyncClient, resources: Resources, sandbox: Sandbox
    ) -> None:
        lead_id = (await a_lead(sandbox))["id"]
        for fault in ({"kind": "status", "status": 401}, {"kind": "html"}):
            await sandbox.fault(**fault, path="/api", times=10_000)
        await poll_close(resources)  # says so in the log and the state, and no more
        assert len(await found(client)) == PEOPLE
        assert (await client.get(f"/api/leads/{lead_id}")).status_code == 200
        changed = await client.put(f"/api/leads/{lead_id}", json={"custom": {"Cargo": None}})
        assert (changed.status_code, changed.json()["code"]) == (424, "integration_credentials")
