"""The stand-in for Vapi does what Vapi's reference says, checked without our client."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from mission_control.sandbox.vapi.assistants import GENESIS_ID, REMUS_ID, SCOUT_ID
from mission_control.sandbox.vapi.reference import complaints
from mission_control.sandbox.vapi_server import create_app
from tests.services import free_port, sandbox_server

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
        assert (await vapi.get("/assistant?limit=0")).json() == []

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
            ("limit=-1", "limit must be a number conforming to the specified constraints"),
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
        command = [sys.executable, "-m", "mission_control.sandbox.vapi_server"]
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
            "mission_control.sandbox.vapi_server", tmp_path, "--data-file", str(data)
        ) as again:
            remus = httpx2.get(f"{again}/assistant/{REMUS_ID}", headers=AUTHORIZATION).json()
        assert remus["name"] == f"n{written}"

    @pytest.mark.parametrize("content", ["", "{}", "[1]", '{"assistants": [{}]}'])
    def test_a_file_that_is_not_ours_is_left_alone(self, tmp_path: Path, content: str) -> None:
        data = tmp_path / "vapi.json"
        data.write_text(content)
        done = subprocess.run(
            [sys.executable, "-m", "mission_control.sandbox.vapi_server",
             "--port", str(free_port()), "--data-file", str(data)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith("move it away to start afresh.")
        assert "Traceback" not in done.stderr
        assert data.read_text() == content


class TestReference:
    def test_it_covers_every_top_level_field(self) -> None:
        path = Path(__file__).parents[2] / "src/mission_control/sandbox/vapi/reference.json"
        schemas = json.loads(path.read_text())["schemas"]
        assert len(schemas["CreateAssistantDTO"]["properties"]) == 31
        assert len(schemas["CreateAssistantDTO"]["properties"]["model"]["of"]) == 17
        assert len(schemas["CreateAssistantDTO"]["properties"]["voice"]["of"]) == 20
        assert len(schemas["CreateAssistantDTO"]["properties"]["transcriber"]["of"]) == 14


def _stored(created_at: str) -> dict[str, Any]:
    return {"id": str(uuid4()), "createdAt": created_at, "updatedAt": created_at}


async def _until_it_answers(vapi: httpx2.AsyncClient) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            await vapi.get("/health")
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError
