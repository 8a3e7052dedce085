"""The stand-in for Vapi does what Vapi's reference says, checked without our client."""

import asyncio
import base64
import gzip
import hashlib
import hmac
import io
import json
import signal
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from mission_control.core.clock import utc_now
from mission_control.data.call_documents import shares_of
from mission_control_sandbox.vapi import calls
from mission_control_sandbox.vapi.assistants import (
    GENESIS_ID,
    REMUS_ID,
    SCOUT_ID,
    seeded_assistants,
)
from mission_control_sandbox.vapi.organization import PHONE_NUMBER_IDS
from mission_control_sandbox.vapi.reference import complaints
from mission_control_sandbox.vapi.webhooks import Destination
from mission_control_sandbox.vapi_server import create_app
from mission_control_sandbox.world import conversations
from mission_control_sandbox.world.people import person
from tests.services import HANG_SECONDS, free_port, sandbox_server

AUTHORIZATION = {"Authorization": "Bearer any"}
MODEL = {"provider": "openai", "model": "gpt-4o-mini"}


@pytest.fixture
async def vapi(vapi_server: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=vapi_server, headers=AUTHORIZATION) as http:
        await http.post("/sandbox/reset")
        yield http


def in_process(**options: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(create_app(**options)),
        base_url="http://vapi.test",
        headers=AUTHORIZATION,
    )


async def create(vapi: httpx2.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await vapi.post("/assistant", json=fields)
    assert answer.status_code == 201, answer.text
    return answer.json()


class TestAdmission:
    async def test_no_user_agent_is_turned_away_before_the_key_is_looked_at(
        self, vapi: httpx2.AsyncClient
    ) -> None:
        answer = await vapi.get("/assistant", headers={"User-Agent": "", "Authorization": ""})
        assert (answer.status_code, answer.text) == (403, "error code: 1010")

    async def test_no_authorization(self, vapi: httpx2.AsyncClient) -> None:
        del vapi.headers["Authorization"]
        answer = await vapi.get("/assistant")
        assert answer.status_code == 401
        assert answer.json() == {
            "message": "Missing Authorization Header.",
            "error": "Unauthorized",
            "statusCode": 401,
        }

    @pytest.mark.parametrize("value", ["Bearer wrong", "Basic right"])
    async def test_a_wrong_key(self, value: str) -> None:
        vapi = in_process(api_key="right")
        assert (await vapi.get("/assistant")).status_code == 401
        answer = await vapi.get("/assistant", headers={"Authorization": value})
        assert answer.status_code == 401
        assert answer.json()["message"].startswith("Invalid Key. Hot tip")

    async def test_the_right_key(self) -> None:
        vapi = in_process(api_key="any")
        assert (await vapi.get("/assistant")).status_code == 200

    async def test_every_answer_says_what_it_is(self, vapi: httpx2.AsyncClient) -> None:
        for path in ("/assistant", "/assistant/unknown", "/nothing", "/health"):
            assert (await vapi.get(path)).headers["x-stand-in"] == "true"

    @pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("PUT", "/assistant")])
    async def test_unknown_route(self, vapi: httpx2.AsyncClient, method: str, path: str) -> None:
        answer = await vapi.request(method, path)
        assert answer.status_code == 404
        assert answer.json() == {
            "message": f"Cannot {method} {path}",
            "error": "Not Found",
            "statusCode": 404,
        }


class TestListing:
    async def test_a_bare_array_of_the_three(self, vapi: httpx2.AsyncClient) -> None:
        body = (await vapi.get("/assistant")).json()
        assert [one["id"] for one in body] == [REMUS_ID, GENESIS_ID, SCOUT_ID]

    async def test_a_hundred_unless_asked_for_more(self) -> None:
        there = [_stored(f"2026-01-01T00:00:00.{index:03}Z") for index in range(150)]
        vapi = in_process(assistants=there)
        assert len((await vapi.get("/assistant")).json()) == 100
        assert len((await vapi.get("/assistant?limit=1000")).json()) == 150

    async def test_newest_first(self) -> None:
        there = [_stored("2026-01-01T00:00:00.000Z"), _stored("2026-01-02T00:00:00.000Z")]
        body = (await in_process(assistants=there).get("/assistant")).json()
        assert [one["createdAt"][:10] for one in body] == ["2026-01-02", "2026-01-01"]

    @pytest.mark.parametrize(
        ("filters", "expected"),
        [
            ({"createdAtGt": "2026-01-02T00:00:00.000Z"}, [3]),
            ({"createdAtGe": "2026-01-02T00:00:00.000Z"}, [3, 2]),
            ({"createdAtLt": "2026-01-02T00:00:00.000Z"}, [1]),
            ({"createdAtLe": "2026-01-02T01:00:00.000+01:00"}, [2, 1]),
            ({"updatedAtGe": "2026-01-03"}, [3]),
            ({"createdAtGe": "2026-01-01", "createdAtLt": "2026-01-03", "limit": "1"}, [2]),
        ],
    )
    async def test_filters(self, filters: dict[str, str], expected: list[int]) -> None:
        there = [_stored(f"2026-01-0{day}T00:00:00.000Z") for day in (1, 2, 3)]
        body = (await in_process(assistants=there).get("/assistant", params=filters)).json()
        assert [int(one["createdAt"][8:10]) for one in body] == expected

    @pytest.mark.parametrize(
        ("query", "message"),
        [
            ("limit=1001", "limit must not be greater than 1000"),
            ("limit=0", "limit must not be less than 1"),
            ("limit=-1", "limit must not be less than 1"),
            ("limit=ten", "limit must be a number conforming to the specified constraints"),
            ("createdAtLe=yesterday", "createdAtLe must be a Date instance"),
            ("page=2", "property page should not exist"),
        ],
    )
    async def test_refused_queries(
        self, vapi: httpx2.AsyncClient, query: str, message: str
    ) -> None:
        answer = await vapi.get(f"/assistant?{query}")
        assert answer.status_code == 400
        assert answer.json() == {"message": [message], "error": "Bad Request", "statusCode": 400}


class TestOneAssistant:
    async def test_unknown(self, vapi: httpx2.AsyncClient) -> None:
        for method in ("GET", "PATCH", "DELETE"):
            answer = await vapi.request(
                method, "/assistant/nobody", json={} if method == "PATCH" else None
            )
            assert answer.status_code == 404
            assert answer.json()["error"] == "Not Found"

    async def test_the_seeds_are_whole_and_legal(self, vapi: httpx2.AsyncClient) -> None:
        read_only = {
            "id", "orgId", "createdAt", "updatedAt", "latestVersion", "isServerUrlSecretSet",
        }  # fmt: skip
        for one in (await vapi.get("/assistant")).json():
            assert complaints({k: v for k, v in one.items() if k not in read_only}) == []
            assert one["model"]["messages"][0]["content"]
            assert {"voice", "transcriber", "firstMessage", "metadata"} <= one.keys()

    async def test_a_seed_speaks_the_prompt_of_its_playbook(self, tmp_path: Path) -> None:
        (tmp_path / "remus.yaml").write_text("spec:\n  prompt: |\n    From the playbook.\n")
        (tmp_path / "genesis.yaml").write_text("spec: {}")
        vapi = in_process(agents_dir=tmp_path)
        remus = (await vapi.get(f"/assistant/{REMUS_ID}")).json()
        assert remus["model"]["messages"][0]["content"] == "From the playbook.\n"
        genesis = (await vapi.get(f"/assistant/{GENESIS_ID}")).json()
        assert "Genesis" in genesis["model"]["messages"][0]["content"]

    async def test_created_with_what_the_vendor_adds(self, vapi: httpx2.AsyncClient) -> None:
        made = await create(vapi, name="new", model=MODEL)
        assert {**made, "name": "new", "model": MODEL} == made
        assert made.keys() == {
            "id", "orgId", "createdAt", "updatedAt", "latestVersion", "name", "model",
        }  # fmt: skip
        assert (await vapi.get(f"/assistant/{made['id']}")).json() == made

    async def test_deleted_with_the_whole_assistant_as_answer(
        self, vapi: httpx2.AsyncClient
    ) -> None:
        made = await create(vapi, name="gone soon")
        assert (await vapi.delete(f"/assistant/{made['id']}")).json() == made
        assert (await vapi.get(f"/assistant/{made['id']}")).status_code == 404


class TestPatching:
    async def test_top_level_fields_are_merged(self, vapi: httpx2.AsyncClient) -> None:
        before = (await vapi.get(f"/assistant/{REMUS_ID}")).json()
        answer = await vapi.patch(f"/assistant/{REMUS_ID}", json={"name": "R2"})
        after = answer.json()
        assert answer.status_code == 200
        assert {
            **after,
            **{key: before[key] for key in ("name", "updatedAt", "latestVersion")},
        } == before
        assert (await vapi.get(f"/assistant/{REMUS_ID}")).json() == after

    async def test_nested_objects_are_replaced_whole(self, vapi: httpx2.AsyncClient) -> None:
        partial = {**MODEL, "messages": [{"role": "system", "content": "short"}]}
        after = (await vapi.patch(f"/assistant/{REMUS_ID}", json={"model": partial})).json()
        assert after["model"] == partial  # the tools are gone, and nobody was told

    async def test_null_clears_and_leaving_out_keeps(self, vapi: httpx2.AsyncClient) -> None:
        body = {"voicemailMessage": None}
        after = (await vapi.patch(f"/assistant/{REMUS_ID}", json=body)).json()
        assert "voicemailMessage" not in after
        assert after["endCallMessage"] == "Thank you, drive safely."

    async def test_every_write_moves_the_time_and_a_change_the_version(
        self, vapi: httpx2.AsyncClient
    ) -> None:
        made = await create(vapi, name="a")
        path = f"/assistant/{made['id']}"
        same = (await vapi.patch(path, json={"name": "a"})).json()
        changed = (await vapi.patch(path, json={"name": "b"})).json()
        assert made["updatedAt"] < same["updatedAt"] < changed["updatedAt"]
        versions = [one["latestVersion"] for one in (made, same, changed)]
        assert versions == ["v1", "v1", "v2"]
        assert changed["createdAt"] == made["createdAt"]

    async def test_an_organisation_without_versions_gets_none(
        self, vapi: httpx2.AsyncClient
    ) -> None:
        after = (await vapi.patch(f"/assistant/{SCOUT_ID}", json={"name": "S"})).json()
        assert after["latestVersion"] is None

    async def test_the_secret_of_the_server_is_never_read_back(
        self, vapi: httpx2.AsyncClient
    ) -> None:
        path = f"/assistant/{SCOUT_ID}"
        server = {"url": "https://hooks.example", "secret": "s"}
        after = (await vapi.patch(path, json={"server": server})).json()
        assert after["server"] == {"url": "https://hooks.example"}
        assert after["isServerUrlSecretSet"] is True
        # Whoever sends back what they read has lost the secret.
        after = (await vapi.patch(path, json={"server": after["server"]})).json()
        assert after["isServerUrlSecretSet"] is False

    @pytest.mark.parametrize(
        ("body", "messages"),
        [
            ({"id": str(uuid4())}, ["property id should not exist"]),
            (
                {"createdAt": "x", "updatedAt": "x", "orgId": "x", "latestVersion": "v9"},
                [
                    "property createdAt should not exist",
                    "property updatedAt should not exist",
                    "property orgId should not exist",
                    "property latestVersion should not exist",
                ],
            ),
            ({"tools": []}, ["property tools should not exist"]),
            ({"name": "x" * 41}, ["name must be shorter than or equal to 40 characters"]),
            ({"name": 7}, ["name must be a string"]),
            ({"maxDurationSeconds": 9}, ["maxDurationSeconds must not be less than 10"]),
            ({"model": {**MODEL, "temperature": 3}}, ["model.temperature must not be greater than 2"]),
            ({"model": {**MODEL, "nonsense": 1}}, ["model.property nonsense should not exist"]),
            ({"model": {"provider": "openai"}}, ["model.model must be a string"]),
            ({"model": "gpt-4o"}, ["nested property model must be either object or array"]),
            (
                {"voice": {"provider": "11labs", "voiceId": "burt", "loud": True}},
                ["voice.property loud should not exist"],
            ),
            (
                {"transcriber": {"provider": "deepgram", "smartFormat": "yes"}},
                ["transcriber.smartFormat must be a boolean value"],
            ),
            (
                {"model": {**MODEL, "messages": [{"role": "oracle", "content": "x"}]}},
                [
                    "model.messages.0.role must be one of the following values: "
                    "assistant, function, user, system, tool"
                ],
            ),
            (
                {"model": {**MODEL, "tools": [{"type": "endCall", "color": "red"}]}},
                ["model.tools.0.property color should not exist"],
            ),
            ({"firstMessageMode": "x"}, ["firstMessageMode must be one of the following values: "
                "assistant-speaks-first, assistant-speaks-first-with-model-generated-message, "
                "assistant-waits-for-user"]),
        ],
    )  # fmt: skip
    async def test_refused_whole_with_every_reason(
        self, vapi: httpx2.AsyncClient, body: dict[str, Any], messages: list[str]
    ) -> None:
        before = (await vapi.get(f"/assistant/{REMUS_ID}")).json()
        answer = await vapi.patch(f"/assistant/{REMUS_ID}", json={"endCallMessage": "x", **body})
        assert answer.status_code == 400
        assert answer.json() == {"message": messages, "error": "Bad Request", "statusCode": 400}
        assert (await vapi.get(f"/assistant/{REMUS_ID}")).json() == before

    async def test_an_unknown_provider(self, vapi: httpx2.AsyncClient) -> None:
        body = {"model": {"provider": "quantum-ai", "model": "q"}}
        answer = await vapi.patch(f"/assistant/{REMUS_ID}", json=body)
        assert answer.status_code == 400
        assert answer.json()["message"][0].startswith("model.provider must be one of")

    @pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null"])
    async def test_a_body_that_is_no_object(self, vapi: httpx2.AsyncClient, body: bytes) -> None:
        answer = await vapi.patch(f"/assistant/{REMUS_ID}", content=body)
        assert answer.status_code == 400

    @pytest.mark.parametrize(
        "model",
        [
            {**MODEL, "systemPrompt": "legacy"},
            {**MODEL, "messages": [{"role": "system", "content": None}]},
            {**MODEL, "tools": [{"type": "function", "server": {"url": "x", "secret": "s"}}]},
            {"provider": "vapi"},
        ],
    )
    async def test_what_old_assistants_carry_is_taken(
        self, vapi: httpx2.AsyncClient, model: dict[str, Any]
    ) -> None:
        answer = await vapi.patch(f"/assistant/{REMUS_ID}", json={"model": model})
        assert answer.json()["model"] == model

    async def test_a_newer_vendor_takes_what_we_do_not_know(self) -> None:
        vapi = in_process(whitelist=False)
        body = {"model": {"provider": "quantum-ai"}, "aura": 1}
        after = (await vapi.patch(f"/assistant/{REMUS_ID}", json=body)).json()
        assert {**after, **body} == after


class TestControls:
    async def test_the_log_of_requests(self, vapi: httpx2.AsyncClient) -> None:
        await vapi.get("/assistant?limit=3")
        await vapi.get("/assistant/nobody")
        assert (await vapi.get("/sandbox/requests")).json() == {
            "requests": [
                {"method": "GET", "path": "/assistant", "query": "limit=3"},
                {"method": "GET", "path": "/assistant/nobody", "query": ""},
            ]
        }

    async def test_a_fault_hits_what_it_names_as_often_as_it_says(
        self, vapi: httpx2.AsyncClient
    ) -> None:
        fault = {
            "kind": "status",
            "status": 503,
            "times": 2,
            "method": "GET",
            "path": "/assistant/",
        }
        await vapi.post("/sandbox/faults", json=fault)
        assert (await vapi.get("/assistant")).status_code == 200
        assert (await vapi.patch(f"/assistant/{REMUS_ID}", json={})).status_code == 200
        statuses = [(await vapi.get(f"/assistant/{REMUS_ID}")).status_code for _ in range(3)]
        assert statuses == [503, 503, 200]

    async def test_a_reset_takes_everything_back(self, vapi: httpx2.AsyncClient) -> None:
        before = (await vapi.get("/assistant")).json()
        await create(vapi, name="new")
        await vapi.patch(f"/assistant/{REMUS_ID}", json={"model": MODEL})
        await vapi.post("/sandbox/faults", json={"kind": "html", "times": 100})
        await vapi.post("/sandbox/reset")
        assert (await vapi.get("/assistant")).json() == before

    @pytest.mark.parametrize("body", [{}, {"kind": "earthquake"}, {"kind": "slow", "seconds": -1}])
    async def test_a_fault_that_makes_no_sense(
        self, vapi: httpx2.AsyncClient, body: dict[str, Any]
    ) -> None:
        assert (await vapi.post("/sandbox/faults", json=body)).status_code == 400


class TestOutlivingTheProcess:
    async def test_a_restart_keeps_what_was_deployed(self, tmp_path: Path) -> None:
        data = tmp_path / "deep" / "vapi.json"
        first = in_process(data_file=data)
        await first.patch(f"/assistant/{REMUS_ID}", json={"model": MODEL})
        await first.delete(f"/assistant/{SCOUT_ID}")
        there = (await first.get("/assistant")).json()
        assert (await in_process(data_file=data).get("/assistant")).json() == there
        assert [path.name for path in data.parent.iterdir()] == ["vapi.json"]

    async def test_what_was_answered_survives_a_kill(self, tmp_path: Path) -> None:
        data, port = tmp_path / "vapi.json", free_port()
        command = [sys.executable, "-m", "mission_control_sandbox.vapi_server"]
        child = subprocess.Popen([*command, "--port", str(port), "--data-file", str(data)])
        origin = f"http://127.0.0.1:{port}"
        written = 0
        async with httpx2.AsyncClient(base_url=origin, headers=AUTHORIZATION) as vapi:
            await _until_it_answers(vapi)
            for written in range(1, 30):
                answer = await vapi.patch(f"/assistant/{REMUS_ID}", json={"name": f"n{written}"})
                assert answer.status_code == 200
        child.send_signal(signal.SIGKILL)
        child.wait()
        with sandbox_server(
            "mission_control_sandbox.vapi_server", tmp_path, "--data-file", str(data)
        ) as again:
            remus = httpx2.get(f"{again}/assistant/{REMUS_ID}", headers=AUTHORIZATION).json()
        assert remus["name"] == f"n{written}"

    @pytest.mark.parametrize("content", ["", "{}", "[1]", '{"assistants": [{}]}'])
    def test_a_file_that_is_not_ours_is_left_alone(self, tmp_path: Path, content: str) -> None:
        data = tmp_path / "vapi.json"
        data.write_text(content)
        done = subprocess.run(
            [sys.executable, "-m", "mission_control_sandbox.vapi_server",
             "--port", str(free_port()), "--data-file", str(data)],
            capture_output=True, text=True, timeout=HANG_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith("move it away to start afresh.")
        assert "Traceback" not in done.stderr
        assert data.read_text() == content


TODAY = date(2026, 11, 20)
PEOPLE = 60
CALLS = [conversations.vapi_id(index) for index in reversed(conversations.vapi_indices(PEOPLE))]
SEEDS = seeded_assistants()
AGENTS = {"remus": REMUS_ID, "genesis": GENESIS_ID, "scout": SCOUT_ID}


def small(**options: Any) -> httpx2.AsyncClient:
    """A stand-in with a small world."""
    return in_process(assistants=SEEDS, today=TODAY, people=PEOPLE, **options)


async def paginate(vapi: httpx2.AsyncClient, size: int, **filters: str) -> list[dict[str, Any]]:
    """Back in time, as the lists leave it open, each call once."""
    found: dict[str, dict[str, Any]] = {}
    params: dict[str, str] = {"limit": str(size), **filters}
    while True:
        page = (await vapi.get("/call", params=params)).json()
        found.update((one["id"], one) for one in page)
        if len(page) < size:
            return list(found.values())
        params["createdAtLe"] = page[-1]["createdAt"]


class TestCalls:
    async def test_all_of_them_newest_first(self) -> None:
        calls = (await small().get("/call")).json()
        assert [one["id"] for one in calls] == CALLS
        times = [one["createdAt"] for one in calls]
        assert times == sorted(times, reverse=True)

    async def test_walking_back_in_time_meets_every_call_once(self) -> None:
        # Eight calls share a moment: with `Lt` instead of `Le` some of them would be skipped.
        assert [one["id"] for one in await paginate(small(), 9)] == CALLS

    @pytest.mark.parametrize("agent", ["remus", "genesis", "scout"])
    async def test_those_of_one_assistant(self, agent: str) -> None:
        calls = await paginate(small(), 20, assistantId=AGENTS[agent])
        there = conversations.vapi_indices(PEOPLE)
        expected = sum(conversations.agent_of(index, PEOPLE) == agent for index in there)
        assert len(calls) == expected > 0
        assert {one["assistantId"] for one in calls} == {AGENTS[agent]}
        by_number = await paginate(small(), 20, phoneNumberId=calls[0]["phoneNumberId"])
        assert [one["id"] for one in by_number] == [one["id"] for one in calls]

    async def test_by_id_and_by_times(self) -> None:
        vapi = small()
        assert [one["id"] for one in (await vapi.get(f"/call?id={CALLS[3]}")).json()] == [CALLS[3]]
        calls = (await vapi.get("/call")).json()
        bound = calls[20]["updatedAt"]
        for operator, holds in (("Gt", str.__gt__), ("Le", str.__le__)):
            found = (await vapi.get("/call", params={f"updatedAt{operator}": bound})).json()
            expected = [one["id"] for one in calls if holds(one["updatedAt"], bound)]
            assert [one["id"] for one in found] == expected

    @pytest.mark.parametrize("name", ["status", "endedReason", "page", "cost", "cursor"])
    async def test_nothing_else_can_be_asked_for(self, name: str) -> None:
        answer = await small().get("/call", params={name: "x"})
        assert answer.json()["message"] == [f"property {name} should not exist"]

    async def test_a_call_says_what_the_reference_promises(self) -> None:
        calls = (await small().get("/call")).json()
        talked = [one for one in calls if one.get("artifact", {}).get("messages")]
        for one in talked:
            artifact = one["artifact"]
            roles = [message["role"] for message in artifact["messages"]]
            assert set(roles) <= {"bot", "user", "tool_calls", "tool_call_result"}
            spoken = [message for message in artifact["messages"] if "duration" in message]
            for message in spoken:
                assert message["endTime"] - message["time"] == pytest.approx(
                    message["duration"], abs=1
                )
            lines = artifact["transcript"].splitlines()
            assert [line.partition(": ")[2] for line in lines] == [m["message"] for m in spoken]
            assert one["startedAt"] < one["endedAt"] < one["updatedAt"]
            assert isinstance(one["analysis"].get("successEvaluation", ""), str)
        assert any("tool_calls" in str(one["artifact"]) for one in talked)

    async def test_whom_it_was_with(self) -> None:
        for one in (await small().get("/call")).json():
            index = conversations.index_of(one["id"], PEOPLE)
            assert index is not None
            whom = person(conversations.person_index(index, PEOPLE), today=TODAY)
            assert one["customer"]["number"] == whom.phone
            metadata = one.get("assistantOverrides", {}).get("metadata")
            assert metadata in (
                None,
                {"close_lead_id": whom.lead_id, "close_contact_id": whom.contact_id},
            )

    async def test_some_name_their_lead_some_have_no_content_some_never_connected(self) -> None:
        calls = (await small().get("/call")).json()
        outbound = [one for one in calls if one["type"] == "outboundPhoneCall"]
        named = [one for one in outbound if "assistantOverrides" in one]
        assert 0.3 < len(named) / len(outbound) < 0.7
        silent = [one for one in calls if "startedAt" in one and "messages" not in one["artifact"]]
        assert silent
        assert all(one["analysis"] == {} and one["cost"] > 0 for one in silent)
        unconnected = [one for one in calls if "startedAt" not in one]
        assert unconnected
        assert all("endedAt" not in one and one["cost"] == 0 for one in unconnected)

    async def test_renamed_and_deleted(self, tmp_path: Path) -> None:
        data = tmp_path / "vapi.json"
        vapi = small(data_file=data)
        named = await vapi.patch(f"/call/{CALLS[0]}", json={"name": "to review"})
        assert named.json()["name"] == "to review"
        refused = await vapi.patch(f"/call/{CALLS[0]}", json={"cost": 0})
        assert refused.json()["message"] == ["property cost should not exist"]
        assert (await vapi.delete(f"/call/{CALLS[1]}")).json()["id"] == CALLS[1]
        await vapi.request("DELETE", f"/call/{CALLS[5]}", json={"ids": CALLS[2:4]})
        again = small(data_file=data)
        assert (await again.get(f"/call/{CALLS[0]}")).json()["name"] == "to review"
        assert (await again.get(f"/call/{CALLS[1]}")).status_code == 404
        there = [one["id"] for one in (await again.get("/call")).json()]
        assert there == [CALLS[0], *CALLS[4:]]

    async def test_totals_are_those_of_the_list(self) -> None:
        vapi = small()
        for filters in ({}, {"assistantId": REMUS_ID}, {"createdAtGe": "2026-10-01"}):
            calls = (await vapi.get("/call", params=filters)).json()
            totals = (await vapi.get("/sandbox/totals", params=filters)).json()
            assert totals["count"] == len(calls) == sum(totals["by_assistant"].values())
            assert float(totals["cost"]) == pytest.approx(sum(one["cost"] for one in calls))

    async def test_the_world_stays_where_it_was_at_the_first_start(self, tmp_path: Path) -> None:
        data = tmp_path / "vapi.json"
        first = in_process(data_file=data, people=PEOPLE, today=TODAY)
        calls = (await first.get("/call")).json()
        again = in_process(data_file=data, people=PEOPLE)
        assert (await again.get("/call")).json() == calls


class TestArtifacts:
    async def test_a_recording_is_a_way_to_a_signed_address(self) -> None:
        vapi = small()
        calls = (await vapi.get("/call")).json()
        call_id = next(one["id"] for one in calls if "recording" in one.get("artifact", {}))
        channels = {"mono": 1, "stereo": 2, "customer": 1, "assistant": 1}
        for kind, expected in channels.items():
            answer = await vapi.get(f"/call/{call_id}/{kind}-recording")
            assert answer.status_code == 302
            place = answer.headers["location"]
            assert "X-Amz-Signature=" in place
            content = (await vapi.get(place, headers={"Authorization": ""})).content
            with wave.open(io.BytesIO(content)) as recorded:
                assert (recorded.getnchannels(), recorded.getframerate()) == (expected, 8000)
        assert (await vapi.get(f"/call/{call_id}/video-recording")).status_code == 404

    async def test_logs_are_compressed_lines(self) -> None:
        vapi = small()
        place = (await vapi.get(f"/call/{CALLS[0]}/call-logs")).headers["location"]
        content = (await vapi.get(place)).content
        lines = [json.loads(line) for line in gzip.decompress(content).splitlines()]
        assert lines[0]["body"] == "Call started"
        assert lines[-1]["attributes"]["endedReason"]

    async def test_what_was_not_recorded(self) -> None:
        vapi = small()
        calls = (await vapi.get("/call")).json()
        unconnected = next(one["id"] for one in calls if "startedAt" not in one)
        assert (await vapi.get(f"/call/{unconnected}/mono-recording")).status_code == 404


class Receiver:
    """Where webhooks arrive, without a network."""

    def __init__(self, status: int = 200) -> None:
        self.requests: list[httpx2.Request] = []
        self.statuses = [status]
        self.transport = httpx2.MockTransport(self._answer)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return httpx2.Response(status)

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [json.loads(request.content)["message"] for request in self.requests]

    @property
    def told(self) -> list[str]:
        return [
            one["type"] + (f" {one['status']}" if "status" in one else "") for one in self.messages
        ]

    async def until(self, told: str) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while told not in self.told:
                await asyncio.sleep(0.01)


URL = "http://console.test/webhooks/vapi"


def telling(receiver: Receiver, **options: Any) -> httpx2.AsyncClient:
    """A stand-in that tells the receiver about its calls, which go very fast."""
    destination = Destination.model_validate({"url": URL, **options})
    return small(webhooks=destination, webhook_transport=receiver.transport, pace=200.0)


async def place(vapi: httpx2.AsyncClient, **fields: Any) -> httpx2.Response:
    body = {
        "assistantId": SCOUT_ID,
        "phoneNumberId": PHONE_NUMBER_IDS["scout"],
        "customer": {"number": "+15550109900", "name": "Dale Hartley"},
        **fields,
    }
    return await vapi.post("/call", json={k: v for k, v in body.items() if v is not None})


class TestPlacingCalls:
    async def test_it_is_queued_then_goes_on_then_is_over(self) -> None:
        receiver = Receiver()
        vapi = telling(receiver, everyType=True)
        answer = await place(vapi, name="a test")
        assert answer.status_code == 201
        placed = answer.json()
        assert (placed["status"], placed["name"]) == ("queued", "a test")
        assert placed["subscriptionLimits"]["concurrencyLimit"] == 10
        await receiver.until("end-of-call-report")
        over = (await vapi.get(f"/call/{placed['id']}")).json()
        assert over["status"] == "ended"
        assert over["customer"]["number"] == "+15550109900"
        assert (await vapi.get("/call?limit=1")).json() == [over]
        report = receiver.messages[-1]
        assert report["endedReason"] == over["endedReason"]
        assert report["cost"] == over["cost"]
        assert report["artifact"] == over["artifact"]
        assert report["assistant"]["name"] == "SCOUT"
        statuses = [told for told in receiver.told if told.startswith("status-update")]
        assert statuses[0] == "status-update queued"
        assert statuses[-1] == "status-update ended"

    async def test_what_is_told_while_it_goes_on(self) -> None:
        receiver = Receiver()
        vapi = telling(receiver)
        call = next(
            one for one in (await vapi.get("/call")).json() if one["artifact"].get("messages")
        )
        kinds = ["status-update", "assistant.started", "speech-update", "transcript",
                 "conversation-update", "hang", "end-of-call-report"]  # fmt: skip
        await vapi.post("/sandbox/webhooks/replay", json={"ids": [call["id"]], "types": kinds})
        by_type = {one["type"]: one for one in receiver.messages}
        assert set(kinds) - {"hang"} <= set(by_type)
        assert by_type["transcript"]["transcriptType"] == "final"
        assert by_type["speech-update"]["status"] in ("started", "stopped")
        turns = call["artifact"]["messagesOpenAIFormatted"]
        updates = [one for one in receiver.messages if one["type"] == "conversation-update"]
        assert max((one["messagesOpenAIFormatted"] for one in updates), key=len) == turns
        began, ended = (
            datetime.fromisoformat(call[name]).timestamp() * 1000
            for name in ("createdAt", "updatedAt")
        )
        assert all(began <= one["timestamp"] <= ended for one in receiver.messages)
        assert all("call" in one for one in receiver.messages)

    async def test_only_what_the_assistant_selected_is_told(self) -> None:
        receiver = Receiver()
        vapi = telling(receiver)
        await vapi.patch(f"/assistant/{SCOUT_ID}", json={"serverMessages": ["end-of-call-report"]})
        await place(vapi)
        await receiver.until("end-of-call-report")
        assert receiver.told == ["end-of-call-report"]

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"assistantId": "nobody"}, "`assistantId` nobody Does Not Exist."),
            ({"assistantId": None}, "Need Either `assistantId`"),
            ({"phoneNumberId": None}, "Need Either `phoneNumberId` Or `phoneNumber`."),
            ({"phoneNumberId": "none"}, "`phoneNumberId` none Does Not Exist."),
            ({"customer": None}, "Need Either `customer` Or `customers`."),
            ({"customer": {"number": "5550109900"}}, "in the E.164 format"),
            ({"assistant": {"name": 7}}, "assistant.name must be a string"),
            ({"wish": 1}, "property wish should not exist"),
            ({"schedulePlan": {"earliestAt": "soon"}}, "earliestAt must be a Date instance"),
        ],
    )
    async def test_refused(self, fields: dict[str, Any], said: str) -> None:
        vapi = small()
        answer = await place(vapi, **fields)
        assert answer.status_code == 400
        assert said in str(answer.json()["message"])
        assert len((await vapi.get("/call")).json()) == len(CALLS)

    async def test_a_batch_and_a_schedule(self) -> None:
        vapi = small()
        customers = [{"number": f"+1555010990{number}"} for number in range(3)]
        batch = (await place(vapi, customer=None, customers=customers)).json()
        assert [one["customer"] for one in batch["results"]] == customers
        assert batch["errors"] == []
        assert batch["subscriptionLimits"]["remainingConcurrentCalls"] == 7
        plan = {"earliestAt": "2100-01-01T10:00:00Z"}
        assert (await place(vapi, schedulePlan=plan)).json()["status"] == "scheduled"

    async def test_a_squads_call_names_who_spoke(self, monkeypatch: pytest.MonkeyPatch) -> None:
        vapi = small()
        members = [{"assistantId": one["id"]} for one in (await vapi.get("/assistant")).json()[:2]]
        squad = (await vapi.post("/squad", json={"name": "both", "members": members})).json()
        ids = [
            (await place(vapi, assistantId=None, squadId=squad["id"])).json()["id"]
            for _ in range(12)
        ]
        later = utc_now() + timedelta(hours=2)
        monkeypatch.setattr(calls, "utc_now", lambda: later)
        over = [(await vapi.get(f"/call/{each}")).json() for each in ids]
        talked = [each for each in over if len(each.get("artifact", {}).get("messages", [])) > 9]
        assert talked
        for call in talked:
            artifact = call["artifact"]
            assert [one["assistantId"] for one in artifact["assistantActivations"]] == [
                each["assistantId"] for each in members
            ]
            speaking = [one["assistantId"] for one in artifact["messages"] if one["role"] == "bot"]
            assert speaking == sorted(speaking, key=[each["assistantId"] for each in members].index)
            results = [one for one in artifact["messages"] if one["role"] == "tool_call_result"]
            assert sum(one["name"].startswith("handoff_to_assistant_") for one in results) == 1
            shares = shares_of({"artifact": artifact}, 60.0, 100)
            assert sum(each.cost_units or 0 for each in shares) == 100
        refused = await place(vapi, assistantId=None, squadId="none")
        assert "`squadId` none Does Not Exist." in str(refused.json()["message"])

    async def test_a_call_lasts_as_long_as_its_words_take(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        vapi = small()
        ids = [(await place(vapi)).json()["id"] for _ in range(12)]
        later = utc_now() + timedelta(hours=2)  # nobody waits for it
        monkeypatch.setattr(calls, "utc_now", lambda: later)
        over = [(await vapi.get(f"/call/{each}")).json() for each in ids]
        held = [each for each in over if each.get("artifact", {}).get("transcript")]
        assert len(held) > 3
        for call in held:
            said = [one for one in call["artifact"]["messages"] if one["role"] in {"bot", "user"}]
            lasted = datetime.fromisoformat(call["endedAt"]) - datetime.fromisoformat(
                call["startedAt"]
            )
            assert (
                lasted.total_seconds() >= said[-1]["secondsFromStart"] + said[-1]["duration"] / 1000
            )
            for one in said:
                words_a_second = len(one["message"].split()) / (one["duration"] / 1000)
                assert 0.5 < words_a_second < 4
            assert [one["secondsFromStart"] for one in said] == sorted(
                one["secondsFromStart"] for one in said
            )

    async def test_new_calls_arrive_and_stop_arriving(self) -> None:
        receiver = Receiver()
        vapi = telling(receiver, everyType=True)
        await vapi.post("/sandbox/live", json={"every_seconds": 0.02})
        await receiver.until("end-of-call-report")
        await vapi.post("/sandbox/live", json={"every_seconds": None})
        arrived = (await vapi.get("/sandbox/world")).json()["placed"]
        assert arrived > 1
        newest = (await vapi.get(f"/call?limit={arrived}")).json()
        assert {one["id"] for one in newest}.isdisjoint(CALLS)
        phones = {person(index, today=TODAY).phone for index in range(PEOPLE)}
        assert {one["customer"]["number"] for one in newest} <= phones
        await asyncio.sleep(0.1)
        assert (await vapi.get("/sandbox/world")).json()["placed"] == arrived

    async def test_a_reset_ends_what_goes_on(self) -> None:
        receiver = Receiver()
        vapi = telling(receiver)
        await vapi.post("/sandbox/live", json={"every_seconds": 0.02})
        await vapi.post("/sandbox/webhooks", json={"url": None})
        await vapi.post("/sandbox/reset")
        assert (await vapi.get("/sandbox/webhooks")).json() == {"url": URL, "statuses": {}}
        told = len(receiver.requests)
        await asyncio.sleep(0.2)
        assert [one["id"] for one in (await vapi.get("/call")).json()] == CALLS
        assert len(receiver.requests) == told

    async def test_placed_calls_outlive_the_process(self, tmp_path: Path) -> None:
        data = tmp_path / "vapi.json"
        placed = (await place(small(data_file=data, pace=1e6))).json()
        again = small(data_file=data)
        await asyncio.sleep(0.05)
        over = (await again.get(f"/call/{placed['id']}")).json()
        assert (over["id"], over["status"]) == (placed["id"], "ended")
        scout = (await again.get(f"/assistant/{SCOUT_ID}")).json()
        prompt = scout["model"]["messages"][0]["content"]
        assert over["artifact"]["messages"][0]["message"] == prompt


HMAC = {"type": "hmac", "secretKey": "s3cret"}
ENCODED = base64.b64encode(b"s3cret").decode()


class TestWebhooks:
    @pytest.mark.parametrize(
        ("credential", "expected"),
        [
            ({"type": "none"}, {}),
            ({"type": "secret", "token": "t"}, {"x-vapi-secret": "t"}),
            ({"type": "bearer", "token": "t"}, {"authorization": "Bearer t"}),
            (
                {"type": "bearer", "token": "t", "headerName": "X-Vapi-Secret",
                 "bearerPrefixEnabled": False},
                {"x-vapi-secret": "t"},
            ),
        ],
    )  # fmt: skip
    async def test_plain_credentials(
        self, credential: dict[str, Any], expected: dict[str, str]
    ) -> None:
        headers = (await self._replayed(credential)).headers
        names = ("authorization", "x-vapi-secret", "x-signature")
        assert {name: headers[name] for name in names if name in headers} == expected

    @pytest.mark.parametrize(
        ("options", "header", "payload", "stamp"),
        [
            ({}, "x-signature", "{stamp}.{body}", "x-timestamp"),
            ({"algorithm": "sha512"}, "x-signature", "{stamp}.{body}", "x-timestamp"),
            ({"algorithm": "sha1"}, "x-signature", "{stamp}.{body}", "x-timestamp"),
            ({"includeTimestamp": False}, "x-signature", "{body}", None),
            ({"signatureHeader": "x-sig", "timestampHeader": "x-at", "signatureEncoding": "base64"},
             "x-sig", "{stamp}.{body}", "x-at"),
            ({"payloadFormat": "{method}|{url}|{timestamp}|{body}", "signaturePrefix": "sha256="},
             "x-signature", "POST|" + URL + "|{stamp}|{body}", "x-timestamp"),
            ({"payloadFormat": "{svix-id}.{timestamp}.{body}", "messageIdHeader": "svix-id",
              "secretKey": ENCODED, "secretIsBase64": True},
             "x-signature", "{id}.{stamp}.{body}", "x-timestamp"),
        ],
    )  # fmt: skip
    async def test_signatures_over_the_raw_body(
        self, options: dict[str, Any], header: str, payload: str, stamp: str | None
    ) -> None:
        request = await self._replayed({**HMAC, **options})
        filled = (
            payload.replace("{stamp}", request.headers.get(stamp or "", ""))
            .replace("{id}", request.headers.get("svix-id", ""))
            .replace("{body}", request.content.decode())
        )
        algorithm = getattr(hashlib, options.get("algorithm", "sha256"))
        digest = hmac.new(b"s3cret", filled.encode(), algorithm).digest()
        written = digest.hex()
        if options.get("signatureEncoding") == "base64":
            written = base64.b64encode(digest).decode()
        assert request.headers[header] == options.get("signaturePrefix", "") + written
        assert (stamp in request.headers) if stamp else ("x-timestamp" not in request.headers)

    async def _replayed(self, credential: dict[str, Any]) -> httpx2.Request:
        receiver = Receiver()
        vapi = telling(receiver)
        chosen = await vapi.post("/sandbox/webhooks", json={"url": URL, "credential": credential})
        assert chosen.status_code == 200
        await vapi.post("/sandbox/webhooks/replay", json={"count": 1})
        return receiver.requests[-1]

    async def test_nothing_is_tried_again_without_a_plan(self) -> None:
        receiver = Receiver(503)
        replayed = await telling(receiver).post("/sandbox/webhooks/replay", json={"count": 3})
        assert replayed.json()["statuses"] == {"503": len(receiver.requests)}

    async def test_a_backoff_plan_tries_again(self) -> None:
        receiver = Receiver()
        receiver.statuses = [503, 503, 200]
        plan = {"type": "exponential", "maxRetries": 2, "baseDelaySeconds": 0}
        vapi = telling(receiver, backoffPlan=plan)
        asked = {"count": 1, "types": ["end-of-call-report"]}
        replayed = (await vapi.post("/sandbox/webhooks/replay", json=asked)).json()
        assert (replayed["statuses"], len(receiver.requests)) == ({"200": 1}, 3)

    async def test_a_storm_is_lost_doubled_and_shuffled_the_same_way_every_time(self) -> None:
        storm = {"count": 60, "duplicate": 0.33, "lose": 0.2, "shuffle": True, "seed": 3}
        told: list[list[tuple[str, str]]] = []
        replayed: dict[str, Any] = {}
        for _ in range(2):
            receiver = Receiver()
            replayed = (await telling(receiver).post("/sandbox/webhooks/replay", json=storm)).json()
            told.append([(one["call"]["id"], one["type"]) for one in receiver.messages])
        assert told[0] == told[1]
        assert replayed["sent"] == len(told[0]) == replayed["statuses"]["200"]
        assert 0.1 < replayed["lost"] / replayed["messages"] < 0.3
        assert replayed["sent"] - replayed["duplicates"] + replayed["lost"] == replayed["messages"]
        reported = {call for call, kind in told[0] if kind == "end-of-call-report"}
        assert reported.isdisjoint(replayed["calls_without_report"])
        assert len(reported) + len(replayed["calls_without_report"]) == replayed["calls"] == 60

    async def test_a_destination_that_is_not_there(self) -> None:
        vapi = small(webhooks=Destination(url=f"http://127.0.0.1:{free_port()}/"))
        replayed = (await vapi.post("/sandbox/webhooks/replay", json={"count": 1})).json()
        assert set(replayed["statuses"]) == {"ConnectError"}

    @pytest.mark.parametrize(
        "body", [{"duplicate": 2}, {"wish": 1}, {"count": 0}, {"ids": ["nobody"]}]
    )
    async def test_a_replay_that_makes_no_sense(self, body: dict[str, Any]) -> None:
        answer = await small().post("/sandbox/webhooks/replay", json=body)
        assert answer.status_code in (400, 404)


STOP = "Take me off your list, please."


async def say(vapi: httpx2.AsyncClient, **body: Any) -> httpx2.Response:
    return await vapi.post("/chat", json=body)


class TestChats:
    async def test_an_assistant_answers_by_the_prompt_that_is_live(self) -> None:
        vapi = small()
        first = (await say(vapi, assistantId=REMUS_ID, input=STOP)).json()
        assert "do not call list" in first["output"][0]["content"]
        assert first["messages"] == [{"role": "user", "content": STOP}]
        assert first["cost"] == pytest.approx(sum(one["cost"] for one in first["costs"]))
        better = 'If they ask to be off the list, say: "Done, {{ name }}, you are off our list"'
        messages = [{"role": "system", "content": better}]
        await vapi.patch(f"/assistant/{REMUS_ID}", json={"model": {**MODEL, "messages": messages}})
        variables = {"assistantOverrides": {"variableValues": {"name": "Dale"}}}
        second = (await say(vapi, assistantId=REMUS_ID, input=STOP, **variables)).json()
        assert "Done, Dale, you are off our list" in second["output"][0]["content"]
        assert (await vapi.get(f"/chat/{first['id']}")).json() == first
        listed = (await vapi.get("/chat", params={"assistantId": REMUS_ID})).json()
        assert listed["metadata"]["totalItems"] == len(listed["results"]) == 2

    async def test_a_candidate_is_talked_to_without_touching_anybody(self) -> None:
        prompt = 'If they ask for the weather, say: "It is raining in Omaha"'
        inline = {"model": {**MODEL, "messages": [{"role": "system", "content": prompt}]}}
        vapi = small()
        there = (await vapi.get("/assistant")).json()
        said = (await say(vapi, assistant=inline, input="How is the weather?")).json()
        assert "It is raining in Omaha" in said["output"][0]["content"]
        assert (await vapi.get("/assistant")).json() == there

    async def test_a_stream_says_the_same(self) -> None:
        vapi = small()
        answer = await say(vapi, assistantId=REMUS_ID, input=STOP, stream=True)
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line]
        assert {one["path"] for one in events} == {"chat.output[0].content"}
        chat = (await vapi.get(f"/chat/{events[0]['id']}")).json()
        assert "".join(one["delta"] for one in events) == chat["output"][0]["content"]

    async def test_a_conversation_goes_on(self) -> None:
        vapi = small()
        first = (await say(vapi, assistantId=REMUS_ID, input="Who is this?")).json()
        second = (await say(vapi, previousChatId=first["id"], input=STOP)).json()
        assert second["messages"][:2] == [*first["messages"], *first["output"]]
        session = (await vapi.post("/session", json={"assistantId": REMUS_ID})).json()
        for text in ("Who is this?", STOP):
            chat = (await say(vapi, sessionId=session["id"], input=text)).json()
        kept = (await vapi.get(f"/session/{session['id']}")).json()
        assert kept["messages"] == [*chat["messages"], *chat["output"]]
        assert len(kept["messages"]) == 4
        await vapi.patch(f"/session/{session['id']}", json={"status": "completed"})
        closed = await say(vapi, sessionId=session["id"], input="Hello?")
        assert closed.status_code == 400

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ({"assistantId": REMUS_ID}, "input should not be null or undefined"),
            ({"assistantId": REMUS_ID, "input": ""}, "input should not be empty"),
            ({"assistantId": REMUS_ID, "input": 7}, "input should not be empty"),
            ({"assistantId": REMUS_ID, "input": [7]}, "input must be a string or an array"),
            ({"input": "x"}, "Need Either `assistantId`"),
            ({"assistantId": "nobody", "input": "x"}, "`assistantId` nobody Does Not Exist."),
            ({"sessionId": "a", "previousChatId": "b", "input": "x"}, "Cannot provide both"),
            ({"assistantId": REMUS_ID, "input": "x", "wish": 1}, "property wish should not exist"),
            ({"assistant": {"id": REMUS_ID}, "input": "x"}, "assistant.property id should not"),
            ({"assistantId": REMUS_ID, "input": "x", "assistantOverrides": {"firstMessage": "y"}},
             "Only `assistantOverrides.variableValues`"),
        ],
    )  # fmt: skip
    async def test_refused(self, body: dict[str, Any], said: str) -> None:
        answer = await small().post("/chat", json=body)
        assert answer.status_code == 400
        assert said in str(answer.json()["message"])

    @pytest.mark.parametrize("path", ["/chat/nobody", "/session/nobody"])
    async def test_not_there(self, path: str) -> None:
        assert (await small().get(path)).status_code == 404


class TestTrafficAllocations:
    async def test_the_newest_governs_and_a_stale_one_is_refused(self) -> None:
        vapi = small()
        first = (await self._split(vapi, 100)).json()
        second = (await self._split(vapi, 90, 10, expectedCurrentAllocationId=first["id"])).json()
        latest = await vapi.get("/traffic-allocations/latest", params={"assistantId": REMUS_ID})
        assert latest.json() == second
        stale = await self._split(vapi, 50, 50, expectedCurrentAllocationId=first["id"])
        assert stale.status_code == 409
        assert stale.json()["currentAllocationId"] == second["id"]
        listed = (await vapi.get("/traffic-allocations")).json()["results"]
        assert {one["id"] for one in listed} == {first["id"], second["id"]}

    @pytest.mark.parametrize("shares", [(99,), (60, 41), (33.3333, 66.6667), (-5, 105), ()])
    async def test_shares_add_up_to_a_hundred(self, shares: tuple[float, ...]) -> None:
        assert (await self._split(small(), *shares)).status_code == 400

    async def _split(
        self, vapi: httpx2.AsyncClient, *shares: float, **more: Any
    ) -> httpx2.Response:
        targets = [
            {"assistantVersion": f"v{number}", "percentage": share}
            for number, share in enumerate(shares, 1)
        ]
        body = {"assistantId": REMUS_ID, "targets": targets, **more}
        return await vapi.post("/traffic-allocations", json=body)


class TestCollections:
    async def test_what_a_copy_of_an_organisation_reads(self) -> None:
        """Arrays here and envelopes there, as the vendor has it."""
        vapi = small()
        for path in ("tool", "squad", "file", "credential", "phone-number", "assistant"):
            assert isinstance((await vapi.get(f"/{path}")).json(), list), path
        for path in ("structured-output", "eval", "eval/simulation", "eval/simulation/suite",
                     "eval/simulation/personality", "eval/simulation/scenario",
                     "v2/phone-number", "chat", "session"):  # fmt: skip
            body = (await vapi.get(f"/{path}", params={"limit": "2", "page": "1"})).json()
            assert isinstance(body["results"], list), path
            assert body["metadata"]["itemsPerPage"] == 2

    async def test_pages(self) -> None:
        vapi = small()
        pages = [
            (await vapi.get("/v2/phone-number", params={"limit": "2", "page": page})).json()
            for page in ("1", "2", "3")
        ]
        assert [len(one["results"]) for one in pages] == [2, 1, 0]
        assert [one["metadata"]["hasNextPage"] for one in pages] == [True, False, False]
        found = (await vapi.get("/v2/phone-number", params={"search": "genesis"})).json()
        assert [one["number"] for one in found["results"]] == ["+15550104411"]
        assert (await vapi.get("/v2/phone-number?sortOrder=UP")).status_code == 400

    async def test_a_tool_is_written_and_taken_away(self, tmp_path: Path) -> None:
        data = tmp_path / "vapi.json"
        vapi = small(data_file=data)
        body = {"type": "function", "function": {"name": "f"}, "server": {"url": "https://x.test"}}
        made = (await vapi.post("/tool", json=body)).json()
        changed = await vapi.patch(
            f"/tool/{made['id']}", json={"server": {"url": "https://y.test"}}
        )
        assert changed.json()["server"] == {"url": "https://y.test"}
        assert (await vapi.patch(f"/tool/{made['id']}", json={"type": "sms"})).status_code == 400
        assert (await vapi.post("/tool", json={"type": "spell"})).status_code == 400
        refused = await vapi.post("/tool", json={**body, "wish": 1})
        assert refused.json()["message"] == ["property wish should not exist"]
        again = small(data_file=data)
        assert (await again.get(f"/tool/{made['id']}")).json() == changed.json()
        await again.delete(f"/tool/{made['id']}")
        assert (await again.get(f"/tool/{made['id']}")).status_code == 404

    async def test_a_phone_number_changes_its_assistant(self) -> None:
        vapi = small()
        path = f"/phone-number/{PHONE_NUMBER_IDS['remus']}"
        assert (await vapi.patch(path, json={"assistantId": SCOUT_ID})).status_code == 200
        assert (await vapi.get(path)).json()["assistantId"] == SCOUT_ID
        assert (await vapi.patch(path, json={"color": "red"})).status_code == 400


class TestReference:
    def test_it_covers_every_top_level_field(self) -> None:
        path = Path(__file__).parents[2] / "src/mission_control_sandbox/vapi/reference.json"
        schemas = json.loads(path.read_text())["schemas"]
        assert len(schemas["CreateAssistantDTO"]["properties"]) == 31
        assert len(schemas["CreateAssistantDTO"]["properties"]["model"]["of"]) == 17
        assert len(schemas["CreateAssistantDTO"]["properties"]["voice"]["of"]) == 20
        assert len(schemas["CreateAssistantDTO"]["properties"]["transcriber"]["of"]) == 14


def _stored(created_at: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "createdAt": created_at, "updatedAt": created_at}


async def _until_it_answers(vapi: httpx2.AsyncClient) -> None:
    until = time.monotonic() + HANG_SECONDS
    while time.monotonic() < until:
        try:
            await vapi.get("/health")
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError
