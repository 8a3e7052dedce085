"""Somebody edits an assistant at Vapi: nothing of theirs is lost without a named, recorded decision."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mission_control.api.resources import Resources
from mission_control.integrations.vapi_client import VAPIClient
from tests.vapi_world import ASSISTANT, World, an_assistant, vapi_world

HOTFIX = "HOTFIX by Ana: never quote prices."
GUARDRAIL = {"role": "system", "content": "GUARDRAIL: never discuss x"}


def system(content: str | None) -> dict[str, Any]:
    return {"role": "system", "content": content}


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.001)


@pytest.fixture
async def world(resources: Resources) -> AsyncIterator[World]:
    """Version 2 is deployed; version 3 waits."""
    async with vapi_world(resources) as world:
        await world.has(prompt="one v1")
        await world.now_says("one v2")
        await world.deploy(2)
        await world.now_says("one v3")
        yield world


async def messages(world: World) -> list[Any]:
    return (await world.live())["model"]["messages"]


async def newest(world: World) -> dict[str, Any]:
    page = await world.http.get("/api/deployments", params={"agent_id": "ada"})
    return page.json()["items"][0]


async def hotfix(world: World) -> None:
    await world.edit_model(messages=[system(HOTFIX)])


class TestDeploying:
    async def test_over_a_colleagues_hotfix_is_refused_with_both_texts(self, world: World) -> None:
        await hotfix(world)
        drift = await world.compared()
        assert drift["state"] == "both"
        answer = await world.ask("deploy", version=3, force=True)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "changed_at_vapi")
        assert problem["changes"] == [{"field": "system", "known": "one v2", "live": HOTFIX}]
        assert await messages(world) == [system(HOTFIX)]
        assert (await newest(world))["version"] == 2

    @pytest.mark.parametrize("asked", ["deploy", "rollback"])
    async def test_a_refusal_is_shown_as_drift_at_once(self, world: World, asked: str) -> None:
        await hotfix(world)
        assert (await world.http.get("/api/agents/ada/drift")).json()["state"] != "both"
        body = {"version": 3, "force": True} if asked == "deploy" else {}
        assert (await world.ask(asked, **body)).status_code == 409
        drift = (await world.http.get("/api/agents/ada/drift")).json()
        assert (drift["state"], drift["fields"][0]["live"]) == ("both", HOTFIX)

    async def test_overwriting_is_recorded_with_who(self, world: World) -> None:
        await hotfix(world)
        assert (await world.deploy(3, overwrite=True))["status"] == "completed"
        assert await messages(world) == [system("one v3")]
        deployment = await newest(world)
        assert deployment["overwritten"] == [{"field": "system", "known": "one v2", "live": HOTFIX}]
        assert deployment["requested_by"] == "the local owner, by the API"
        await world.done("rollback")  # brings it back
        assert await messages(world) == [system(HOTFIX)]
        assert (await world.http.get("/api/agents/ada/drift")).json()["state"] == "changed_in_vapi"
        again = await world.ask("deploy", version=3, force=True)
        assert (again.status_code, again.json()["code"]) == (409, "changed_at_vapi")

    async def test_overwrite_is_of_what_was_seen_and_of_nothing_later(self, world: World) -> None:
        await hotfix(world)
        job = (await world.ask("deploy", version=3, force=True, overwrite=True)).json()
        await world.edit_model(messages=[system("HOTFIX 2")])
        ended = await world.run(job)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "changed_at_vapi")
        assert ended["error"]["changed"] == ["system"]
        assert await messages(world) == [system("HOTFIX 2")]

    async def test_an_edit_while_the_deployment_waits(self, world: World) -> None:
        job = (await world.ask("deploy", version=3, force=True)).json()
        await hotfix(world)
        ended = await world.run(job)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "changed_at_vapi")
        assert await messages(world) == [system(HOTFIX)]
        now = (await world.http.get("/api/agents/ada")).json()
        assert (now["status"], now["deployed_version"]) == ("live", 2)

    async def test_what_says_the_same_is_nobodys_loss(self, world: World) -> None:
        await world.edit_model(messages=[system("one v3")])
        assert (await world.deploy(3))["status"] == "completed"
        assert (await newest(world))["overwritten"] is None

    async def test_the_first_message_too(self, world: World) -> None:
        await world.now_says("one v2", first_message="Hi.")
        await world.deploy(4)
        await world.edit(firstMessage="Theirs.")
        await world.now_says("one v2", first_message="Hello there.")
        answer = await world.ask("deploy", version=5, force=True)
        assert answer.json()["changes"] == [
            {"field": "first_message", "known": "Hi.", "live": "Theirs."}
        ]
        assert (await world.live())["firstMessage"] == "Theirs."

    async def test_a_first_message_that_is_not_deployed_is_theirs(self, world: World) -> None:
        await world.edit(firstMessage="Theirs.")
        assert (await world.deploy(3))["status"] == "completed"
        assert (await world.live())["firstMessage"] == "Theirs."


class TestTakingOver:
    async def test_theirs_becomes_the_version_in_force(self, world: World) -> None:
        await hotfix(world)
        job = await world.done("take-over", note="Ana was right")
        assert job["status"] == "completed"
        now = (await world.http.get("/api/agents/ada")).json()
        assert (now["prompt"], now["status"], now["deployed_version"]) == (HOTFIX, "live", 4)
        assert await messages(world) == [system(HOTFIX)]
        assert (await world.http.get("/api/agents/ada/drift")).json()["state"] == "clean"
        deployment = await newest(world)
        assert (deployment["taken_over"], deployment["version"]) == (True, 4)
        await world.now_says("one v5")
        assert (await world.deploy(5))["status"] == "completed"  # theirs is ours now

    async def test_a_rollback_goes_back_to_what_was_deployed(self, world: World) -> None:
        await hotfix(world)
        await world.done("take-over")
        assert (await world.done("rollback"))["status"] == "completed"
        assert await messages(world) == [system("one v2")]
        now = (await world.http.get("/api/agents/ada")).json()
        assert (now["status"], now["prompt"]) == ("live", "one v2")

    @pytest.mark.parametrize(
        "text",
        ["one v2\r\n", " one v2 ", "Cafe\u0301", "\ufeffBOM", "🚚", "{% if x %}{{ y }}{% endif %}",
         "a: [1\n- x\n\ty: |", "a\u2028b\x85c\x07d", "word " * 40_000],
    )  # fmt: skip
    async def test_whatever_it_says_byte_for_byte(self, world: World, text: str) -> None:
        await world.edit_model(messages=[system(text)])
        answer = await world.ask("deploy", version=3, force=True)
        assert answer.json()["changes"] == [{"field": "system", "known": "one v2", "live": text}]
        assert (await world.done("take-over"))["status"] == "completed"
        assert (await world.http.get("/api/agents/ada")).json()["prompt"] == text
        assert (await world.compared())["state"] == "clean"
        assert (await newest(world))["changed"] == []
        await world.deploy(3)
        await world.done("rollback")
        assert await messages(world) == [system(text)]

    @pytest.mark.parametrize("text", ["cut \ud83d", "a\x00b"])
    async def test_what_cannot_be_stored_is_refused_by_name(self, world: World, text: str) -> None:
        await world.edit_model(messages=[system(text)])
        answer = await world.ask("take-over")
        assert (answer.status_code, answer.json()["code"]) == (422, "playbook_invalid")
        assert await messages(world) == [system(text)]

    async def test_nothing_of_theirs(self, world: World) -> None:
        await world.deploy(3)
        answer = await world.ask("take-over")
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_take_over")


class TestRollingBack:
    async def test_over_a_hotfix_is_refused_and_overwriting_is_recorded(self, world: World) -> None:
        await hotfix(world)
        answer = await world.ask("rollback")
        assert (answer.status_code, answer.json()["code"]) == (409, "changed_at_vapi")
        assert answer.json()["changes"] == [{"field": "system", "known": "one v2", "live": HOTFIX}]
        assert (await world.done("rollback", overwrite=True))["status"] == "completed"
        assert await messages(world) == [system("Written in Vapi.")]
        deployment = await newest(world)
        assert deployment["rollback_overwritten"][0]["live"] == HOTFIX
        assert deployment["rolled_back_by"] == "the local owner, by the API"
        now = (await world.http.get("/api/agents/ada")).json()
        assert (now["status"], now["deployed_version"]) == ("dev", None)
        assert (await world.http.get("/api/agents/ada/drift")).json()["state"] == "changed_here"

    async def test_an_edit_while_the_rollback_waits(self, world: World) -> None:
        await hotfix(world)
        job = (await world.ask("rollback", overwrite=True)).json()
        await world.edit_model(messages=[system("HOTFIX 2")])
        ended = await world.run(job)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "changed_at_vapi")
        assert await messages(world) == [system("HOTFIX 2")]

    async def test_then_deploying_again_needs_no_overwrite(self, world: World) -> None:
        await world.done("rollback")
        assert (await world.deploy(3))["status"] == "completed"


class TestWhereThePromptIs:
    async def test_a_message_put_before_ours_stays_and_ours_is_there_once(
        self, world: World
    ) -> None:
        await world.edit_model(messages=[GUARDRAIL, system("one v2")])
        assert (await world.deploy(2))["status"] == "completed"
        assert await messages(world) == [GUARDRAIL, system("one v2")]
        assert (await world.deploy(3))["status"] == "completed"
        assert await messages(world) == [GUARDRAIL, system("one v3")]
        assert (await world.done("rollback"))["status"] == "completed"
        assert await messages(world) == [GUARDRAIL, system("one v2")]

    async def test_ours_changed_among_several_is_refused_by_name(self, world: World) -> None:
        await world.edit_model(messages=[GUARDRAIL, system(HOTFIX)])
        for what, body in (("deploy", {"version": 3, "overwrite": True}), ("rollback", {})):
            answer = await world.ask(what, force=True, **body)
            assert (answer.status_code, answer.json()["code"]) == (409, "vapi_prompt_ambiguous")
        assert await messages(world) == [GUARDRAIL, system(HOTFIX)]
        drift = await world.compared()
        assert drift["state"] == "both"
        assert "system messages" in drift["warnings"][0]

    async def test_ours_changed_beside_one_that_is_known(self, world: World) -> None:
        await world.edit_model(messages=[GUARDRAIL, system("one v2")])
        await world.deploy(3)  # the guardrail was read with it
        await world.edit_model(messages=[GUARDRAIL, system(HOTFIX)])
        answer = await world.ask("deploy", version=2, force=True)
        assert answer.json()["changes"] == [{"field": "system", "known": "one v3", "live": HOTFIX}]
        await world.deploy(2, overwrite=True)
        assert await messages(world) == [GUARDRAIL, system("one v2")]

    @pytest.mark.parametrize(
        ("model", "expected"),
        [
            ({"messages": [system(None), system("theirs")]}, [system(None), system("Ours.")]),
            ({"messages": [system(""), system("theirs")]}, [system(""), system("Ours.")]),
        ],
    )
    async def test_an_empty_message_before_the_prompt(
        self, resources: Resources, model: dict[str, Any], expected: list[Any]
    ) -> None:
        there = an_assistant(model={"provider": "openai", "model": "gpt-4o", **model})
        async with vapi_world(resources, there) as world:
            await world.has()
            await world.deploy()
            assert await messages(world) == expected
            await world.done("rollback")
            assert await messages(world) == model["messages"]

    async def test_ours_in_several_messages_is_refused_by_name(self, world: World) -> None:
        await world.edit_model(messages=[system("one v2"), GUARDRAIL, system("one v2")])
        answer = await world.ask("deploy", version=3, force=True, overwrite=True)
        assert (answer.status_code, answer.json()["code"]) == (409, "vapi_prompt_repeated")
        assert answer.json()["messages"] == 2
        assert await messages(world) == [system("one v2"), GUARDRAIL, system("one v2")]

    async def test_what_stands_beside_ours_already_is_refused_by_name(self, world: World) -> None:
        """A rollback could not tell the two apart, and might put back the wrong one."""
        await world.edit_model(messages=[system("one v2"), system("one v3")])
        answer = await world.ask("deploy", version=3, force=True, overwrite=True)
        assert (answer.status_code, answer.json()["code"]) == (409, "vapi_prompt_repeated")
        assert await messages(world) == [system("one v2"), system("one v3")]

    @pytest.mark.parametrize(
        "content", [[{"type": "text", "text": "Be kind."}], {"text": "Be kind."}, 7]
    )
    async def test_a_prompt_in_parts_is_refused_by_name(self, world: World, content: Any) -> None:
        await world.edit_model(messages=[{"role": "system", "content": content}])
        answer = await world.ask("deploy", version=3, force=True)
        assert (answer.status_code, answer.json()["code"]) == (409, "changed_at_vapi")
        answer = await world.ask("deploy", version=3, force=True, overwrite=True)
        assert (answer.status_code, answer.json()["code"]) == (409, "vapi_prompt_not_writable")
        answer = await world.ask("take-over")
        assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_take_over")
        assert "in parts" in answer.json()["detail"]
        assert (await messages(world))[0]["content"] == content

    async def test_a_squad_that_overrides_it_is_refused_by_name(self, world: World) -> None:
        overrides = {"model": {"provider": "openai", "model": "gpt-4o",
                               "messages": [system("Of the squad.")]}}  # fmt: skip
        member = {"assistantId": ASSISTANT, "assistantOverrides": overrides}
        async with world.to_vapi() as vapi:
            made = await vapi.post(
                "/squad",
                json={"name": "Front desk", "members": [member]},
                headers={"Authorization": "Bearer key"},
            )
            assert made.status_code == 201, made.text
        answer = await world.ask("deploy", version=2, overwrite=True)
        assert (answer.status_code, answer.json()["code"]) == (409, "overridden_in_squad")
        assert answer.json()["squads"] == ["Front desk"]
        assert (await world.deploy(3))["status"] == "completed"  # by force


@pytest.mark.parametrize(
    "mode", ["assistant-speaks-first-with-model-generated-message", "assistant-waits-for-user"]
)
async def test_a_first_message_that_nobody_hears_is_said(resources: Resources, mode: str) -> None:
    there = an_assistant(firstMessage="IGNORED", firstMessageMode=mode)
    async with vapi_world(resources, there) as world:
        await world.has(first_message="Hello, this is our new greeting")
        job = await world.deploy()
        assert job["status"] == "completed"
        [warning] = (await newest(world))["warnings"]
        assert "Nobody will hear the first message" in warning
        assert mode in warning
        assert (await world.compared())["warnings"] == [warning]
