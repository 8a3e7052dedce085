"""Drift: registry, last deployment and the assistant, through the API, on a stand-in in process."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from mission_control.api.drift import work
from mission_control.api.resources import Resources
from mission_control.core.words import AgentType
from mission_control.integrations.vapi_client import VAPIClient
from tests.builders import a_playbook, a_version, an_agent
from tests.vapi_world import FAILURES, World, failing, vapi_world


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.001)


@pytest.fixture
async def world(resources: Resources) -> AsyncIterator[World]:
    async with vapi_world(resources) as world:
        yield world


def states(drift: dict[str, Any]) -> dict[str, str]:
    return {field["field"]: field["state"] for field in drift["fields"]}


class TestStates:
    async def test_never_deployed_and_different(self, world: World) -> None:
        await world.has()
        drift = await world.compared()
        assert drift["state"] == "never_deployed"
        assert drift["fields"] == [
            {
                "field": "system",
                "state": "never_deployed",
                "here": "Ours.",
                "deployed": None,
                "live": "Written in Vapi.",
            }
        ]

    async def test_never_deployed_and_equal(self, world: World) -> None:
        await world.has(prompt="Written in Vapi.", first_message="Hello.")
        assert (await world.compared())["state"] == "clean"

    async def test_deployed_is_clean(self, world: World) -> None:
        await world.has(first_message="Hi, this is Ada.")
        assert (await world.deploy())["status"] == "completed"
        drift = await world.compared()
        assert (drift["state"], drift["fields"], drift["error"]) == ("clean", [], None)
        assert drift["compared_at"] == drift["checked_at"]

    async def test_changed_in_vapi(self, world: World) -> None:
        await world.has(first_message="Hi.")
        await world.deploy()
        await world.edit_model(messages=[{"role": "system", "content": "Theirs."}], temperature=1)
        await world.edit(firstMessage="Good morning.", voice={"provider": "x", "key": "secret-1"})
        drift = await world.compared()
        assert drift["state"] == "changed_in_vapi"
        assert set(states(drift).values()) == {"changed_in_vapi"}
        assert set(states(drift)) == {
            "system", "first_message", "model.temperature",
            "voice.provider", "voice.key", "voice.voiceId",
        }  # fmt: skip
        assert drift["fields"][0]["live"] == "Theirs."
        assert "secret-1" not in str(drift)

    async def test_changed_here(self, world: World) -> None:
        await world.has()
        await world.deploy()
        await world.now_says("Ours, improved.", first_message="New.")
        drift = await world.compared()
        assert drift["state"] == "changed_here"
        assert states(drift) == {"system": "changed_here", "first_message": "changed_here"}
        assert drift["fields"][0]["deployed"] == drift["fields"][0]["live"] == "Ours."

    async def test_a_greeting_where_there_was_none(self, world: World) -> None:
        await world.has()
        await world.edit(firstMessage=None)
        await world.deploy()
        await world.now_says("Ours.", first_message="Hi.")
        [field] = (await world.compared())["fields"]
        assert (field["field"], field["state"]) == ("first_message", "changed_here")

    async def test_a_key_that_cannot_be_stored(self, world: World) -> None:
        await world.has()
        await world.edit(metadata={})
        await world.deploy()
        await world.edit(metadata={"a\x00\ud83d": 1})
        assert [each["field"] for each in (await world.compared())["fields"]] == [
            "metadata.a\ufffd\ufffd"
        ]

    async def test_both(self, world: World) -> None:
        await world.has()
        await world.deploy()
        await world.now_says("Ours, improved.")
        await world.edit_model(messages=[{"role": "system", "content": "Theirs."}])
        drift = await world.compared()
        assert (drift["state"], states(drift)) == ("both", {"system": "both"})

    async def test_each_side_another_field(self, world: World) -> None:
        await world.has()
        await world.deploy()
        await world.now_says("Ours, improved.")
        await world.edit(name="Ada II")
        drift = await world.compared()
        assert drift["state"] == "both"
        assert states(drift) == {"system": "changed_here", "name": "changed_in_vapi"}

    async def test_equal_sides_never_conflict(self, world: World) -> None:
        await world.has()
        await world.deploy()
        await world.now_says("The same idea.")
        await world.edit_model(messages=[{"role": "system", "content": "The same idea."}])
        assert (await world.compared())["state"] == "clean"

    async def test_a_removed_prompt_is_seen(self, world: World) -> None:
        await world.has()
        await world.deploy()
        await world.edit_model(messages=[])
        drift = await world.compared()
        assert states(drift) == {"system": "changed_in_vapi", "model.messages": "changed_in_vapi"}
        assert drift["fields"][0]["live"] is None

    async def test_a_first_message_that_is_not_ours_is_a_field_like_others(
        self, world: World
    ) -> None:
        await world.has()
        await world.deploy()
        await world.edit(firstMessage="Good morning.")
        [field] = (await world.compared())["fields"]
        assert (field["field"], field["state"]) == ("firstMessage", "changed_in_vapi")
        assert field["live"] is None

    async def test_half_an_emoji_does_no_harm(self, world: World) -> None:
        await world.has()
        await world.edit_model(messages=[{"role": "system", "content": "cut \ud83d\x00"}])
        assert (await world.compared())["fields"][0]["live"] == "cut \ufffd\ufffd"

    async def test_after_a_rollback(self, world: World) -> None:
        await world.has(prompt="Written in Vapi.")
        await world.now_says("Ours, improved.", is_current=False)
        await world.deploy(version=2)
        job = (await world.http.post("/api/optimize/ada/rollback", json={})).json()
        assert (await world.run(job))["status"] == "completed"
        assert (await world.live())["model"]["messages"][0]["content"] == "Written in Vapi."
        assert (await world.compared())["state"] == "clean"


class TestRefusals:
    async def test_not_compared_yet(self, world: World) -> None:
        await world.has()
        answer = await world.http.get("/api/agents/ada/drift")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_compared")

    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_no_such_agent(self, world: World, method: str) -> None:
        answer = await world.http.request(method, "/api/agents/nobody/drift")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    async def test_no_assistant(self, world: World) -> None:
        async with world.resources.unit_of_work() as uow:
            await a_version(uow, await an_agent(uow))
        answer = await world.http.post("/api/agents/ada/drift")
        assert (answer.status_code, answer.json()["code"]) == (409, "no_assistant")

    async def test_while_a_deployment_is_going_on(self, world: World) -> None:
        await world.has()
        await world.http.post("/api/optimize/ada/deploy", json={"version": 1, "force": True})
        answer = await world.http.post("/api/agents/ada/drift")
        assert (answer.status_code, answer.json()["code"]) == (409, "deployment_running")
        assert await work.check_all(world.resources) == 0


class TestVapiAway:
    @pytest.mark.parametrize(("status", "text", "headers", "answered", "code"), FAILURES)
    async def test_is_named_and_what_was_known_is_kept(
        self,
        world: World,
        status: int,
        text: str,
        headers: dict[str, str],
        answered: int,
        code: str,
    ) -> None:
        await world.has()
        known = await world.compared()
        world.loses_vapi(failing(status, text, headers))
        answer = await world.http.post("/api/agents/ada/drift")
        assert (answer.status_code, answer.json()["code"]) == (answered, code)
        assert answer.headers.get("Retry-After") == headers.get("Retry-After")
        now = (await world.http.get("/api/agents/ada/drift")).json()
        assert (now["state"], now["error"]["code"]) == ("unknown", code)
        assert (now["fields"], now["compared_at"]) == (known["fields"], known["compared_at"])
        assert now["checked_at"] > known["checked_at"]

    async def test_all_are_unknown_and_then_known_again(self, world: World) -> None:
        await world.has()
        await world.compared()
        away = replace(world.resources, vapi=failing(503))
        assert await work.check_all(away) == 0
        [item] = (await world.http.get("/api/drift")).json()["items"]
        assert item["state"] == "unknown"
        assert await work.check_all(world.resources) == 1
        [item] = (await world.http.get("/api/drift")).json()["items"]
        assert (item["state"], item["error"]) == ("never_deployed", None)
        told = str(await world.events())
        assert told.count("drift.found") == 1  # going away and coming back is no new drift


class TestEverything:
    async def test_one_request_for_all_and_one_failing_stops_nobody(self, world: World) -> None:
        await world.has()
        async with world.resources.unit_of_work() as uow:
            gone = await an_agent(uow, "gone", vapi_assistant_id="not-there")
            await a_version(uow, gone, playbook=a_playbook("gone"))
            broken = await an_agent(uow, "broken", vapi_assistant_id="another")
            await a_version(uow, broken, playbook="{")
            by_name = await an_agent(uow, "zoe", name="ADA", type=AgentType.PHONE_BOT)
            await a_version(uow, by_name, playbook=a_playbook("zoe", prompt="Written in Vapi."))
            await a_version(uow, await an_agent(uow, "local"))
        asked = len(world.vapi_app.state.stand_in.requests)
        assert await work.check_all(world.resources) == 2
        assert len(world.vapi_app.state.stand_in.requests) == asked + 1
        items = (await world.http.get("/api/drift")).json()["items"]
        found = {item["agent_id"]: item["state"] for item in items}
        assert found == {"ada": "never_deployed", "gone": "unknown", "zoe": "never_deployed"}

    async def test_a_deployment_meanwhile_is_nobodys_change(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await world.has()
        asked = world.resources.vapi.get_assistants

        async def answers_late() -> list[dict[str, Any]]:
            there = await asked()
            await world.deploy()
            return there

        monkeypatch.setattr(world.resources.vapi, "get_assistants", answers_late)
        assert await work.check_all(world.resources) == 0
        assert (await world.http.get("/api/agents/ada/drift")).json()["state"] == "clean"

    async def test_a_change_is_announced_once(self, world: World) -> None:
        await world.has()
        await world.deploy()
        for _ in range(2):
            await work.check_all(world.resources)
        await world.edit(name="Ada II")
        for _ in range(2):
            await work.check_all(world.resources)
        await world.edit(name="ADA")
        for _ in range(2):
            await work.check_all(world.resources)
        told = str(await world.events())
        assert (told.count("drift.found"), told.count("drift.cleared")) == (1, 1)

    async def test_another_assistant_starts_anew(self, world: World) -> None:
        await world.has()
        await world.compared()
        await world.http.put("/api/agents/ada", json={"vapi_assistant_id": "another"})
        assert (await world.http.get("/api/agents/ada/drift")).status_code == 404
        assert (await world.http.post("/api/agents/ada/drift")).status_code == 424
        now = (await world.http.get("/api/agents/ada/drift")).json()
        assert (now["state"], now["fields"], now["compared_at"]) == ("unknown", [], None)

    async def test_pages(self, world: World) -> None:
        await world.has()
        async with world.resources.unit_of_work() as uow:
            for name in ("bea", "cleo"):
                agent = await an_agent(uow, name, vapi_assistant_id=f"of-{name}")
                await a_version(uow, agent, playbook=a_playbook(name))
        await work.check_all(world.resources)
        first = (await world.http.get("/api/drift", params={"limit": 2})).json()
        rest = {"limit": 2, "cursor": first["next_cursor"]}
        second = (await world.http.get("/api/drift", params=rest)).json()
        found = [item["agent_id"] for item in (*first["items"], *second["items"])]
        assert sorted(found) == ["ada", "bea", "cleo"]
        assert second["next_cursor"] is None


class TestOnPostgres:
    @pytest.fixture
    def sqlite_url(self, postgres_url: str) -> str:
        """The database of the settings is another one here."""
        return postgres_url

    async def test_what_is_found_is_stored_and_listed(self, world: World) -> None:
        await world.has()
        await world.edit_model(messages=[{"role": "system", "content": "cut \ud83d\x00"}])
        assert await work.check_all(world.resources) == 1
        [item] = (await world.http.get("/api/drift")).json()["items"]
        assert item["fields"][0]["live"] == "cut \ufffd\ufffd"
        await world.deploy()
        assert (await world.compared())["state"] == "clean"
        assert str(await world.events()).count("drift.") == 2
