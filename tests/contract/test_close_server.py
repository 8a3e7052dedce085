"""The stand-in for Close does what Close's reference and its observers say, checked without our client."""

import asyncio
import base64
import hashlib
import hmac
import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mission_control_sandbox.close import search
from mission_control_sandbox.close.errors import StandInError
from mission_control_sandbox.close.limits import Limit, RateLimits, read_limit
from mission_control_sandbox.close.organization import FIELDS_BY_KEY, STATUS_IDS, USERS
from mission_control_sandbox.close.webhooks import Webhooks, signature
from mission_control_sandbox.close_server import create_app
from mission_control_sandbox.world.people import lead_id_of, person
from tests.services import accepts, free_port, process

TODAY = date(2026, 11, 23)
PEOPLE = 260
COMMAND = [sys.executable, "-m", "mission_control_sandbox.close_server"]
NOBODY = "lead_" + "x" * 43
RENEWAL, TRUCKS, PRODUCTS, OWNER, CARGO, LAST_CALL = (
    f"custom.{FIELDS_BY_KEY[key].id}"
    for key in ("renewal", "trucks", "products", "owner", "cargo", "last_call")
)
OUTCOME = f"custom.{FIELDS_BY_KEY['last_outcome'].id}"
BATCH = f"custom.{FIELDS_BY_KEY['import_batch'].id}"


@dataclass
class Clock:
    at: datetime = field(default_factory=lambda: datetime(2026, 11, 23, 9, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.at

    def on(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass
class Close:
    """The stand-in, and a clock to turn."""

    http: httpx2.AsyncClient
    clock: Clock
    app: Starlette

    async def get(self, path: str, **params: Any) -> Any:
        return await self._ask("GET", path, params=params)

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        return await self._ask("POST", path, status, json=body)

    async def put(self, path: str, body: Any, status: int = 200) -> Any:
        return await self._ask("PUT", path, status, json=body)

    async def delete(self, path: str, status: int = 200) -> Any:
        return await self._ask("DELETE", path, status)

    async def refused(self, method: str, path: str, status: int = 400, **options: Any) -> Any:
        return await self._ask(method, path, status, **options)

    async def sandbox(self, path: str, body: Any) -> Any:
        answer = await self.http.post(f"/sandbox/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def search(self, query: Any, status: int = 200, **rest: Any) -> Any:
        return await self.post("data/search/", {"query": query, **rest}, status)

    async def events(self, **filters: Any) -> list[Any]:
        return (await self.get("event/", **filters))["data"]

    async def _ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        answer = await self.http.request(method, f"/api/v1/{path}", **options)
        assert answer.status_code == status, answer.text
        return answer.json()


def in_process(**options: Any) -> Close:
    clock = options.setdefault("now", Clock())
    app = create_app(**{"people": PEOPLE, "today": TODAY, **options})
    transport = httpx2.ASGITransport(app)
    http = httpx2.AsyncClient(transport=transport, base_url="http://close.test", auth=("key", ""))
    return Close(http, clock, app)


@pytest.fixture
def close() -> Close:
    return in_process()


def lead_type() -> dict[str, str]:
    return {"type": "object_type", "object_type": "lead"}


def all_of(*queries: Any) -> dict[str, Any]:
    return {"type": "and", "queries": list(queries)}


def about(name: str, condition: Any, object_type: str = "lead") -> dict[str, Any]:
    place = {"type": "regular_field", "object_type": object_type, "field_name": name}
    return {"type": "field_condition", "field": place, "condition": condition}


def about_custom(key: str, condition: Any) -> dict[str, Any]:
    place = {"type": "custom_field", "custom_field_id": FIELDS_BY_KEY[key].id}
    return {"type": "field_condition", "field": place, "condition": condition}


def days(first: str | None, last: str | None) -> dict[str, Any]:
    def day(value: str | None) -> dict[str, str] | None:
        return value and {"type": "fixed_local_date", "value": value, "which": "start"}  # type: ignore[return-value]

    return {"type": "moment_range", "on_or_after": day(first), "before": day(last)}


def by(name: str, direction: str = "asc") -> list[Any]:
    place = {"type": "regular_field", "object_type": "lead", "field_name": name}
    return [{"direction": direction, "field": place}]


class TestAdmission:
    @pytest.mark.parametrize(
        "header",
        [
            None,
            "Bearer key",
            "Basic",
            "Basic !!!",
            "Basic " + base64.b64encode(b"key").decode(),  # the colon is missing
            "Basic " + base64.b64encode(b"key:secret").decode(),
            "Basic " + base64.b64encode(b"wrong:").decode(),
            "Basic " + base64.b64encode(b":").decode(),
        ],
    )
    async def test_anything_but_the_key_and_no_password(self, header: str | None) -> None:
        close = in_process(api_key="key")
        close.http.auth = None
        headers = {"Authorization": header} if header else {}
        answer = await close.http.get("/api/v1/me/", headers=headers)
        assert (answer.status_code, answer.json()) == (401, {"error": "Unauthorized"})

    async def test_me_names_the_organization(self) -> None:
        me = await in_process(api_key="key").get("me/")
        assert me["id"].startswith("user_")
        assert me["organizations"][0]["id"].startswith("orga_")

    async def test_a_slash_ends_every_path(self, close: Close) -> None:
        await close.refused("GET", "lead", 404)
        await close.refused("GET", "nothing/", 404)
        await close.refused("PATCH", "lead/", 405)

    async def test_every_answer_says_what_it_is(self, close: Close) -> None:
        for path in ("/api/v1/me/", "/api/v1/nothing/", "/health", "/sandbox/totals"):
            assert (await close.http.get(path)).headers["x-stand-in"] == "true"

    async def test_bodies_must_be_json_objects(self, close: Close) -> None:
        path, plain = f"lead/{lead_id_of(0)}/", {"content-type": "text/plain"}
        await close.refused("PUT", path, 415, content=b"name=x", headers=plain)
        await close.refused("PUT", path, content=b"{", headers={"content-type": "application/json"})
        await close.refused("PUT", path, json=["name"])


class TestLeadLists:
    async def test_pages_hold_each_lead_once(self, close: Close) -> None:
        first = await close.get("lead/", _limit=200, _fields="id")
        second = await close.get("lead/", _limit=200, _skip=200, _fields="id")
        assert (len(first["data"]), first["has_more"], first["total_results"]) == (200, True, 260)
        assert (len(second["data"]), second["has_more"]) == (60, False)
        found = {lead["id"] for lead in first["data"] + second["data"]}
        assert found == {lead_id_of(index) for index in range(PEOPLE)}

    async def test_a_hundred_unless_asked_for_more(self, close: Close) -> None:
        assert len((await close.get("lead/"))["data"]) == 100

    async def test_counting_takes_no_page(self, close: Close) -> None:
        answer = await close.get("lead/", _limit=0, _fields="id")
        assert (answer["data"], answer["total_results"]) == ([], PEOPLE)

    @pytest.mark.parametrize(
        ("params", "field_name", "message"),
        [
            ({"_limit": 201}, "_limit", "Input should be less than or equal to 200"),
            ({"_skip": 35_001}, "_skip", "Input should be less than or equal to 35000"),
            ({"_limit": -1}, "_limit", "Input should be greater than or equal to 0"),
            (
                {"_limit": "many"},
                "_limit",
                "Input should be a valid integer, unable to parse string as an integer",
            ),
        ],
    )
    async def test_refused_pages(
        self, close: Close, params: Any, field_name: str, message: str
    ) -> None:
        body = await close.refused("GET", "lead/", params=params)
        assert body == {"errors": [], "field-errors": {field_name: message}}

    async def test_by_ids_those_that_are_there(self, close: Close) -> None:
        ids = f"{lead_id_of(3)},{NOBODY},{lead_id_of(9)}"
        data = (await close.get("lead/", id__in=ids))["data"]
        assert [lead["id"] for lead in data] == [lead_id_of(3), lead_id_of(9)]

    async def test_an_address_too_long_goes_as_a_post(self, close: Close) -> None:
        ids = [lead_id_of(index) for index in range(120)]
        answer = await close.http.post(
            "/api/v1/lead/",
            json={"_params": {"id__in": ",".join(ids), "_limit": 200, "_fields": ["id"]}},
            headers={"x-http-method-override": "GET"},
        )
        assert [lead["id"] for lead in answer.json()["data"]] == ids
        assert answer.json()["total_results"] == 120

    async def test_a_list_spelled_with_brackets_is_passed_over(self, close: Close) -> None:
        answer = await close.get("lead/", **{"id__in[0]": lead_id_of(3)})
        assert answer["total_results"] == PEOPLE

    async def test_the_deprecated_query(self, close: Close) -> None:
        times = sorted(lead["date_updated"] for lead in await everything(close))
        bound = times[200]
        query = f'date_updated>="{bound[:16]}" sort:date_updated anything:else'
        data = (await close.get("lead/", query=query, _limit=200))["data"]
        found = [lead["date_updated"] for lead in data]
        assert found == [one for one in times if one >= bound[:16]]

    async def test_slices_are_a_partition(self, close: Close) -> None:
        pages = [
            await close.get("lead/", query=f"slice:{part}/3", _fields="id") for part in range(3)
        ]
        found = [lead["id"] for page in pages for lead in page["data"]]
        assert sorted(found) == sorted(lead_id_of(index) for index in range(PEOPLE))

    async def test_the_deprecated_query_by_status(self, close: Close) -> None:
        data = (await close.get("lead/", query='status:"Quoted"', _limit=200))["data"]
        expected = sum(person(i, today=TODAY).status == "Quoted" for i in range(PEOPLE))
        assert {lead["status_label"] for lead in data} == {"Quoted"}
        assert len(data) == expected


class TestOneLead:
    async def test_what_it_holds(self, close: Close) -> None:
        whom = person(1, today=TODAY)
        lead = await close.get(f"lead/{whom.lead_id}/")
        assert lead["display_name"] == lead["name"] == whom.company
        assert lead["status_label"] == whom.status
        assert lead["contacts"][0]["phones"][0]["phone"] == whom.phone
        assert lead["contact_ids"] == [one["id"] for one in lead["contacts"]]
        assert lead[RENEWAL] == lead["custom"]["Renewal date"] == whom.renewal.isoformat()
        assert lead[TRUCKS] == whom.trucks
        assert lead["date_created"].endswith("+00:00")

    async def test_only_the_fields_asked_for(self, close: Close) -> None:
        path = f"lead/{lead_id_of(1)}/"
        assert set(await close.get(path, _fields="id,name")) == {"id", "name"}
        assert set(await close.get(path, _fields=f"id,{TRUCKS}")) == {"id", TRUCKS}
        custom = await close.get(path, _fields="custom")
        assert RENEWAL in custom
        assert "name" not in custom

    async def test_values_that_were_never_set_are_not_there(self, close: Close) -> None:
        lead = await close.post("lead/", {"name": "Bare"})
        assert [key for key in lead if key.startswith("custom.")] == []

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    async def test_unknown(self, close: Close, method: str) -> None:
        body = {} if method == "PUT" else None
        answer = await close.refused(method, f"lead/{NOBODY}/", 404, json=body)
        assert answer == {"error": "Empty query: Lead matching query does not exist."}


class TestWritingLeads:
    async def test_a_put_is_a_patch(self, close: Close) -> None:
        path = f"lead/{lead_id_of(2)}/"
        before = await close.get(path)
        after = await close.put(path, {"name": "Renamed", "colour": "blue", "contacts": []})
        changed = {key for key in after if after[key] != before[key]}
        assert changed == {
            *("name", "display_name", "date_updated", "updated_by", "updated_by_name"),
        } - ({"updated_by", "updated_by_name"} if before["updated_by"] == USERS[0].id else set())
        assert await close.get(path) == after

    async def test_saying_the_same_again_changes_nothing(self, close: Close) -> None:
        path = f"lead/{lead_id_of(2)}/"
        lead = await close.get(path)
        assert await close.put(path, {"name": lead["name"], TRUCKS: lead[TRUCKS]}) == lead
        assert await close.events(object_type="lead", object_id=lead["id"]) == []

    async def test_null_unsets(self, close: Close) -> None:
        lead = await close.put(f"lead/{lead_id_of(2)}/", {TRUCKS: None})
        assert TRUCKS not in lead
        assert "Fleet size" not in lead["custom"]

    async def test_a_multi_value_field_is_replaced_whole_or_changed_by_one(
        self, close: Close
    ) -> None:
        path = f"lead/{lead_id_of(2)}/"
        cargo, liability = "Motor Truck Cargo", "Primary Liability"
        assert (await close.put(path, {PRODUCTS: [cargo]}))[PRODUCTS] == [cargo]
        added = await close.put(path, {f"{PRODUCTS}.add": liability})
        assert added[PRODUCTS] == [cargo, liability]
        again = await close.put(path, {f"{PRODUCTS}.add": liability})
        assert again[PRODUCTS] == [cargo, liability]
        assert (await close.put(path, {f"{PRODUCTS}.remove": cargo}))[PRODUCTS] == [liability]
        assert (await close.put(path, {PRODUCTS: cargo}))[PRODUCTS] == [cargo]
        assert PRODUCTS not in await close.put(path, {f"{PRODUCTS}.remove": cargo})

    async def test_users_are_given_by_id_or_name_and_answered_by_id(self, close: Close) -> None:
        path = f"lead/{lead_id_of(2)}/"
        assert (await close.put(path, {OWNER: USERS[1].id}))[OWNER] == USERS[1].id
        assert (await close.put(path, {OWNER: USERS[2].name}))[OWNER] == USERS[2].id

    async def test_other_types(self, close: Close) -> None:
        body = {
            RENEWAL: "2027-01-31",
            TRUCKS: "12",
            LAST_CALL: "2026-11-20T10:00:00+01:00",
            BATCH: {"any": ["thing"]},
        }
        lead = await close.put(f"lead/{lead_id_of(2)}/", body)
        assert {key: lead[key] for key in body} == {**body, TRUCKS: 12}

    @pytest.mark.parametrize(
        ("body", "names"),
        [
            ({"status": "No such"}, ["status"]),
            ({"status_id": "stat_none"}, ["status_id"]),
            ({"status": "Quoted", "status_id": STATUS_IDS["Quoted"]}, ["status"]),
            ({"name": 7}, ["name"]),
            ({"addresses": "Omaha"}, ["addresses"]),
            ({CARGO: "Gold"}, [CARGO]),
            ({PRODUCTS: ["Gold"]}, [PRODUCTS]),
            ({f"{CARGO}.add": "Reefer"}, [f"{CARGO}.add"]),
            ({TRUCKS: "many"}, [TRUCKS]),
            ({RENEWAL: "soon"}, [RENEWAL]),
            ({LAST_CALL: "2026-11-20T10:00:00"}, [LAST_CALL]),
            ({OWNER: "Nobody"}, [OWNER]),
            ({"custom.cf_none": 1}, ["custom.cf_none"]),
        ],
    )
    async def test_refused_values_change_nothing(
        self, close: Close, body: Any, names: list[str]
    ) -> None:
        path = f"lead/{lead_id_of(2)}/"
        before = await close.get(path)
        answer = await close.refused("PUT", path, json={"name": "Half-way", **body})
        assert (list(answer["field-errors"]), answer["errors"]) == (names, [])
        assert await close.get(path) == before

    async def test_created_with_contacts(self, close: Close) -> None:
        contact = {"name": "Ann", "phones": [{"phone": "(402) 555-1234", "type": "mobile"}]}
        lead = await close.post("lead/", {"name": "New", "status": "Quoted", "contacts": [contact]})
        assert lead["status_label"] == "Quoted"
        assert lead["contacts"][0]["phones"][0]["phone"] == "+14025551234"
        assert lead["contacts"][0]["lead_id"] == lead["id"]
        assert await close.get(f"lead/{lead['id']}/") == lead
        newest = (await close.get("lead/", _limit=1))["data"]
        assert newest == [lead]
        assert (await close.get(f"contact/{lead['contact_ids'][0]}/"))["name"] == "Ann"

    async def test_deleting_takes_contacts_and_calls_along(self, close: Close) -> None:
        lead = await lead_with_calls(close)
        calls = (await close.get("activity/call/", lead_id=lead["id"]))["data"]
        assert await close.delete(f"lead/{lead['id']}/") == {}
        for path in (
            f"lead/{lead['id']}/",
            f"contact/{lead['contact_ids'][0]}/",
            f"activity/call/{calls[0]['id']}/",
        ):
            await close.refused("GET", path, 404)
        await close.delete(f"lead/{lead['id']}/", 404)
        assert (await close.get("lead/", _limit=0))["total_results"] == PEOPLE - 1
        deleted = await close.events(
            lead_id=lead["id"], object_type="activity.call", action="deleted"
        )
        assert {event["object_id"] for event in deleted} == {call["id"] for call in calls}

    async def test_merging(self, close: Close) -> None:
        source, destination = (
            await lead_with_calls(close),
            await close.get(f"lead/{lead_id_of(9)}/"),
        )
        assert source["id"] != destination["id"]
        calls = (await close.get("activity/call/", lead_id=source["id"]))["data"]
        await close.put(f"lead/{destination['id']}/", {OUTCOME: None, TRUCKS: 77})
        await close.put(f"lead/{source['id']}/", {OUTCOME: "Voicemail", TRUCKS: 1})
        both = {"source": source["id"], "destination": destination["id"]}
        await close.post("lead/merge/", both)

        merged = await close.get(f"lead/{destination['id']}/")
        assert merged["contact_ids"] == destination["contact_ids"] + source["contact_ids"]
        assert (merged[OUTCOME], merged[TRUCKS]) == ("Voicemail", 77)
        await close.refused("GET", f"lead/{source['id']}/", 404)
        moved = (await close.get("activity/call/", lead_id=destination["id"]))["data"]
        assert {call["id"] for call in calls} <= {call["id"] for call in moved}
        contact = await close.get(f"contact/{source['contact_ids'][0]}/")
        assert contact["lead_id"] == destination["id"]

        [event] = [
            e for e in await close.events(object_type="lead", action="merged") if e["api_key_id"]
        ]
        assert event["lead_id"] == event["data"]["id"] == destination["id"]
        assert event["meta"]["merge_source_lead_id"] == source["id"]
        gone = await close.events(object_id=source["id"], action="deleted")
        assert gone[0]["meta"]["merge_destination_lead_id"] == destination["id"]

    async def test_merging_what_is_not_there(self, close: Close) -> None:
        body = {"source": NOBODY, "destination": lead_id_of(1)}
        answer = await close.post("lead/merge/", body, 404)
        assert answer == {"errors": ["Source lead does not exist."]}
        await close.post("lead/merge/", {"source": lead_id_of(1)}, 400)
        await close.post(
            "lead/merge/", {"source": lead_id_of(1), "destination": lead_id_of(1)}, 400
        )


class TestContacts:
    async def test_pages(self, close: Close) -> None:
        found: list[str] = []
        more = True
        while more:
            page = await close.get("contact/", _skip=len(found), _fields="id")
            found += [one["id"] for one in page["data"]]
            more = page["has_more"]
        expected = [key for lead in await everything(close) for key in lead["contact_ids"]]
        assert sorted(found) == sorted(expected)
        await close.refused("GET", "contact/", params={"_limit": 101})

    async def test_of_some_leads_or_by_id(self, close: Close) -> None:
        lead = await close.get(f"lead/{lead_id_of(4)}/")
        assert (await close.get("contact/", lead_id=lead["id"]))["data"] == lead["contacts"]
        by_id = await close.get("contact/", id__in=f"{lead['contact_ids'][0]},cont_none")
        assert by_id["data"] == lead["contacts"][:1]

    async def test_an_edit_is_the_contacts_event_and_not_the_leads(self, close: Close) -> None:
        lead = await close.get(f"lead/{lead_id_of(4)}/")
        contact = await close.put(f"contact/{lead['contact_ids'][0]}/", {"title": "President"})
        after = await close.get(f"lead/{lead['id']}/")
        assert after["contacts"][0] == contact
        assert after["date_updated"] > lead["date_updated"]
        events = await close.events(lead_id=lead["id"])
        runtime = [(e["object_type"], e["action"]) for e in events if e["api_key_id"]]
        assert runtime == [("contact", "updated")]

    async def test_without_a_lead_it_makes_one(self, close: Close) -> None:
        contact = await close.post("contact/", {"name": "Stray"})
        lead = await close.get(f"lead/{contact['lead_id']}/")
        assert (lead["name"], lead["contact_ids"]) == ("Stray", [contact["id"]])

    async def test_added_to_a_lead_and_taken_away(self, close: Close) -> None:
        lead_id = lead_id_of(4)
        before = (await close.get(f"lead/{lead_id}/"))["contact_ids"]
        contact = await close.post("contact/", {"lead_id": lead_id, "name": "Second"})
        assert (await close.get(f"lead/{lead_id}/"))["contact_ids"] == [*before, contact["id"]]
        [event] = await close.events(object_type="lead", object_id=lead_id)
        assert "contact_ids" in event["changed_fields"]
        await close.delete(f"contact/{contact['id']}/")
        assert (await close.get(f"lead/{lead_id}/"))["contact_ids"] == before
        await close.refused("GET", f"contact/{contact['id']}/", 404)

    async def test_refused_phones(self, close: Close) -> None:
        contact = (await close.get(f"lead/{lead_id_of(4)}/"))["contact_ids"][0]
        for phones in ("+14025550001", [{"phone": "12"}], [{}]):
            answer = await close.put(f"contact/{contact}/", {"phones": phones}, 400)
            assert list(answer["field-errors"]) == ["phones"]


class TestCalls:
    async def test_windows_hold_each_call_once(self, close: Close) -> None:
        found = [call["id"] for call in await every_call(close)]
        middle = "2026-09-01T00:00:00+00:00"
        older = await every_call(close, date_created__lt=middle)
        newer = await every_call(close, date_created__gte=middle)
        assert found == [call["id"] for call in newer + older]
        assert older
        assert newer
        assert len(found) == len(set(found)) == (await totals(close))["calls"]

    async def test_newest_first_or_as_asked(self, close: Close) -> None:
        calls = (await close.get("activity/call/", _limit=50))["data"]
        times = [call["date_created"] for call in calls]
        assert times == sorted(times, reverse=True)
        oldest = (await close.get("activity/call/", _limit=1, _order_by="date_created"))["data"]
        assert oldest[0]["id"] == (await every_call(close))[-1]["id"]

    async def test_the_envelope_has_no_total(self, close: Close) -> None:
        assert set(await close.get("activity/call/", _limit=1)) == {"data", "has_more"}
        await close.refused("GET", "activity/call/", params={"_limit": 101})
        await close.refused("GET", "activity/call/", params={"date_created__gt": "yesterday"})

    async def test_filters(self, close: Close) -> None:
        calls = await every_call(close)
        user = calls[0]["user_id"]
        assert [c["id"] for c in await every_call(close, user_id=user)] == [
            call["id"] for call in calls if call["user_id"] == user
        ]
        contact = calls[0]["contact_id"]
        assert [c["id"] for c in await every_call(close, contact_id=contact)] == [
            call["id"] for call in calls if call["contact_id"] == contact
        ]
        lead = calls[0]["lead_id"]
        assert [c["id"] for c in await every_call(close, lead_id=lead)] == [
            call["id"] for call in calls if call["lead_id"] == lead
        ]
        ids = ",".join([calls[5]["id"], calls[2]["id"], "acti_none"])
        assert {c["id"] for c in await every_call(close, id__in=ids)} == {
            calls[5]["id"],
            calls[2]["id"],
        }

    async def test_transcripts_only_when_named(self, close: Close) -> None:
        calls = await every_call(close)
        assert not any("transcript" in key for call in calls for key in call)
        named = await every_call(close, _fields="id,duration,source,recording_transcript")
        transcribed = [call for call in named if call["recording_transcript"]]
        assert transcribed
        assert all(call["duration"] >= 30 and call["source"] == "Close.io" for call in transcribed)
        said = transcribed[0]["recording_transcript"]
        assert set(said) == {"utterances", "summary_text", "summary_html"}
        assert set(said["utterances"][0]) == {
            *("speaker_label", "speaker_side", "start", "end", "text"),
        }
        path = f"activity/call/{transcribed[0]['id']}/"
        assert "recording_transcript" not in await close.get(path)
        assert (await close.get(path, _fields="recording_transcript")) == {
            "recording_transcript": said
        }

    async def test_a_recording_lies_elsewhere(self, close: Close) -> None:
        recorded = next(call for call in await every_call(close) if call["has_recording"])
        redirect = await close.http.get(recorded["recording_url"], follow_redirects=False)
        assert redirect.status_code == 302
        with_key = await close.http.get(redirect.headers["location"])
        assert with_key.status_code == 400
        close.http.auth = None
        sound = await close.http.get(redirect.headers["location"])
        assert (sound.headers["content-type"], sound.content[:2]) == ("audio/mpeg", b"\xff\xfb")

    async def test_not_every_call_was_recorded(self, close: Close) -> None:
        calls = (await close.get("activity/call/"))["data"]
        silent = next(call for call in calls if not call["has_recording"])
        assert silent["recording_url"] is None
        await close.refused("GET", f"call/{silent['id']}/recording/", 404)

    async def test_calls_of_the_bots_are_logged_as_external(self, close: Close) -> None:
        calls = await every_call(close)
        external = [call for call in calls if call["source"] == "External"]
        assert 0.2 < len(external) / len(calls) < 0.5
        assert any("Vapi call: " in call["note"] for call in external)
        assert any("Vapi call: " not in call["note"] for call in external)

    async def test_logged_changed_and_deleted(self, close: Close) -> None:
        lead = await close.get(f"lead/{lead_id_of(4)}/")
        body = {
            "lead_id": lead["id"],
            "phone": lead["contacts"][0]["phones"][0]["phone"],
            "duration": 65,
            "note": "Wants a quote",
            "date_created": "2026-11-22T10:00:00+01:00",
        }
        call = await close.post("activity/call/", body)
        assert (call["source"], call["status"], call["duration"]) == ("External", "completed", 65)
        assert call["date_created"] == "2026-11-22T09:00:00.000000+00:00"
        assert call["id"] in {one["id"] for one in await every_call(close, lead_id=lead["id"])}
        changed = await close.put(f"activity/call/{call['id']}/", {"note_html": "<p>No</p>"})
        assert changed["note"] == "No"
        assert (await close.get(f"lead/{lead['id']}/"))["date_updated"] > lead["date_updated"]
        await close.delete(f"activity/call/{call['id']}/")
        await close.refused("GET", f"activity/call/{call['id']}/", 404)
        await close.post("activity/call/", {"duration": 65}, 400)
        await close.post("activity/call/", {**body, "duration": 604_801}, 400)

    async def test_what_close_dialled_itself_cannot_be_rewritten(self, close: Close) -> None:
        own = next(c for c in await every_call(close) if c["source"] == "Close.io")
        body = {"duration": 1, "status": "busy", "direction": "inbound", "note": "Kept"}
        after = await close.put(f"activity/call/{own['id']}/", body)
        same = ("duration", "status", "direction")
        assert [after[name] for name in same] == [own[name] for name in same]
        assert after["note"] == "Kept"


class TestDefinitions:
    async def test_statuses_fields_and_users(self, close: Close) -> None:
        assert {one["label"] for one in (await close.get("status/lead/"))["data"]} == set(
            STATUS_IDS
        )
        fields = (await close.get("custom_field_schema/lead/"))["fields"]
        types = {one["type"] for one in fields}
        assert types == {"text", "number", "date", "datetime", "choices", "user", "hidden"}
        assert fields == (await close.get("custom_field/lead/"))["data"]
        assert await close.get(f"custom_field/lead/{fields[0]['id']}/") == fields[0]
        multiple = [one["name"] for one in fields if one["accepts_multiple_values"]]
        assert multiple == ["Products of interest"]
        users = (await close.get("user/"))["data"]
        assert len(users) == 4
        assert await close.get(f"user/{users[1]['id']}/") == users[1]
        await close.refused("GET", "user/user_none/", 404)
        await close.refused("GET", "custom_field/lead/cf_none/", 404)


class TestSearching:
    async def test_ids_alone_unless_fields_are_named(self, close: Close) -> None:
        page = await close.search(lead_type(), _limit=1)
        assert set(page) == {"data", "cursor"}
        assert set(page["data"][0]) == {"__object_type", "id"}
        named = await close.search(lead_type(), _limit=1, _fields={"lead": ["name", TRUCKS]})
        assert set(named["data"][0]) == {"__object_type", "id", "name", TRUCKS}

    @pytest.mark.parametrize("direction", ["asc", "desc"])
    @pytest.mark.parametrize("name", ["date_created", "date_updated", "name"])
    async def test_cursors_lead_through_everything_once(
        self, close: Close, name: str, direction: str
    ) -> None:
        wanted = {"sort": by(name, direction), "_fields": {"lead": [name]}, "_limit": 70}
        found: list[Any] = []
        cursor = None
        while True:
            page = await close.search(lead_type(), **wanted, cursor=cursor)
            found += page["data"]
            cursor = page["cursor"]
            if cursor is None:
                break
        assert len({lead["id"] for lead in found}) == len(found) == PEOPLE
        values = [lead[name] for lead in found]
        assert values == sorted(values, reverse=direction == "desc")

    async def test_a_cursor_lives_half_a_minute(self, close: Close) -> None:
        first = await close.search(lead_type(), _limit=10)
        close.clock.on(29)
        await close.search(lead_type(), _limit=10, cursor=first["cursor"])
        close.clock.on(3)
        late = await close.search(lead_type(), 400, _limit=10, cursor=first["cursor"])
        assert late == {"field-errors": {"cursor": "Expired cursor"}}

    async def test_a_cursor_is_good_for_its_own_query_alone(self, close: Close) -> None:
        cursor = (await close.search(lead_type(), _limit=10))["cursor"]
        for changed in ({"_limit": 11}, {"_limit": 10, "cursor": "nonsense"}):
            body = {"cursor": cursor, **changed}
            answer = await close.search(lead_type(), 400, **body)
            assert answer == {"field-errors": {"cursor": "Invalid cursor"}}

    async def test_it_ends_after_so_many(
        self, close: Close, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert search.MOST_OBJECTS == 10_000
        monkeypatch.setattr(search, "MOST_OBJECTS", 150)
        wanted = {"sort": by("date_created"), "_limit": 100, "include_counts": True}
        first = await close.search(lead_type(), **wanted)
        assert first["count"] == {"limited": 150, "total": PEOPLE}
        last = await close.search(lead_type(), **wanted, cursor=first["cursor"])
        assert (len(first["data"]), len(last["data"]), last["cursor"]) == (100, 50, None)

    async def test_counting_alone(self, close: Close) -> None:
        page = await close.search(lead_type(), include_counts=True, results_limit=0)
        assert page == {"data": [], "cursor": None, "count": {"limited": 0, "total": PEOPLE}}

    async def test_results_limit(self, close: Close) -> None:
        first = await close.search(lead_type(), results_limit=15, _limit=10)
        last = await close.search(lead_type(), results_limit=15, _limit=10, cursor=first["cursor"])
        assert (len(first["data"]), len(last["data"]), last["cursor"]) == (10, 5, None)

    async def test_days(self, close: Close) -> None:
        leads = await everything(close)
        for name in ("date_created", "date_updated"):
            for other in ("date_created", "date_updated"):
                expected = {one["id"] for one in leads if "2025-01" <= one[name] < "2026-06"}
                query = all_of(lead_type(), about(name, days("2025-01-01", "2026-06-01")))
                page = await close.search(query, sort=by(other), _limit=200, include_counts=True)
                assert {one["id"] for one in page["data"]} == expected
                assert page["count"]["total"] == len(expected) > 0

    async def test_local_days_begin_by_the_offset_of_the_caller(self, close: Close) -> None:
        lead = (await everything(close))[0]
        at = datetime.fromisoformat(lead["date_updated"])
        day = at.date().isoformat()
        query = all_of(
            lead_type(),
            {"type": "id", "value": lead["id"]},
            about("date_updated", days(day, None)),
        )
        for hours, expected in ((0, 1), (-24, 0)):
            close.http.headers["x-tz-offset"] = str(hours)
            assert len((await close.search(query))["data"]) == expected

    async def test_conditions(self, close: Close) -> None:
        leads = await everything(close)

        async def found(query: Any) -> set[str]:
            page = await close.search(all_of(lead_type(), query), _limit=200)
            return {one["id"] for one in page["data"]}

        def those(holds: Any) -> set[str]:
            chosen = {lead["id"] for lead in leads if holds(lead)}
            assert chosen
            return chosen

        quoted = {"type": "term", "values": [STATUS_IDS["Quoted"]]}
        assert await found(about("status_id", quoted)) == those(
            lambda lead: lead["status_label"] == "Quoted"
        )
        many = {"type": "number_range", "gte": 6, "lt": 20}
        assert await found(about_custom("trucks", many)) == those(
            lambda lead: 6 <= lead[TRUCKS] < 20
        )
        cargo = {"type": "term", "values": ["Motor Truck Cargo"]}
        assert await found(about_custom("products", cargo)) == those(
            lambda lead: "Motor Truck Cargo" in lead.get(PRODUCTS, [])
        )
        owned = about_custom("owner", {"type": "exists"})
        assert await found(owned) == those(lambda lead: OWNER in lead)
        either = {"type": "or", "queries": [owned, about("status_id", quoted)]}
        assert await found(either) == those(
            lambda lead: OWNER in lead or lead["status_label"] == "Quoted"
        )
        assert await found({**owned, "negate": True}) == those(lambda lead: OWNER not in lead)
        soon = about_custom("renewal", days("2026-12-01", "2027-02-01"))
        assert await found(soon) == those(lambda lead: "2026-12-01" <= lead[RENEWAL] < "2027-02-01")
        name = leads[0]["name"]
        for mode in ("full_words", "phrase", "beginning_of_words"):
            text = {"type": "text", "mode": mode, "value": name.upper()}
            assert leads[0]["id"] in await found(text)
        exact = about("name", {"type": "text", "mode": "exact_value", "value": name})
        assert await found(exact) == those(lambda lead: lead["name"] == name)

    async def test_by_phone_through_the_contact(self, close: Close) -> None:
        whom = person(5, today=TODAY)
        number = about(
            "phone",
            {"type": "text", "mode": "exact_value", "value": whom.phone},
            "contact_phone",
        )
        related = {
            "type": "has_related",
            "this_object_type": "contact",
            "related_object_type": "contact_phone",
            "related_query": number,
        }
        contacts = await close.search(
            all_of({"type": "object_type", "object_type": "contact"}, related),
            _fields={"contact": ["name"]},
        )
        assert whom.contact_id in {one["id"] for one in contacts["data"]}
        leads = await close.search(
            all_of(
                lead_type(),
                {
                    "type": "has_related",
                    "this_object_type": "lead",
                    "related_object_type": "contact",
                    "related_query": related,
                },
            )
        )
        assert whom.lead_id in {one["id"] for one in leads["data"]}

    @pytest.mark.parametrize(
        ("query", "said"),
        [
            (None, "Every node needs a type."),
            ({"type": "magic"}, "Unknown query type 'magic'."),
            (
                about("email", {"type": "exists"}, "contact"),
                "Field 'email' does not belong to type 'contact'",
            ),
            (about("name", {"type": "magic"}), "Unknown condition type 'magic'."),
            ({"type": "and"}, "'queries' must be a list."),
            ({"type": "object_type", "object_type": "unicorn"}, "Unknown object type 'unicorn'."),
        ],
    )
    async def test_refused_queries(self, close: Close, query: Any, said: str) -> None:
        assert await close.search(query, 400) == {"field-errors": {"query": said}}

    async def test_refused_sizes(self, close: Close) -> None:
        answer = await close.search(lead_type(), 400, _limit=201)
        assert answer["field-errors"] == {"_limit": "Input should be less than or equal to 200"}


class TestEvents:
    async def test_an_update_says_what_changed(self, close: Close) -> None:
        lead = await close.get(f"lead/{lead_id_of(2)}/")
        after = await close.put(f"lead/{lead['id']}/", {TRUCKS: 99, "name": "Renamed"})
        [event] = await close.events(object_type="lead", object_id=lead["id"])
        assert event["action"] == "updated"
        assert set(event["changed_fields"]) == {TRUCKS, "name", "display_name"}
        assert event["previous_data"][TRUCKS] == lead[TRUCKS]
        assert event["data"] == after
        assert event["date_created"] == "2026-11-23T09:00:00.000000"
        assert event["meta"]["request_method"] == "PUT"
        assert await close.get(f"event/{event['id']}/") == event

    async def test_quick_repeated_updates_are_one_event_that_moves(self, close: Close) -> None:
        path = f"lead/{lead_id_of(2)}/"
        before = (await close.get(path))["name"]
        await close.put(path, {"name": "Once"})
        close.clock.on(30)
        await close.put(path, {TRUCKS: 99})
        [event] = await close.events(object_type="lead", object_id=lead_id_of(2))
        assert event["date_updated"] > event["date_created"]
        assert {TRUCKS, "name"} <= set(event["changed_fields"])
        assert event["previous_data"]["name"] == before
        close.clock.on(100)
        await close.put(path, {"name": "Later"})
        assert len(await close.events(object_type="lead", object_id=lead_id_of(2))) == 2

    async def test_cursors_lead_back_to_the_beginning(self, close: Close) -> None:
        found: list[Any] = []
        page = await close.get("event/")
        newest = page["cursor_previous"]
        while True:
            found += page["data"]
            if page["cursor_next"] is None:
                break
            page = await close.get("event/", _cursor=page["cursor_next"])
        times = [event["date_updated"] for event in found]
        assert times == sorted(times, reverse=True)
        assert len({event["id"] for event in found}) == len(found)
        assert len(found) == (await totals(close))["events"] > 100
        kinds = {(event["object_type"], event["action"]) for event in found}
        assert kinds >= {
            *(("lead", "created"), ("lead", "updated"), ("lead", "deleted"), ("lead", "merged")),
            ("activity.call", "created"),
        }
        assert times[-1] >= "2026-10-24"

        assert (await close.get("event/", _cursor=newest))["data"] == []
        await close.put(f"lead/{lead_id_of(2)}/", {"name": "Newer"})
        newer = await close.get("event/", _cursor=newest)
        assert [event["action"] for event in newer["data"]] == ["updated"]

    async def test_times(self, close: Close) -> None:
        found = await close.events(date_updated__gte="2026-11-20T00:00:00")
        assert found
        assert all(event["date_updated"] >= "2026-11-20" for event in found)
        ignored = await close.events(date_created__gte="2027-01-01")
        assert len(ignored) == 50
        await close.refused("GET", "event/", params={"date_updated__gte": "yesterday"})
        await close.refused("GET", "event/", params={"_limit": 51})
        await close.refused("GET", "event/", params={"_cursor": "nonsense"})

    async def test_nothing_is_older_than_thirty_days(self, close: Close) -> None:
        close.clock.on(20 * 86_400)
        page = await close.get("event/", date_updated__lt="2026-11-14")
        assert all(event["date_updated"] >= "2026-11-13" for event in page["data"])
        close.clock.on(20 * 86_400)
        assert await close.events() == []

    @pytest.mark.parametrize(
        "filters",
        [
            {"object_type": "lead"},
            {"action": "updated"},
            {"object_id": "lead_x"},
            {"lead_id": "lead_x", "action": "updated"},
            {"request_id": "req_x", "user_id": "user_x"},
        ],
    )
    async def test_refused_combinations(self, close: Close, filters: Any) -> None:
        answer = await close.refused("GET", "event/", params=filters)
        assert answer["errors"] == ["This combination of filters is not supported."]

    async def test_a_merge_of_the_past_names_both_leads(self, close: Close) -> None:
        event = (await close.events(object_type="lead", action="merged"))[0]
        remaining = event["meta"]["merge_destination_lead_id"]
        assert event["lead_id"] == remaining == event["data"]["id"]
        assert (await close.get(f"lead/{remaining}/"))["id"] == remaining
        await close.refused("GET", f"lead/{event['meta']['merge_source_lead_id']}/", 404)
        assert await close.get(f"event/{event['id']}/") == event
        await close.refused("GET", "event/ev_none/", 404)


@dataclass
class Receiver:
    """Somebody's server for webhooks, that fails as often as it is told to."""

    fails: int = 0
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def transport(self) -> httpx2.ASGITransport:
        async def take(request: Request) -> Response:
            self.received.append((dict(request.headers), await request.body()))
            self.fails -= 1
            return Response(status_code=500 if self.fails >= 0 else 200)

        return httpx2.ASGITransport(Starlette(routes=[Route("/hook", take, methods=["POST"])]))


def webhooks_of(close: Close) -> Webhooks:
    return close.app.state.stand_in.webhooks


SUBSCRIPTION = {
    "url": "http://ours.test/hook",
    "events": [{"object_type": "lead", "action": "updated"}],
}


class TestWebhooks:
    def test_the_published_recipe_of_the_signature(self) -> None:
        key = "058bfb6a3d8cfdc4da7c3be5901b16ae11da982b46a25fb2cd7016e97a140a1c"
        body = b'{"event":{"id":"ev_test"},"subscription_id":"whsub_test"}'
        expected = "8ba1610df0384f28e05e87692a2505b2e88006424f9a32f8d2852008bc710c9d"
        assert signature(key, "1544271440", body) == expected

    async def test_delivers_what_was_subscribed_to_signed(self) -> None:
        receiver = Receiver()
        close = in_process(webhook_transport=receiver.transport())
        made = await close.post("webhook/", SUBSCRIPTION, 201)
        await close.put(f"lead/{lead_id_of(2)}/", {"name": "Renamed"})
        await close.post("lead/", {"name": "Not subscribed to"})
        await webhooks_of(close).settled()
        [(headers, body)] = receiver.received
        told = json.loads(body)
        assert told["subscription_id"] == made["id"]
        [logged] = await close.events(object_type="lead", object_id=lead_id_of(2))
        assert told["event"] == logged
        at = headers["close-sig-timestamp"]
        assert abs(int(at) - close.clock().timestamp()) < 2
        key = bytes.fromhex(made["signature_key"])
        assert (
            headers["close-sig-hash"]
            == hmac.new(key, at.encode() + body, hashlib.sha256).hexdigest()
        )

    async def test_tries_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("mission_control_sandbox.close.webhooks.PAUSES", (0, 0, 0))
        receiver = Receiver(fails=2)
        close = in_process(webhook_transport=receiver.transport())
        await close.post("webhook/", SUBSCRIPTION, 201)
        await close.put(f"lead/{lead_id_of(2)}/", {"name": "Renamed"})
        await webhooks_of(close).settled()
        assert len(receiver.received) == 3
        assert len({body for _, body in receiver.received}) == 1
        receiver.fails = 99
        await close.put(f"lead/{lead_id_of(3)}/", {"name": "Renamed"})
        await webhooks_of(close).settled()
        assert (await totals(close))["webhooks"] == {"delivered": 1, "given_up": 1}

    async def test_the_key_is_told_once(self, close: Close) -> None:
        made = await close.post("webhook/", SUBSCRIPTION, 201)
        assert len(bytes.fromhex(made["signature_key"])) == 32
        [listed] = (await close.get("webhook/"))["data"]
        assert "signature_key" not in listed
        assert await close.get(f"webhook/{made['id']}/") == listed

    async def test_paused_changed_and_deleted(self) -> None:
        receiver = Receiver()
        close = in_process(webhook_transport=receiver.transport())
        path = f"webhook/{(await close.post('webhook/', SUBSCRIPTION, 201))['id']}/"
        assert (await close.put(path, {"status": "paused"}))["status"] == "paused"
        await close.put(f"lead/{lead_id_of(2)}/", {"name": "Unheard"})
        await close.put(
            path, {"status": "active", "events": [{"object_type": "lead", "action": "deleted"}]}
        )
        await close.delete(f"lead/{lead_id_of(2)}/")
        await webhooks_of(close).settled()
        assert [json.loads(body)["event"]["action"] for _, body in receiver.received] == ["deleted"]
        await close.delete(path)
        await close.refused("GET", path, 404)

    @pytest.mark.parametrize(
        ("change", "name"),
        [
            ({"url": "nowhere"}, "url"),
            ({"events": None}, "events"),
            ({"events": [{"object_type": "lead"}]}, "events"),
            ({"status": "asleep"}, "status"),
            ({"event_filter": {"type": "equals"}}, "events"),
        ],
    )
    async def test_refused(self, close: Close, change: Any, name: str) -> None:
        answer = await close.post("webhook/", {**SUBSCRIPTION, **change}, 400)
        assert list(answer["field-errors"]) == [name]


class TestLag:
    async def test_lists_and_searches_come_later_than_a_single_read(self) -> None:
        close = in_process(lag=30)
        lead_id = lead_id_of(2)
        await close.put(f"lead/{lead_id}/", {"name": "Changed"})
        made = await close.post("lead/", {"name": "New"})
        assert (await close.get(f"lead/{lead_id}/"))["name"] == "Changed"
        assert (await close.get(f"lead/{made['id']}/"))["name"] == "New"

        async def seen() -> tuple[str, int, int]:
            [old] = (await close.get("lead/", id__in=lead_id))["data"]
            text = {"type": "text", "mode": "full_words", "value": "Changed"}
            hits = len((await close.search(all_of(lead_type(), text)))["data"])
            return old["name"], hits, (await close.get("lead/", _limit=0))["total_results"]

        before = person(2, today=TODAY).company
        assert await seen() == (before, 0, PEOPLE)
        close.clock.on(29)
        assert await seen() == (before, 0, PEOPLE)
        close.clock.on(2)
        assert await seen() == ("Changed", 1, PEOPLE + 1)

    async def test_what_is_deleted_can_still_be_read_for_a_while(self) -> None:
        close = in_process(lag=30)
        await close.delete(f"lead/{lead_id_of(2)}/")
        assert (await close.get(f"lead/{lead_id_of(2)}/"))["id"] == lead_id_of(2)
        await close.delete(f"lead/{lead_id_of(2)}/", 404)
        close.clock.on(31)
        await close.refused("GET", f"lead/{lead_id_of(2)}/", 404)


class TestRateLimits:
    async def test_counts_per_group_and_says_so(self) -> None:
        close = in_process(rate_limit="3/60")
        for remaining in (2, 1, 0):
            answer = await close.http.get("/api/v1/lead/?_limit=1")
            assert answer.headers["ratelimit"].startswith(f"limit=3, remaining={remaining}, reset=")
        answer = await close.http.get("/api/v1/lead/?_limit=1")
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert set(answer.json()["error"]) >= {"rate_reset", "rate_limit", "rate_window"}
        await close.get("contact/", _limit=1)
        await close.put(f"lead/{lead_id_of(2)}/", {})
        assert (await totals(close))["rate_limited"] == 1

    async def test_searches_are_rarer(self) -> None:
        close = in_process(rate_limit="20/60")
        await close.search(lead_type(), _limit=1)
        await close.search(lead_type(), _limit=1)
        await close.search(lead_type(), 429, _limit=1)

    async def test_other_ways_of_saying_it(self, close: Close) -> None:
        limit = {"requests": 1, "seconds": 60, "separator": ";", "body": "flat"}
        await close.sandbox("rate-limit", limit)
        first = await close.http.get("/api/v1/me/")
        assert first.headers["ratelimit"].startswith("limit=1; remaining=0; reset=")
        second = await close.http.get("/api/v1/me/")
        assert second.json()["rate_limit_type"] == "key"
        await close.sandbox("rate-limit", {**limit, "header": False})
        third = await close.http.get("/api/v1/me/")
        assert (third.status_code, "ratelimit" in third.headers) == (429, False)
        assert "retry-after" not in third.headers
        await close.sandbox("rate-limit", None)
        await close.get("me/")

    def test_a_window_passes(self) -> None:
        now = 0.0
        limits = RateLimits(Limit(requests=2, seconds=8), clock=lambda: now)
        path = "/api/v1/lead/"
        assert [limits.ask("GET", path, "a").allowed for _ in range(3)] == [True, True, False]
        assert limits.ask("GET", path, "b").allowed
        now = 8.0
        assert limits.ask("GET", path, "a").allowed

    @pytest.mark.parametrize("text", ["5", "0/1", "1/0", "a/b"])
    def test_a_limit_that_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            read_limit(text)


class TestFaults:
    async def test_kinds(self, close: Close) -> None:
        for fault, status, text in (
            ({"kind": "status", "status": 500}, 500, '{"error": "Internal server error"}'),
            ({"kind": "status", "status": 503, "body": {"error": "x"}}, 503, '{"error": "x"}'),
            ({"kind": "status", "status": 200, "body": "not json"}, 200, "not json"),
            ({"kind": "html", "status": 504}, 504, "504 Bad Gateway"),
            ({"kind": "text403"}, 403, "error code: 1010"),
            ({"kind": "rate_limit", "body": {"message": "flat"}}, 429, '{"message": "flat"}'),
        ):
            await close.sandbox("faults", {**fault, "path": "/api/v1/me/"})
            answer = await close.http.get("/api/v1/me/")
            assert answer.status_code == status
            assert text in answer.text
        await close.get("me/")

    async def test_headers_of_a_rate_limit(self, close: Close) -> None:
        headers = {"RateLimit": "limit=160; remaining=0; reset=0.61"}
        await close.sandbox(
            "faults", {"kind": "rate_limit", "headers": headers, "retry_after": "1"}
        )
        answer = await close.http.get("/api/v1/me/")
        assert answer.headers["ratelimit"] == headers["RateLimit"]
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["error"]["rate_reset"] == 1.0

    async def test_carried_out_and_its_answer_lost(self, close: Close) -> None:
        fault = {"kind": "html", "when": "after", "method": "PUT"}
        await close.sandbox("faults", fault)
        path = f"/api/v1/lead/{lead_id_of(2)}/"
        assert (await close.http.put(path, json={"name": "Done"})).status_code == 502
        assert (await close.get(f"lead/{lead_id_of(2)}/"))["name"] == "Done"

    async def test_what_was_asked_is_known(self, close: Close) -> None:
        await close.get("lead/", _limit=1)
        asked = (await close.http.get("/sandbox/requests")).json()["requests"]
        assert asked == [{"method": "GET", "path": "/api/v1/lead/", "query": "_limit=1"}]
        answer = await close.http.post("/sandbox/faults", json={"kind": "earthquake"})
        assert answer.status_code == 400


ODD_SEARCHES = [
    {"query": {"type": "object_type", "object_type": []}},
    {"query": about("name", {"type": "exists"}) | {"field": {"type": "custom_field"}}},
    {"query": about([], {"type": "exists"})},  # type: ignore[arg-type]
    {"query": about_custom("trucks", {"type": "number_range", "gt": "6"})},
    {"query": about("date_created", days("soon", None))},
    {"query": {"type": "and", "queries": [[]]}},
    {"query": lead_type(), "sort": [{}]},
    {"query": lead_type(), "_limit": "10"},
    {"query": lead_type(), "cursor": 5},
]
ODD_WRITES = [
    ("lead/", {"contacts": 5}),
    ("lead/", {"contacts": ["Ann"]}),
    ("lead/", {"addresses": ["Omaha"]}),
    ("lead/", {"status": []}),
    ("lead/", {"status_id": {}}),
    ("lead/", {OWNER: []}),
    ("lead/", {"custom.": 1}),
    ("activity/call/", {"lead_id": lead_id_of(1), "user_id": ["x"]}),
    ("activity/call/", {"contact_id": []}),
    ("webhook/", {"url": 5, "events": "all"}),
]


class TestNonsense:
    @pytest.mark.parametrize("body", ODD_SEARCHES)
    async def test_searches(self, close: Close, body: Any) -> None:
        assert "field-errors" in await close.post("data/search/", body, 400)

    @pytest.mark.parametrize(("path", "body"), ODD_WRITES)
    async def test_writes(self, close: Close, path: str, body: Any) -> None:
        before = await totals(close)
        assert "field-errors" in await close.post(path, body, 400)
        assert await totals(close) == before

    @pytest.mark.parametrize("cursor", ["[]", "5", '[1, "a", null, null]', "[0, 9, [], [1]]"])
    async def test_cursors_of_the_event_log(self, close: Close, cursor: str) -> None:
        written = base64.urlsafe_b64encode(cursor.encode()).decode()
        answer = await close.refused("GET", "event/", params={"_cursor": written})
        assert answer["field-errors"] == {"_cursor": "Invalid cursor"}

    @pytest.mark.parametrize("offset", ["-0.0", "nan", "inf", "west"])
    async def test_offsets(self, close: Close, offset: str) -> None:
        close.http.headers["x-tz-offset"] = offset
        found = await close.search(
            all_of(lead_type(), about("date_created", days("2026-01-01", None)))
        )
        assert found["data"]


class TestOtherPeople:
    async def test_changes_are_the_same_for_the_same_seed(self) -> None:
        wanted = {"leads": 5, "contacts": 2, "calls": 3, "delete": 2, "merge": 2, "seed": 7}
        close, again = in_process(), in_process()
        made = await close.sandbox("change", wanted)
        other = await again.sandbox("change", wanted)
        assert {**made, "calls": 0} == {**other, "calls": 0}
        assert [len(made[name]) for name in made] == [5, 2, 3, 2, 2]
        there = await totals(close)
        assert there["leads"] == PEOPLE - 4
        assert there["leads"] == (await close.get("lead/", _limit=0))["total_results"]
        assert there["calls"] == len(await every_call(close))
        assert there["contacts"] == len(
            [c for lead in await everything(close) for c in lead["contacts"]]
        )
        for lead_id in [*made["deleted"], *(one["source"] for one in made["merged"])]:
            await close.refused("GET", f"lead/{lead_id}/", 404)
        events = await close.get("event/")
        assert events["data"][0]["api_key_id"] is None

    async def test_a_new_call_has_words(self, close: Close) -> None:
        made = (await close.sandbox("change", {"calls": 12}))["calls"]
        calls = await every_call(
            close, id__in=",".join(made), _fields="id,source,recording_transcript"
        )
        assert {call["source"] for call in calls} == {"Close.io"}
        assert any(call["recording_transcript"] for call in calls)

    async def test_live(self, close: Close) -> None:
        before = (await totals(close))["events"]
        await close.sandbox("live", {"seconds": 0.01})
        for _ in range(200):
            await asyncio.sleep(0.01)
            if (await totals(close))["events"] > before + 2:
                break
        await close.sandbox("live", {"seconds": 0})
        after = (await totals(close))["events"]
        assert after > before + 2
        await asyncio.sleep(0.03)
        assert (await totals(close))["events"] == after

    async def test_reset_forgets_everything(self, close: Close) -> None:
        await close.sandbox("change", {"leads": 2, "delete": 1})
        await close.post("webhook/", SUBSCRIPTION, 201)
        await close.sandbox("faults", {"kind": "drop"})
        await close.sandbox("reset", {})
        assert (await close.get("webhook/"))["data"] == []
        assert (await totals(close)) == (await totals(in_process()))


class TestOverRestarts:
    async def test_everything_is_there_again(self, tmp_path: Path) -> None:
        file = tmp_path / "close.json"
        first = in_process(data_file=file)
        made = await first.sandbox("change", {"leads": 4, "calls": 3, "delete": 2, "merge": 1})
        lead = await first.post("lead/", {"name": "New", "contacts": [{"name": "Ann"}]})
        await first.post("webhook/", SUBSCRIPTION, 201)
        expected = await everything(first), await every_call(first), await first.events()
        for clock in (Clock(), Clock()):
            later = in_process(data_file=file, now=clock, today=date(2027, 1, 1))
            seen = await everything(later), await every_call(later), await later.events()
            assert seen == expected
            assert len((await later.get("webhook/"))["data"]) == 1
        newer = await later.post("lead/", {"name": "Newer", "contacts": [{"name": "Bob"}]})
        assert newer["id"] != lead["id"]
        assert newer["contact_ids"] != lead["contact_ids"]
        await later.refused("GET", f"lead/{made['deleted'][0]}/", 404)

    async def test_a_line_that_a_crash_cut_short_never_was(self, tmp_path: Path) -> None:
        file = tmp_path / "close.json"
        await in_process(data_file=file).put(f"lead/{lead_id_of(2)}/", {"name": "Whole"})
        with file.open("a") as journal:
            journal.write('{"kind":"lead","number":3,"rec')
        later = in_process(data_file=file)
        assert (await later.get(f"lead/{lead_id_of(2)}/"))["name"] == "Whole"
        assert (await later.get(f"lead/{lead_id_of(3)}/"))["name"] == person(3, today=TODAY).company
        assert all(json.loads(line) for line in file.read_text().splitlines())

    async def test_a_journal_that_grew_is_begun_anew(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("mission_control_sandbox.close.stand_in.LARGEST_JOURNAL", 20_000)
        file = tmp_path / "close.json"
        close = in_process(data_file=file)
        for turn in range(20):
            await close.put(f"lead/{lead_id_of(2)}/", {"name": f"Turn {turn}"})
        assert file.stat().st_size < 40_000
        later = in_process(data_file=file)
        assert (await later.get(f"lead/{lead_id_of(2)}/"))["name"] == "Turn 19"

    @pytest.mark.parametrize("content", ["", "{}\n", "not json\n", '[{"today": "2026-11-23"}]\n'])
    def test_somebody_elses_file_is_left_alone(self, tmp_path: Path, content: str) -> None:
        file = tmp_path / "close.json"
        file.write_text(content)
        with pytest.raises(StandInError, match="Nothing was changed"):
            in_process(data_file=file)
        assert file.read_text() == content

    async def test_a_file_of_another_world_is_left_alone(self, tmp_path: Path) -> None:
        file = tmp_path / "close.json"
        await in_process(data_file=file).put(f"lead/{lead_id_of(2)}/", {"name": "Kept"})
        before = file.read_text()
        with pytest.raises(StandInError, match="made for 260 people, not 20"):
            in_process(data_file=file, people=20)
        assert file.read_text() == before

    def test_the_command_says_so_in_a_line(self, tmp_path: Path) -> None:
        (tmp_path / "close.json").write_text("not json\n")
        run = subprocess.run(
            [*COMMAND, "--port", str(free_port()), "--data-file", str(tmp_path / "close.json")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 2
        assert run.stderr.count("\n") == 1

    async def test_written_before_it_is_answered(self, tmp_path: Path) -> None:
        file, port = tmp_path / "close.json", free_port()
        command = [*COMMAND, "--port", str(port), "--people", "20", "--data-file", str(file)]
        with process(
            command, log=tmp_path / "log", ready=lambda: accepts(port), stop=signal.SIGKILL
        ):
            origin = f"http://127.0.0.1:{port}"
            async with httpx2.AsyncClient(base_url=origin, auth=("key", "")) as http:
                answer = await http.put(f"/api/v1/lead/{lead_id_of(2)}/", json={"name": "Kept"})
                assert answer.status_code == 200
        later = in_process(people=20, data_file=file)
        assert (await later.get(f"lead/{lead_id_of(2)}/"))["name"] == "Kept"


async def everything(close: Close) -> list[Any]:
    first = await close.get("lead/", _limit=200)
    second = await close.get("lead/", _limit=200, _skip=200)
    return first["data"] + second["data"]


async def every_call(close: Close, **filters: Any) -> list[Any]:
    found: list[Any] = []
    while True:
        page = await close.get("activity/call/", _skip=len(found), **filters)
        found += page["data"]
        if not page["has_more"]:
            return found


async def lead_with_calls(close: Close) -> Any:
    call = (await close.get("activity/call/", _limit=1))["data"][0]
    return await close.get(f"lead/{call['lead_id']}/")


async def totals(close: Close) -> Any:
    return (await close.http.get("/sandbox/totals")).json()
