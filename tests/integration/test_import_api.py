"""Agents made of assistants at Vapi, compiled by the real SuperOptiX, and drafts that do not count."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mission_control.api.resources import Resources
from mission_control.core.playbook_parts import canonical_yaml
from mission_control.core.words import AgentType
from mission_control.integrations.vapi.playbook import playbook_of_assistant
from mission_control.integrations.vapi_client import VAPIClient
from tests.builders import a_playbook, a_scenario, a_version, an_agent
from tests.services import HANG_SECONDS
from tests.vapi_world import (
    ASSISTANT,
    FAILURES,
    KEY,
    World,
    an_assistant,
    failing,
    vapi_world,
)

IMPORT, CANDIDATES = "/api/agents/import", "/api/agents/import/candidates"
SQUAD, HIPAA = "5f2d1c7e-0000-4b69-b0d7-61e0a9c3f2ab", "5f2d1c7e-0000-4b69-b0d7-61e0a9c3f2ac"
PROMPT = "You are {{ name | default: 'Ada' }}.\r\n\tSay “hello” 你好 🚚. \n"


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)


def a_model(**changes: Any) -> dict[str, Any]:
    prompt = {"role": "system", "content": PROMPT}
    return {"provider": "quantum-ai", "model": "q-1", "temperature": 0.4, "messages": [prompt],
            **changes}  # fmt: skip


def a_call(reply: str = "It depends on your trucks.") -> dict[str, Any]:
    turns = [("bot", "Hello."), ("user", "I am Zoe Kay, what does it cost?"), ("bot", reply)]
    return {
        "id": "0190f2a0-1111-4222-8333-444455556666",
        "createdAt": "2026-06-02T10:00:00.000Z",
        "updatedAt": "2026-06-02T10:05:00.000Z",
        "status": "ended",
        "customer": {"name": "Zoe Kay"},
        "artifact": {"messages": [{"role": role, "message": text} for role, text in turns]},
    }


class WithCalls(httpx2.AsyncBaseTransport):
    """The stand-in, with these calls in place of its own."""

    def __init__(self, vapi_app: Any, calls: httpx2.Response) -> None:
        self._stand_in, self._calls = httpx2.ASGITransport(vapi_app), calls
        self.asked_for_calls: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path != "/call":
            return await self._stand_in.handle_async_request(request)
        self.asked_for_calls.append(request.url.params["assistantId"])
        return self._calls


def with_calls(world: World, answer: httpx2.Response) -> WithCalls:
    transport = WithCalls(world.vapi_app, answer)
    headers = {"Authorization": f"Bearer {KEY}"}
    http = httpx2.AsyncClient(transport=transport, base_url="http://vapi.test", headers=headers)
    world.loses_vapi(VAPIClient(http))
    return transport


@pytest.fixture
async def world(resources: Resources) -> AsyncIterator[World]:
    assistants = [
        an_assistant(model=a_model(toolIds=["t"], tools=[{"type": "endCall"}])),
        an_assistant(SQUAD, name="Squad", model=None),
        an_assistant(HIPAA, name="Clinic", model=a_model(), compliancePlan={"hipaaEnabled": True}),
    ]
    async with vapi_world(resources, *assistants) as world:
        yield world


async def take(world: World, assistant_id: str = ASSISTANT) -> httpx2.Response:
    return await world.http.post(IMPORT, json={"vapi_assistant_id": assistant_id})


class TestImport:
    async def test_an_assistant_becomes_an_agent_whose_drafts_do_not_count(
        self, world: World
    ) -> None:
        with_calls(world, httpx2.Response(200, json=[a_call()]))
        before = await world.live()
        answer = await take(world)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Location"] == "/api/agents/ada"
        agent = answer.json()
        assert (agent["id"], agent["name"], agent["type"]) == ("ada", "ADA", "phone_bot")
        assert (agent["status"], agent["vapi_assistant_id"]) == ("dev", ASSISTANT)
        assert (agent["prompt"], agent["first_message"]) == (PROMPT, "Hello.")
        [draft] = agent["scenarios"]
        assert draft["draft"] is True
        assert draft["input"] == {"caller_says": "I am [name], what does it cost?"}
        warnings = " ".join(agent["warnings"])
        assert "tool calling" in warnings  # SuperOptiX was asked
        left = {each["what"]: each["items"] for each in agent["left_at_vapi"]}
        assert left["tools by reference"] == ["toolIds: 1"]
        assert left["Liquid, filled at Vapi in each call"] == ["{{ name | default: 'Ada' }}"]
        assert "drafts: 1" in warnings
        assert await world.live() == before

        # What was imported is what is live, and is nothing to measure by yet.
        drift = (await world.http.post("/api/agents/ada/drift")).json()
        assert (drift["state"], drift["fields"]) == ("clean", [])
        refused = await world.http.post("/api/evaluate/ada", json={})
        assert (refused.status_code, refused.json()["code"]) == (422, "only_drafts")
        refused = await world.http.post("/api/optimize/ada", json={})
        assert (refused.status_code, refused.json()["code"]) == (422, "too_few_scenarios")
        again = await take(world)
        assert (again.status_code, again.json()["code"]) == (409, "assistant_linked")
        assert again.json()["agent_id"] == "ada"

        compiled = await world.http.post("/api/agents/ada/compile")
        assert compiled.json()["inputs"] == ["caller_says"]

    async def test_private_calls_are_not_even_asked_for(self, world: World) -> None:
        transport = with_calls(world, httpx2.Response(200, json=[a_call()]))
        agent = (await take(world, HIPAA)).json()
        assert (agent["scenarios"], transport.asked_for_calls) == ([], [])
        assert any("HIPAA" in warning for warning in agent["warnings"])
        # Calls out of reach are no reason to refuse.
        with_calls(world, httpx2.Response(500))
        agent = (await take(world)).json()
        assert agent["scenarios"] == []
        assert any("could not be read" in warning for warning in agent["warnings"])


VALIDATE = """
import sys, yaml
from superoptix.superspec.validator import SuperSpecXValidator
for playbook in yaml.safe_load_all(sys.stdin.buffer.read()):
    found = SuperSpecXValidator().validate(playbook)
    if not found["valid"]:
        sys.exit(str(found["errors"]))
"""
PROVIDERS = [
    "openai",
    "anthropic-bedrock",
    "deep-seek",
    "vapi",
    "quantum-ai",
    "custom-llm",
    "",
    None,
]


def test_superspecs_own_validator_accepts_what_is_made(engine_python: Path) -> None:
    tools = [{"type": "function", "function": {"name": "book"}}]
    models = [a_model(provider=provider, tools=tools) for provider in PROVIDERS]
    models += [a_model(model=None), a_model(model="", temperature=2, maxTokens=10), a_model()]
    made = [
        canonical_yaml(playbook_of_assistant(an_assistant(model=model), [a_call()]))
        for model in models
    ]
    checked = subprocess.run(
        [engine_python, "-c", VALIDATE],
        input="---\n".join(made).encode(), capture_output=True, check=False, timeout=HANG_SECONDS,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stderr.decode()[-500:]


async def test_what_was_imported_is_not_overwritten_once_somebody_changed_it(world: World) -> None:
    agent_id = (await take(world)).json()["id"]
    await world.edit_model(messages=[{"role": "system", "content": "HOTFIX"}])
    body = {"version": 1, "force": True}
    answer = await world.http.post(f"/api/optimize/{agent_id}/deploy", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "changed_at_vapi")
    assert answer.json()["changes"] == [{"field": "system", "known": PROMPT, "live": "HOTFIX"}]


class TestRefusals:
    async def test_no_prompt(self, world: World) -> None:
        answer = await take(world, SQUAD)
        assert (answer.status_code, answer.json()["code"]) == (422, "nothing_to_import")

    async def test_unknown(self, world: World) -> None:
        answer = await take(world, "nobody")
        assert (answer.status_code, answer.json()["code"]) == (424, "integration_not_found")

    @pytest.mark.parametrize("given", ["", "../x", "a" * 65, 3, None])
    async def test_what_is_no_id(self, world: World, given: object) -> None:
        answer = await world.http.post(IMPORT, json={"vapi_assistant_id": given})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_payload")

    async def test_a_prompt_that_cannot_be_kept(self, world: World) -> None:
        with_calls(world, httpx2.Response(200, json=[]))
        await world.edit_model(messages=[{"role": "system", "content": "cut \ud83d"}])
        answer = await take(world)
        assert (answer.status_code, answer.json()["code"]) == (422, "playbook_invalid")

    @pytest.mark.parametrize(("status", "text", "headers", "answered", "code"), FAILURES)
    async def test_vapi_away(
        self,
        world: World,
        status: int,
        text: str,
        headers: dict[str, str],
        answered: int,
        code: str,
    ) -> None:
        world.loses_vapi(failing(status, text, headers))
        for answer in (await take(world), await world.http.get(CANDIDATES)):
            assert (answer.status_code, answer.json()["code"]) == (answered, code)
            assert answer.headers.get("Retry-After") == headers.get("Retry-After")


NAMES = [
    "עוזרת גבייה",
    "予約アシスタント",
    "客服小美",
    "مساعد",
    "🚚🚚",
    "---",
    "Sofia",
    "Sofia",
    "Sofia",
]


class TestNames:
    """In any script, or the same ones: every agent has an id of its own, and the name as it is."""

    async def test_all_are_imported(self, resources: Resources) -> None:
        there = [
            an_assistant(f"{number}f2d1c7e-8a34-4b69-b0d7-61e0a9c3f2aa", name=name)
            for number, name in enumerate(NAMES)
        ]
        async with vapi_world(resources, *there) as world:
            items = (await world.http.get(CANDIDATES)).json()["items"]
            assert {item["refusal"] for item in items} == {None}
            made = [(await take(world, one["id"])).json() for one in there]
        assert [agent["name"] for agent in made] == NAMES
        ids = [agent["id"] for agent in made]
        assert len(set(ids)) == len(NAMES)
        assert ids[1] == "yuyueashisutanto"
        assert ids[5:] == ["assistant_5f2d1c7e", "sofia", "sofia_7f2d1c7e", "sofia_8f2d1c7e"]

    async def test_a_name_and_an_id_of_ones_own(self, world: World) -> None:
        body = {"vapi_assistant_id": ASSISTANT, "name": "受付 – main", "id": "front_desk"}
        agent = (await world.http.post(IMPORT, json=body)).json()
        assert (agent["id"], agent["name"]) == ("front_desk", "受付 – main")
        again = await world.http.post(IMPORT, json={**body, "vapi_assistant_id": HIPAA})
        assert (again.status_code, again.json()["code"]) == (409, "agent_exists")

    @pytest.mark.parametrize(
        "given", [{"id": "Front"}, {"id": ""}, {"name": ""}, {"name": " "}, {"name": "x" * 121}]
    )
    async def test_what_is_no_name_or_id(self, world: World, given: dict[str, str]) -> None:
        answer = await world.http.post(IMPORT, json={"vapi_assistant_id": ASSISTANT, **given})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_payload")
        assert (await world.http.get("/api/agents")).json()["items"] == []


class TestWhatStaysAtVapi:
    async def test_is_named_at_once_and_kept_in_step(self, world: World) -> None:
        squad = {"name": "Front desk", "members": [{"assistantId": ASSISTANT}]}
        async with world.to_vapi() as vapi:
            headers = {"Authorization": "Bearer key"}
            assert (await vapi.post("/squad", json=squad, headers=headers)).status_code == 201
        await world.edit(
            hooks=[{"on": "call.ending"}], server={"url": "https://x.example/secret?key=1"},
            analysisPlan={"summaryPlan": {"enabled": True}}, oddity={"a": 1},
        )  # fmt: skip
        items = (await world.http.get(CANDIDATES)).json()["items"]
        candidate = next(item for item in items if item["vapi_assistant_id"] == ASSISTANT)
        made = (await take(world)).json()
        assert made["left_at_vapi"] == candidate["left_at_vapi"]
        left = {each["what"]: each["items"] for each in made["left_at_vapi"]}
        assert left["squads that it is in"] == ["Front desk"]
        assert left["hooks"] == ["hooks: 1"]
        assert left["servers and webhooks"] == ["server: x.example"]
        assert left["analysis of calls"] == ["analysisPlan"]
        assert left["other settings"] == ["oddity"]
        assert left["what its tools do (their names are here)"] == ["endCall"]
        assert "secret" not in str(made["left_at_vapi"])
        await world.edit(hooks=None)
        await world.http.post("/api/agents/ada/drift")
        now = (await world.http.get("/api/agents/ada")).json()["left_at_vapi"]
        assert now == [each for each in made["left_at_vapi"] if each["what"] != "hooks"]


class TestCandidates:
    async def test_each_says_whether_it_can_be_imported(self, world: World) -> None:
        async with world.resources.unit_of_work() as uow:
            await an_agent(uow, "clinic")
            await an_agent(uow, "mine", vapi_assistant_id=ASSISTANT)
        items = (await world.http.get(CANDIDATES)).json()["items"]
        found = {item["name"]: (item["agent_id"], item["refusal"]) for item in items}
        assert found["ADA"] == ("mine", "The agent mine is linked to it.")
        assert found["Clinic"] == (None, None)
        proposed = {item["name"]: item["proposed_id"] for item in items}
        assert proposed["Clinic"] == f"clinic_{HIPAA[:8]}"  # there is an agent clinic already
        assert "no model" in found["Squad"][1]
        assert next(item for item in items if item["name"] == "ADA")["provider"] == "quantum-ai"

    async def test_one_that_can(self, world: World) -> None:
        items = (await world.http.get(CANDIDATES)).json()["items"]
        assert [item["name"] for item in items if item["refusal"] is None] == ["ADA", "Clinic"]


class TestDrafts:
    async def test_are_left_out_and_that_is_said(self, world: World) -> None:
        scenarios = [a_scenario("one"), a_scenario("two", draft=True), a_scenario("three")]
        async with world.resources.unit_of_work() as uow:
            agent = await an_agent(uow, type=AgentType.PHONE_BOT)
            await a_version(uow, agent, playbook=a_playbook(scenarios=scenarios))
        job = (await world.http.post("/api/evaluate/ada", json={})).json()
        assert job["progress"] == {"drafts_left_out": 1}
        page = (await world.http.get("/api/evaluate/ada/history")).json()
        assert page["items"][0]["scenarios"] == 2
        only = await world.http.post("/api/evaluate/ada", json={"scenario_ids": ["two"]})
        assert (only.status_code, only.json()["code"]) == (422, "only_drafts")
        warnings = (await world.http.get("/api/agents/ada")).json()["warnings"]
        assert any("drafts: 1" in warning for warning in warnings)
