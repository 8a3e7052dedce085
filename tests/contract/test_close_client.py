"""Our Close client through the stand-in, and against answers no stand-in of ours would give."""

import asyncio
import base64
import json
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from mission_control.core.errors import NotAcceptableError
from mission_control.integrations.close import queries
from mission_control.integrations.close.errors import (
    LeadChoiceUnknownError,
    LeadFieldAmbiguousError,
    LeadFieldHoldsOneError,
    LeadFieldHoldsSeveralError,
    LeadFieldUnknownError,
    LeadUpdateUnconfirmedError,
    TooManyLeadsInADayError,
)
from mission_control.integrations.close_client import CloseClient, open_close
from mission_control.integrations.errors import (
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationError,
    IntegrationMisconfiguredError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationRejectedError,
    IntegrationUnavailableError,
)
from mission_control_sandbox.close.organization import FIELDS_BY_KEY
from mission_control_sandbox.close_server import create_app
from tests.close_stand_in import KEY, Sandbox, speaking

PEOPLE = 450
PRODUCTS, CARGO, TRUCKS = (FIELDS_BY_KEY[key] for key in ("products", "cargo", "trucks"))


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CloseClient, "request_timeout_seconds", 0.4)
    monkeypatch.setattr(CloseClient, "retry_base_seconds", 0.01)
    monkeypatch.setattr(CloseClient, "read_back_pause_seconds", 0.01)


@pytest.fixture
def app() -> Any:
    return create_app(people=PEOPLE, api_key=KEY)


@pytest.fixture
def sandbox(app: Any) -> Sandbox:
    return Sandbox(app)


@pytest.fixture
async def close(app: Any) -> AsyncIterator[CloseClient]:
    async with speaking(httpx2.ASGITransport(app)) as client:
        yield client


def answering(
    *answers: httpx2.Response | Callable[[httpx2.Request], httpx2.Response],
) -> CloseClient:
    """A client to whom these are said, one after the other; the last one again and again."""
    left = list(answers)

    def say(request: httpx2.Request) -> httpx2.Response:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if callable(answer):
            return answer(request)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return speaking(httpx2.MockTransport(say))


def saying(status: int, body: Any, **headers: str) -> httpx2.Response:
    content = body if isinstance(body, str) else json.dumps(body)
    return httpx2.Response(
        status, content=content, headers={key.replace("_", "-"): v for key, v in headers.items()}
    )


async def a_lead(close: CloseClient) -> dict[str, Any]:
    return (await close.get_leads(limit=1)).items[0]


class TestReading:
    async def test_lists_every_lead_once(self, close: CloseClient) -> None:
        pages = [await close.get_leads(skip=skip) for skip in (0, 200, 400)]
        ids = {lead["id"] for page in pages for lead in page.items}
        assert len(ids) == PEOPLE
        assert [page.has_more for page in pages] == [True, True, False]
        assert {page.total for page in pages} == {PEOPLE}
        assert await close.count_leads() == PEOPLE

    async def test_a_long_list_of_ids_still_reaches_close(
        self, close: CloseClient, sandbox: Sandbox
    ) -> None:
        ids = [lead["id"] for lead in (await close.get_leads(limit=150)).items]
        found = await close.leads_with_ids(ids)
        assert sorted(lead["id"] for lead in found) == sorted(ids)

    async def test_a_lead_comes_verbatim(self, close: CloseClient, sandbox: Sandbox) -> None:
        lead_id = (await a_lead(close))["id"]
        raw = (await sandbox.http.get(f"/api/v1/lead/{lead_id}/")).json()
        assert await close.get_lead(lead_id) == raw

    async def test_contacts_calls_and_transcripts(self, close: CloseClient) -> None:
        lead = await a_lead(close)
        contacts = await close.get_contacts({"lead_id": lead["id"]})
        assert contacts.items
        calls = (await close.get_calls(limit=100)).items
        said = await close.transcripts_of([call["id"] for call in calls])
        spoken = [one for one, texts in said.items() if texts.get("recording_transcript")]
        assert spoken
        transcript = await close.get_call_transcript(spoken[0])
        assert transcript is not None
        assert transcript.text
        assert ": " in transcript.text

    async def test_definitions(self, close: CloseClient) -> None:
        fields = {field.name: field for field in await close.custom_fields()}
        assert fields["Products of interest"].accepts_multiple
        assert fields["Cargo"].choices == CARGO.choices
        assert len(await close.lead_statuses()) == 7

    async def test_what_is_not_there(self, close: CloseClient) -> None:
        with pytest.raises(IntegrationNotFoundError):
            await close.get_lead("lead_" + "x" * 43)
        with pytest.raises(IntegrationNotFoundError):
            await close.get_lead("../me")

    async def test_the_event_log_goes_back_to_the_moment_asked_for(
        self, close: CloseClient, sandbox: Sandbox
    ) -> None:
        before = datetime.now(UTC)
        told = await sandbox.post(
            "/sandbox/change", {"seed": 7, "leads": 55, "delete": 6, "merge": 2}
        )
        events = [
            each async for page in close.get_events(before - timedelta(seconds=1)) for each in page
        ]
        deleted = {
            one["object_id"]
            for one in events
            if one["action"] == "deleted" and one["object_type"] == "lead"
        }
        assert set(told["deleted"]) <= deleted
        assert len({one["id"] for one in events}) == len(events) > 50
        merged = [
            each
            async for page in close.get_events(before, object_type="lead", action="merged")
            for each in page
        ]
        assert len(merged) == 2

    async def test_what_cannot_be_stored_as_text_is_left_out(self) -> None:
        close = answering(
            saying(200, '{"id": "lead_1", "name": "a\\u0000b \\ud83d c \\ud83d\\ude00"}')
        )
        assert (await close.get_lead("lead_1"))["name"] == "ab ? c 😀"


class TestSearching:
    async def test_finds_each_once(self, close: CloseClient) -> None:
        query = queries.created(since=datetime(2011, 1, 1, tzinfo=UTC).date())
        pages = [page async for page in close.search_leads(query, fields=["name"])]
        found = [lead["id"] for page in pages for lead in page]
        assert len(found) == len(set(found)) == PEOPLE == await close.count_found(query)
        dates = [lead["date_created"] for page in pages for lead in page]
        assert dates == sorted(dates)

    async def test_words(self, close: CloseClient) -> None:
        lead = await a_lead(close)
        found = [one["id"] async for page in close.search_leads(lead["name"]) for one in page]
        assert lead["id"] in found

    @pytest.mark.parametrize("every", [1, 2])
    async def test_a_cursor_that_has_run_out_loses_and_doubles_nothing(self, every: int) -> None:
        close = speaking(httpx2.MockTransport(Archive(900, expires_every=every).answer))
        found = [lead["id"] async for page in close.search_leads("x") for lead in page]
        assert sorted(found) == sorted(set(found)) == sorted(f"lead_{n}" for n in range(900))

    async def test_goes_on_past_the_ten_thousand_that_one_search_tells(self) -> None:
        close = speaking(httpx2.MockTransport(Archive(21_000, per_day=2000).answer))
        found = [lead["id"] async for page in close.search_leads("x") for lead in page]
        assert len(found) == len(set(found)) == 21_000

    async def test_a_day_with_too_many_is_told(self) -> None:
        close = speaking(httpx2.MockTransport(Archive(10_400, per_day=20_000).answer))
        with pytest.raises(TooManyLeadsInADayError):
            [page async for page in close.search_leads("x")]

    async def test_a_query_that_close_refuses_is_not_asked_again(
        self, close: CloseClient, sandbox: Sandbox
    ) -> None:
        with pytest.raises(IntegrationRejectedError, match="query"):
            [page async for page in close.search_leads({"type": "nonsense"})]
        assert await sandbox.requests("POST") == 1


class Archive:
    """Advanced filtering as its reference has it: sorted by creation, 10,000 at most."""

    def __init__(self, leads: int, *, per_day: int = 100, expires_every: int = 0) -> None:
        first = datetime(2026, 1, 1, tzinfo=UTC)
        self._leads = [
            {"id": f"lead_{n}", "date_created": (first + timedelta(days=n / per_day)).isoformat()}
            for n in range(leads)
        ]
        self._expires_every = expires_every
        self._cursors = 0

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        cursor = body.get("cursor")
        if cursor is not None:
            self._cursors += 1
            if self._expires_every and self._cursors % (self._expires_every + 1) == 0:
                return saying(400, {"field-errors": {"cursor": "Expired cursor"}})
        since = next(self._days(body["query"]), "")
        first = bisect_left(self._leads, since, key=lambda one: one["date_created"])
        matching = self._leads[first : first + 10_000]
        start = int(cursor or 0)
        page = matching[start : start + 200]
        following = start + 200
        return saying(
            200, {"data": page, "cursor": str(following) if following < len(matching) else None}
        )

    def _days(self, node: Any) -> Any:
        match node:
            case {"type": "moment_range", "on_or_after": {"value": str() as day}}:
                yield day
            case dict():
                for inner in node.values():
                    yield from self._days(inner)
            case list():
                for inner in node:
                    yield from self._days(inner)


class TestChanging:
    async def test_by_key_by_id_and_by_name(self, close: CloseClient) -> None:
        lead_id = (await a_lead(close))["id"]
        after = await close.update_lead(
            lead_id,
            {
                "name": "Renamed",
                f"custom.{TRUCKS.id}": 12,
                "custom": {"Cargo": CARGO.choices[0], FIELDS_BY_KEY["carrier"].id: "Acme"},
            },
        )
        assert after["name"] == "Renamed"
        assert after[f"custom.{TRUCKS.id}"] == 12
        assert after[f"custom.{CARGO.id}"] == CARGO.choices[0]
        assert await close.get_lead(lead_id) == after
        cleared = await close.update_lead(lead_id, {"custom": {"Cargo": None}})
        assert f"custom.{CARGO.id}" not in cleared

    async def test_several_values_are_added_to_removed_from_and_replaced(
        self, close: CloseClient
    ) -> None:
        lead_id, (one, two, three, *_) = (await a_lead(close))["id"], PRODUCTS.choices
        key = f"custom.{PRODUCTS.id}"

        async def change(value: Any) -> list[str]:
            return (await close.update_lead(lead_id, {"custom": {PRODUCTS.name: value}}))[key]

        assert await change({"replace": [one, two]}) == [one, two]
        assert sorted(await change({"add": three})) == sorted([one, two, three])
        assert sorted(await change({"remove": one})) == sorted([two, three])
        literal = await close.update_lead(lead_id, {f"{key}.add": one})
        assert one in literal[key]

    @pytest.mark.parametrize(
        ("data", "error"),
        [
            ({"custom": {PRODUCTS.name: PRODUCTS.choices[0]}}, LeadFieldHoldsSeveralError),
            ({"custom": {PRODUCTS.name: [PRODUCTS.choices[0]]}}, LeadFieldHoldsSeveralError),
            ({f"custom.{PRODUCTS.id}": [PRODUCTS.choices[0]]}, LeadFieldHoldsSeveralError),
            ({"custom": {PRODUCTS.name: {"add": ["a"]}}}, LeadFieldHoldsSeveralError),
            ({"custom": {PRODUCTS.name: {"drop": "a"}}}, LeadFieldHoldsSeveralError),
            ({"custom": {PRODUCTS.name: {"replace": [], "add": "a"}}}, LeadFieldHoldsSeveralError),
            ({"custom": {PRODUCTS.name: {"add": "Balloons"}}}, LeadChoiceUnknownError),
            ({"custom": {"Cargo": "Balloons"}}, LeadChoiceUnknownError),
            ({"custom": {"Cargo": {"add": CARGO.choices[0]}}}, LeadFieldHoldsOneError),
            ({"custom": {"No such field": 1}}, LeadFieldUnknownError),
            ({"custom.cf_none": 1}, LeadFieldUnknownError),
        ],
    )
    async def test_what_close_would_not_take_as_meant_is_not_sent(
        self,
        close: CloseClient,
        sandbox: Sandbox,
        data: dict[str, Any],
        error: type[NotAcceptableError],
    ) -> None:
        lead_id = (await a_lead(close))["id"]
        with pytest.raises(error):
            await close.update_lead(lead_id, data)
        assert await sandbox.requests("PUT") == 0

    async def test_a_name_that_two_fields_have(self) -> None:
        fields = [{"id": f"cf_{n}", "name": "Twin", "type": "text"} for n in range(2)]
        close = answering(saying(200, {"fields": fields}))
        with pytest.raises(LeadFieldAmbiguousError) as refused:
            await close.update_lead("lead_1", {"custom": {"Twin": "x"}})
        assert refused.value.fields["field_ids"] == ["cf_0", "cf_1"]

    @pytest.mark.parametrize(
        "lost", [{"kind": "hang"}, {"kind": "html"}, {"kind": "status", "status": 500}]
    )
    async def test_a_change_whose_answer_was_lost_is_read_back(
        self, close: CloseClient, sandbox: Sandbox, lost: dict[str, Any]
    ) -> None:
        lead_id = (await a_lead(close))["id"]
        await sandbox.fault(**lost, method="PUT", when="after")
        after = await close.update_lead(lead_id, {"name": "Kept", "custom": {"Fleet size": 3}})
        assert after["name"] == "Kept"
        assert await sandbox.requests("PUT") == 1

    @pytest.mark.parametrize("lost", [{"kind": "hang"}, {"kind": "status", "status": 503}])
    async def test_a_change_that_did_not_arrive_is_not_repeated(
        self, close: CloseClient, sandbox: Sandbox, lost: dict[str, Any]
    ) -> None:
        before = await a_lead(close)
        await sandbox.fault(**lost, method="PUT")
        with pytest.raises(LeadUpdateUnconfirmedError):
            await close.update_lead(before["id"], {"name": "Lost"})
        assert await sandbox.requests("PUT") == 1
        assert (await close.get_lead(before["id"]))["name"] == before["name"]

    async def test_a_refusal_is_quoted(self, close: CloseClient) -> None:
        lead_id = (await a_lead(close))["id"]
        with pytest.raises(IntegrationRejectedError, match="status"):
            await close.update_lead(lead_id, {"status_id": "stat_none"})


class TestPacing:
    @pytest.mark.parametrize("separator", [",", ";"])
    async def test_several_in_flight_keep_within_what_is_declared(
        self, close: CloseClient, sandbox: Sandbox, separator: str
    ) -> None:
        await sandbox.post(
            "/sandbox/rate-limit", {"requests": 10, "seconds": 0.4, "separator": separator}
        )
        await close.get_leads(limit=1)  # the first answer says what is allowed
        gate = asyncio.Semaphore(5)

        async def ask() -> None:
            async with gate:
                await close.get_leads(limit=1)

        await asyncio.gather(*(ask() for _ in range(24)))
        totals = (await sandbox.http.get("/sandbox/totals")).json()
        assert totals["rate_limited"] <= 2  # those in flight when a window ended

    async def test_a_limit_that_nobody_declares_is_waited_out(
        self, close: CloseClient, sandbox: Sandbox
    ) -> None:
        await sandbox.post("/sandbox/rate-limit", {"requests": 4, "seconds": 0.3, "header": False})
        pages = await asyncio.gather(*(close.get_leads(limit=1) for _ in range(8)))
        assert len(pages) == 8

    @pytest.mark.parametrize(
        ("headers", "body", "seconds"),
        [
            ({"ratelimit": "limit=100, remaining=0, reset=0.61", "retry_after": "1"}, {}, 0.61),
            ({"RateLimit": "limit=16; remaining=14; reset=2"}, {}, 2),
            ({"RATELIMIT": "Reset=3"}, {}, 3),
            ({"x_rate_limit_reset": "4.5"}, {}, 4.5),
            ({"retry_after": "7"}, "<html>", 7),
            ({}, {"error": {"message": "slow", "rate_reset": 5.5}}, 5.5),
            ({}, {"message": "slow", "rate_reset": "0.595956"}, 0.595956),
            ({"ratelimit": "nonsense"}, "", 2),
            ({}, [], 2),
        ],
    )  # fmt: skip
    async def test_understands_every_way_of_saying_how_long(
        self, headers: dict[str, str], body: Any, seconds: float
    ) -> None:
        close = answering(saying(429, body, **headers))
        with pytest.raises(IntegrationRateLimitedError) as refused:
            await close.update_lead("lead_1", {"name": "x"})
        assert refused.value.retry_after == pytest.approx(seconds)

    async def test_nobody_waits_for_minutes(self) -> None:
        close = answering(saying(429, {}, ratelimit="reset=300"))
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(IntegrationRateLimitedError):
                await close.get_lead("lead_1")
        assert time.monotonic() - began < 1
        assert close.requests_sent == 1  # the second was not even sent


class TestRefusals:
    @pytest.mark.parametrize(
        ("answer", "error", "said"),
        [
            (saying(401, {"error": "Unauthorized"}), IntegrationCredentialsError, "Unauthorized"),
            (saying(404, {"error": "Empty query"}), IntegrationNotFoundError, "Empty query"),
            (saying(400, {"errors": ["No."], "field-errors": {}}), IntegrationRejectedError, "No"),
            (saying(400, {"errors": [], "field-errors": {"_limit": "Too much"}}), IntegrationRejectedError, "_limit: Too much"),
            (saying(400, {"field-errors": {"contacts": {"errors": ["x"]}}}), IntegrationRejectedError, "contacts: "),
            (saying(402, {"error": {"message": "Upgrade"}}), IntegrationRejectedError, "Upgrade"),
            (saying(200, "<html>"), IntegrationContractError, "not JSON"),
            (saying(200, []), IntegrationContractError, "CLOSE_BASE_URL"),
            (saying(302, ""), IntegrationContractError, "redirect"),
            (saying(500, "<html>"), IntegrationUnavailableError, "500"),
            (saying(403, "error code: 1010"), IntegrationCredentialsError, "User-Agent"),
        ],
    )  # fmt: skip
    async def test_are_named_and_quoted(
        self, answer: httpx2.Response, error: type[IntegrationError], said: str
    ) -> None:
        with pytest.raises(error, match=said):
            await answering(answer).get_lead("lead_1")

    async def test_the_key_is_in_no_error_and_no_log(self) -> None:
        basic = base64.b64encode(f"{KEY}:".encode()).decode()
        close = answering(saying(401, {"error": f"No such key {KEY} ({basic})"}))
        with capture_logs() as logs, pytest.raises(IntegrationCredentialsError) as refused:
            await close.check()
        assert KEY not in str(refused.value) + str(logs)
        assert basic not in str(refused.value) + str(logs)

    async def test_a_wrong_key(self, app: Any) -> None:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://close.test") as http:
            with pytest.raises(IntegrationCredentialsError):
                await CloseClient(http).check()


class TestOpening:
    async def test_says_who_asks_as_close_wants_it(self) -> None:
        async with open_close("https://api.close.com/api/v1/", SecretStr(" key ")) as close:
            assert close._http.headers["Authorization"] == "Basic a2V5Og=="
            assert str(close._http.base_url) == "https://api.close.com"
            assert close._http.headers["x-tz-offset"] == "0"

    @pytest.mark.parametrize("key", ["", " ", "a b", "a:b", "schlüssel"])
    async def test_a_key_that_cannot_be_one(self, key: str) -> None:
        with pytest.raises(IntegrationCredentialsError):
            open_close("https://api.close.com", SecretStr(key))

    async def test_an_address_that_is_none(self) -> None:
        with pytest.raises(IntegrationMisconfiguredError):
            open_close("http://close:port", SecretStr("key"))
