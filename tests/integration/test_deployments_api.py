"""Deploying and rolling back through the API: first messages, lost answers, and what is called live."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from mission_control.api.jobs.work import run_job
from mission_control.api.optimize.work import OptimizationWork
from mission_control.api.resources import Resources
from mission_control.core.words import AgentType
from mission_control.integrations.vapi_client import VAPIClient
from tests.builders import a_playbook, a_scenario, a_version, an_agent
from tests.vapi_world import ASSISTANT, KEY, World, vapi_world


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "request_timeout_seconds", 0.5)


@pytest.fixture
async def world(resources: Resources) -> AsyncIterator[World]:
    async with vapi_world(resources) as world:
        await world.has(first_message="Hi, this is {{name}}.\r\n")
        yield world


async def agent(world: World) -> dict[str, Any]:
    return (await world.http.get("/api/agents/ada")).json()


async def latest(world: World) -> dict[str, Any]:
    page = await world.http.get("/api/deployments", params={"agent_id": "ada"})
    return page.json()["items"][0]


async def roll_back(world: World, **body: Any) -> dict[str, Any]:
    return await world.done("rollback", **body)


async def faulty(world: World, kind: str, times: int = 1, **options: Any) -> None:
    """The next writes to the assistant go wrong like this."""
    fault = {"kind": kind, "path": f"/assistant/{ASSISTANT}", "method": "PATCH", "times": times}
    async with world.to_vapi() as vapi:
        answer = await vapi.post("/sandbox/faults", json={**fault, **options})
    assert answer.status_code == 201, answer.text


def said(assistant: dict[str, Any]) -> tuple[str, str | None]:
    return assistant["model"]["messages"][0]["content"], assistant.get("firstMessage")


class TestFirstMessage:
    async def test_is_deployed_and_taken_back(self, world: World) -> None:
        before = await world.live()
        await world.deploy()
        assert said(await world.live()) == ("Ours.", "Hi, this is {{name}}.\r\n")
        assert set((await latest(world))["changed"]) == {
            "model.messages[0].content",
            "firstMessage",
        }
        assert (await roll_back(world))["status"] == "completed"
        assert said(await world.live()) == said(before)

    async def test_of_somebody_else_is_kept_unless_told_to_overwrite(self, world: World) -> None:
        await world.deploy()
        await world.edit(firstMessage="Good morning.")
        answer = await world.ask("rollback")
        assert (answer.status_code, answer.json()["code"]) == (409, "changed_at_vapi")
        assert said(await world.live()) == ("Ours.", "Good morning.")
        assert (await agent(world))["status"] == "live"
        assert (await world.done("rollback", overwrite=True))["status"] == "completed"
        assert said(await world.live()) == ("Written in Vapi.", "Hello.")

    async def test_that_we_did_not_change_is_theirs_to_change(self, world: World) -> None:
        await world.now_says("Ours.", first_message="Hello.", is_current=False)
        await world.deploy(version=2)
        assert (await latest(world))["changed"] == ["model.messages[0].content"]
        await world.edit(firstMessage="Good morning.")
        assert (await roll_back(world))["status"] == "completed"
        assert said(await world.live()) == ("Written in Vapi.", "Good morning.")

    async def test_a_version_without_one_leaves_it(self, world: World) -> None:
        await world.now_says("Ours, and no more.", is_current=False)
        await world.deploy(version=2)
        assert said(await world.live()) == ("Ours, and no more.", "Hello.")


class TestWhatIsCalledLive:
    async def test_the_same_version_twice_changes_nothing_and_says_so(self, world: World) -> None:
        await world.deploy()
        before = await world.live()
        answer = await world.http.post("/api/optimize/ada/deploy", json={"version": 1})
        assert (answer.status_code, answer.json()["code"]) == (409, "already_in_force")
        again = await world.deploy()  # by force
        assert again["status"] == "completed"
        assert (await latest(world))["changed"] == []
        assert await world.live() == before

    @pytest.mark.parametrize(
        ("kind", "options"), [("hang", {}), ("html", {}), ("status", {"status": 503})]
    )
    async def test_a_lost_request_is_not_live(
        self, world: World, kind: str, options: dict[str, Any]
    ) -> None:
        await faulty(world, kind, **options)
        job = await world.deploy()
        assert (job["status"], job["error"]["code"]) == ("failed", "deploy_unconfirmed")
        assert (await latest(world))["status"] == "failed"
        assert (await agent(world))["status"] == "error"  # it may still arrive
        assert (await world.deploy())["status"] == "completed"
        assert (await agent(world))["status"] == "live"

    async def test_a_lost_answer_is_resolved_by_looking(self, world: World) -> None:
        await faulty(world, "html", when="after")
        assert (await world.deploy())["status"] == "completed"
        assert (await agent(world))["status"] == "live"

    async def test_what_cannot_be_verified_is_rolled_back(self, world: World) -> None:
        before = await world.live()
        await faulty(world, "forget", field="model.tools")
        job = await world.deploy()
        assert (job["status"], job["error"]["code"]) == ("failed", "deploy_not_verified")
        now = await world.live()
        assert (said(now), now["model"]["tools"]) == (said(before), before["model"]["tools"])
        assert (await agent(world))["status"] == "dev"

    async def test_a_failed_second_deployment_leaves_the_first_live(self, world: World) -> None:
        await world.deploy()
        await world.now_says("Ours, improved.", is_current=False)
        await faulty(world, "forget", field="model.tools")
        assert (await world.deploy(version=2))["status"] == "failed"
        now = await agent(world)
        assert (now["status"], now["deployed_version"]) == ("live", 1)
        assert said(await world.live())[0] == "Ours."

    async def test_what_could_not_be_put_back_is_an_error(self, world: World) -> None:
        await world.deploy()
        await world.now_says("Ours, improved.", is_current=False)
        await faulty(world, "forget", field="model.tools", times=20)
        job = await world.deploy(version=2)
        assert "could NOT be put back" in job["error"]["detail"]
        assert (await agent(world))["status"] == "error"

    async def test_a_rollback_that_is_not_confirmed_is_not_live(self, world: World) -> None:
        await world.deploy()
        await faulty(world, "html")
        job = await roll_back(world)
        assert (job["status"], job["error"]["code"]) == ("failed", "deploy_unconfirmed")
        assert (await agent(world))["status"] == "error"
        assert (await roll_back(world))["status"] == "completed"
        assert (await agent(world))["status"] == "dev"

    @pytest.mark.parametrize(
        ("fault", "expected"), [(None, "live"), ("html", "error"), ("forget", "dev")]
    )
    async def test_a_search_that_ends_later_does_not_say_otherwise(
        self, world: World, fault: str | None, expected: str
    ) -> None:
        scenarios = a_playbook_with_splits()
        await world.now_says("Ours.", feature_specifications={"scenarios": scenarios})
        job = (await world.http.post("/api/optimize/ada", json={})).json()
        if fault is not None:
            await faulty(world, fault, field="model.tools")
        await world.deploy()
        assert (await agent(world))["status"] == "optimizing"
        await world.http.post(f"/api/jobs/{job['id']}/cancel")
        await run_job(world.resources, UUID(job["id"]), OptimizationWork(UUID(job["id"])))
        assert (await agent(world))["status"] == expected


def a_playbook_with_splits() -> list[dict[str, Any]]:
    return [
        a_scenario(f"{topic}_{split}", split=split)
        for split in ("train", "validation", "test")
        for topic in ("price", "refund")
    ]


class TestWhatComesBack:
    async def test_a_text_of_theirs_is_not_called_live(self, world: World) -> None:
        """They wrote between our two deployments, so that is what the rollback brings back."""
        await world.deploy()
        await world.edit_model(messages=[{"role": "system", "content": "Theirs."}])
        await world.now_says("Ours, second.")
        await world.deploy(2, overwrite=True)
        assert (await roll_back(world))["status"] == "completed"
        assert said(await world.live())[0] == "Theirs."
        now = await agent(world)
        assert (now["status"], now["deployed_version"]) == ("dev", None)

    async def test_a_deployment_of_ours_is(self, world: World) -> None:
        await world.deploy()
        await world.now_says("Ours, second.")
        await world.deploy(2)
        assert (await roll_back(world))["status"] == "completed"
        assert said(await world.live())[0] == "Ours."
        assert (await agent(world))["status"] == "live"

    async def test_what_an_unconfirmed_deployment_put_there_is_ours(self, world: World) -> None:
        before = said(await world.live())
        await faulty(world, "hang", when="after", seconds=9)
        # It is read when asked for, and twice before it is written; then nothing can be read back.
        reads = {"kind": "status", "path": f"/assistant/{ASSISTANT}", "method": "GET"}
        seen = {"status": 200, "times": 3, "body": await world.live()}
        async with world.to_vapi() as vapi:
            for fault in (seen, {"status": 503, "times": 3}):
                await vapi.post("/sandbox/faults", json={**reads, **fault})
        assert (await world.deploy())["error"]["code"] == "deploy_unconfirmed"
        assert (await world.deploy())["status"] == "completed"
        changed = (await latest(world))["changed"]
        assert sorted(changed) == ["firstMessage", "model.messages[0].content"]
        assert (await roll_back(world))["status"] == "completed"
        assert said(await world.live()) == before

    async def test_a_refused_rollback_names_the_fields(self, world: World) -> None:
        await world.deploy()
        await world.edit(firstMessage="Theirs.")
        problem = (await world.ask("rollback")).json()
        assert problem["changed"] == ["first_message"]
        assert "the first message" in problem["detail"]
        [change] = problem["changes"]
        assert (change["known"], change["live"]) == ("Hi, this is {{name}}.\r\n", "Theirs.")


class TestWhereItGoes:
    async def test_an_assistant_that_is_gone_can_be_given_up(self, world: World) -> None:
        await world.deploy()
        async with world.to_vapi() as vapi:
            gone = await vapi.delete(
                f"/assistant/{ASSISTANT}", headers={"Authorization": f"Bearer {KEY}"}
            )
            assert gone.status_code == 200, gone.text
        refused = await world.ask("rollback")
        assert (refused.status_code, refused.json()["code"]) == (409, "assistant_gone")
        again = await world.ask("deploy", version=1, force=True)
        assert (again.status_code, again.json()["code"]) == (409, "assistant_gone")
        assert (await roll_back(world, force=True))["status"] == "completed"
        now = await agent(world)
        assert (now["status"], now["deployed_version"]) == ("dev", None)
        relinked = {"vapi_assistant_id": "another"}
        assert (await world.http.put("/api/agents/ada", json=relinked)).status_code == 200

    async def test_it_is_not_moved_while_a_deployment_waits(self, world: World) -> None:
        job = await world.http.post("/api/optimize/ada/deploy", json={"version": 1, "force": True})
        moved = await world.http.put("/api/agents/ada", json={"vapi_assistant_id": "another"})
        assert (moved.status_code, moved.json()["code"]) == (409, "agent_busy")
        await world.run(job.json())
        assert (await agent(world))["vapi_assistant_id"] == ASSISTANT

    async def test_two_agents_do_not_share_an_assistant(self, world: World) -> None:
        async with world.resources.unit_of_work() as uow:
            bea = await an_agent(uow, "bea", name="ADA", type=AgentType.PHONE_BOT)
            await a_version(uow, bea, playbook=a_playbook("bea", prompt="Of Bea."))
        linked = await world.http.put("/api/agents/bea", json={"vapi_assistant_id": ASSISTANT})
        assert (linked.status_code, linked.json()["code"]) == (409, "assistant_linked")
        await world.deploy()
        body = {"version": 1, "force": True}
        answer = await world.http.post("/api/optimize/bea/deploy", json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "assistant_shared")
        assert said(await world.live())[0] == "Ours."


async def test_what_was_read_back_is_the_comparison_of_now(world: World) -> None:
    async def state() -> tuple[str, object]:
        known = (await world.http.get("/api/agents/ada/drift")).json()
        return known["state"], known["error"]

    assert (await world.compared())["state"] == "never_deployed"
    await world.deploy()
    assert await state() == ("clean", None)
    await roll_back(world)
    assert await state() == ("changed_here", None)
    assert (await world.compared())["state"] == "changed_here"
