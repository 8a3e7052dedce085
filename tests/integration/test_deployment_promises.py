"""Which version may be deployed and why not, what a deployment's record says, and what it announces."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from mission_control.api.deployments.choice import version_to_deploy
from mission_control.api.deployments.errors import (
    AlreadyInForceError,
    ComparedWithAnotherError,
    NoCandidateError,
    NotShownBetterError,
)
from mission_control.api.deployments.schemas import DeployRequest
from mission_control.api.resources import Resources
from mission_control.core.words import JobKind, JobStatus, Verdict
from mission_control.data.agents import AgentVersion
from mission_control.data.optimizations import Optimization
from mission_control.integrations.vapi_client import VAPIClient
from tests.builders import a_job
from tests.vapi_world import ASSISTANT, World, vapi_world


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.001)


@pytest.fixture
async def world(resources: Resources) -> AsyncIterator[World]:
    """An agent with three versions, of which the first is in force; none is deployed."""
    async with vapi_world(resources) as world:
        await world.has(prompt="one")
        await world.now_says("two", is_current=False)
        await world.now_says("three", is_current=False)
        yield world


async def proven(
    world: World,
    candidate: int,
    *,
    base: int = 1,
    verdict: Verdict | None = Verdict.BETTER,
    status: JobStatus = JobStatus.COMPLETED,
) -> None:
    """An optimization compared them."""
    async with world.resources.unit_of_work() as uow:
        agent = await uow.agents.get("ada")
        job = await a_job(uow, agent, kind=JobKind.OPTIMIZE, status=status)
        versions = {each: await uow.agents.version("ada", each) for each in (base, candidate)}
        uow.optimizations.add(
            Optimization(
                id=uuid4(), agent_id="ada", job_id=job.id, base_version_id=versions[base].id,
                candidate_version_id=versions[candidate].id, optimizer="GEPA", budget={},
                model="openai/sandbox-1", reflection_model="openai/sandbox-1",
                previous_status="dev", status=status, verdict=verdict,
            )
        )  # fmt: skip


async def chosen(world: World, **request: Any) -> AgentVersion:
    async with world.resources.unit_of_work(readonly=True) as uow:
        in_force = await uow.agents.version("ada", 1)
        return await version_to_deploy(uow, DeployRequest(**request), in_force)


async def newest(world: World) -> dict[str, Any]:
    return (await world.http.get("/api/deployments")).json()["items"][0]


async def told(world: World) -> list[dict[str, Any]]:
    return [json.loads(fields["body"]) for _, fields in await world.events()]


class TestChoice:
    async def test_without_a_name_it_is_the_latest_candidate(self, world: World) -> None:
        with pytest.raises(NoCandidateError):
            await chosen(world)
        await proven(world, 3)
        await proven(world, 2)
        assert (await chosen(world)).number == 2

    async def test_a_named_one_has_a_proof_of_its_own(self, world: World) -> None:
        await proven(world, 2)
        await proven(world, 3, verdict=Verdict.WORSE)
        assert (await chosen(world, version=2)).number == 2
        with pytest.raises(NotShownBetterError) as refused:
            await chosen(world, version=3)
        assert refused.value.fields == {"version": 3, "verdict": "worse"}

    @pytest.mark.parametrize("verdict", [each for each in Verdict if each is not Verdict.BETTER])
    async def test_only_better_is_a_proof(self, world: World, verdict: Verdict) -> None:
        await proven(world, 2, verdict=verdict)
        with pytest.raises(NotShownBetterError, match=verdict.replace("_", " ")):
            await chosen(world)

    async def test_what_was_never_compared_says_so(self, world: World) -> None:
        with pytest.raises(NotShownBetterError, match="not compared") as refused:
            await chosen(world, version=2)
        assert refused.value.fields == {"version": 2, "verdict": None}

    async def test_a_comparison_that_did_not_end_is_no_proof(self, world: World) -> None:
        await proven(world, 2, status=JobStatus.FAILED)
        with pytest.raises(NotShownBetterError):
            await chosen(world, version=2)

    async def test_nor_is_one_with_something_else_than_what_is_in_force(self, world: World) -> None:
        await proven(world, 3, base=2)
        with pytest.raises(ComparedWithAnotherError) as refused:
            await chosen(world)
        assert refused.value.fields == {"version": 3, "compared_with": 2, "in_force": 1}

    async def test_force_needs_no_proof(self, world: World) -> None:
        assert (await chosen(world, version=3, force=True)).number == 3

    async def test_what_is_in_force_is_put_there_again_for_a_reason_alone(
        self, world: World
    ) -> None:
        with pytest.raises(NotShownBetterError):  # current, but deployed nowhere
            await chosen(world, version=1)
        assert (await world.deploy(1))["status"] == "completed"
        with pytest.raises(AlreadyInForceError) as refused:
            await chosen(world, version=1)
        assert refused.value.fields == {"version": 1, "in_force": 1}
        for reason in ("overwrite", "include_memory", "force"):
            assert (await chosen(world, version=1, **{reason: True})).number == 1


class TestRecord:
    async def test_says_who_asked_for_what_and_what_was_changed(self, world: World) -> None:
        job = await world.deploy(2)
        record = await newest(world)
        same = {
            "agent_id": "ada", "version": 2, "previous_version": 1, "job_id": job["id"],
            "target": "vapi", "target_id": ASSISTANT, "status": "verified", "memories": None,
            "taken_over": False, "overwritten": None, "rolled_back_at": None,
            "rolled_back_by": None, "rollback_overwritten": None, "error": None,
        }  # fmt: skip
        assert {name: record[name] for name in same} == same
        assert record["changed"] == ["model.messages[0].content"]
        assert record["requested_by"]
        assert record["finished_at"] >= record["created_at"]
        assert (job["kind"], job["agent_id"]) == ("deploy", "ada")

    async def test_a_rollback_is_a_new_version_that_says_where_it_comes_from(
        self, world: World
    ) -> None:
        await world.deploy(2)
        job = await world.done("rollback")
        assert (job["kind"], job["status"]) == ("rollback", "completed")
        record = await newest(world)
        assert record["status"] == "rolled_back"
        assert record["rolled_back_at"] is not None
        assert record["rolled_back_by"] == record["requested_by"]
        version = (await world.http.get("/api/agents/ada/versions/4")).json()
        assert (version["origin"], version["prompt"]) == ("rollback", "one")
        assert version["note"] == "Back to version 1 from version 2"
        agent = (await world.http.get("/api/agents/ada")).json()
        assert (agent["current_version"], agent["deployed_version"]) == (4, None)

    async def test_a_list_can_be_of_one_agent_and_its_pages_meet(self, world: World) -> None:
        for version in (2, 3, 2):
            await world.deploy(version)
        first = (await world.http.get("/api/deployments", params={"limit": 2})).json()
        after = {"limit": 2, "cursor": first["next_cursor"]}
        rest = (await world.http.get("/api/deployments", params=after)).json()
        listed = [*first["items"], *rest["items"]]
        assert [each["version"] for each in listed] == [2, 3, 2]
        assert [each["previous_version"] for each in listed] == [3, 2, 1]
        assert rest["next_cursor"] is None
        assert (await world.http.get("/api/deployments?agent_id=bob")).json()["items"] == []
        ours = (await world.http.get("/api/deployments?agent_id=ada")).json()["items"]
        assert ours == listed

    async def test_the_same_request_is_one_deployment(self, world: World) -> None:
        async def ask(what: str, key: str, **body: Any) -> Any:
            headers = {"Idempotency-Key": key}
            return await world.http.post(f"/api/optimize/ada/{what}", json=body, headers=headers)

        first, again = [await ask("deploy", "a", version=2, force=True) for _ in range(2)]
        assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])
        meanwhile = await ask("deploy", "b", version=3, force=True)
        assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "deployment_running")
        assert meanwhile.json()["job_id"] == first.json()["id"]
        await world.run(first.json())
        first, again = [await ask("rollback", "c") for _ in range(2)]
        assert (first.status_code, first.json()["id"]) == (202, again.json()["id"])
        assert (await ask("deploy", "d", version=3, force=True)).status_code == 409
        assert len((await world.http.get("/api/deployments")).json()["items"]) == 1


class TestAnnouncing:
    async def test_what_is_in_force_and_what_is_again(self, world: World) -> None:
        deployed = await world.deploy(2)
        record = await newest(world)
        await world.done("rollback")
        events = {each["type"]: each for each in await told(world)}
        verified = events["deployment.verified"]
        assert (verified["agent_id"], verified["job_id"]) == ("ada", deployed["id"])
        assert verified["data"] == {
            "deployment_id": record["id"], "target": "vapi", "version": 2,
            "changed": ["model.messages[0].content"],
        }  # fmt: skip
        assert events["deployment.rolled_back"]["data"] == {
            "deployment_id": record["id"], "target": "vapi", "version": 4,
        }  # fmt: skip

    async def test_what_went_wrong(self, world: World) -> None:
        answer = await world.ask("deploy", version=2, force=True)
        cancelled = await world.http.post(f"/api/jobs/{answer.json()['id']}/cancel")
        assert cancelled.status_code == 202
        record = await newest(world)
        assert (record["status"], record["error"]["code"]) == ("failed", "job_cancelled")
        assert record["finished_at"] is not None
        [event] = [each for each in await told(world) if each["type"] == "deployment.failed"]
        assert event["data"]["deployment_id"] == record["id"]
        assert event["data"]["error"]["code"] == "job_cancelled"


class TestRefusals:
    async def test_name_the_agent_the_assistant_and_the_reason(self, world: World) -> None:
        nothing = await world.ask("rollback")
        assert (nothing.status_code, nothing.json()["code"]) == (409, "nothing_to_roll_back")
        unknown = await world.ask("deploy", version=9, force=True)
        assert unknown.status_code == 404
        await world.deploy(1)
        async with world.to_vapi() as vapi:
            headers = {"Authorization": "Bearer k"}
            assert (await vapi.delete(f"/assistant/{ASSISTANT}", headers=headers)).is_success
        gone = await world.ask("deploy", version=2, force=True)
        assert (gone.status_code, gone.json()["code"]) == (409, "assistant_gone")
        assert gone.json()["assistant_id"] == ASSISTANT
        kept = await world.ask("rollback")
        assert (kept.status_code, kept.json()["assistant_id"]) == (409, ASSISTANT)

    async def test_there_is_nothing_to_take_over_where_nothing_else_was_said(
        self, world: World
    ) -> None:
        await world.deploy(1)
        same = await world.ask("take-over")
        assert (same.status_code, same.json()["code"]) == (409, "nothing_to_take_over")
        await world.edit_model(messages=[{"role": "system", "content": " "}])
        empty = await world.ask("take-over")
        assert empty.status_code == 409
        assert "has no prompt" in empty.json()["detail"]

    async def test_a_first_message_that_somebody_changed_is_something_to_take_over(
        self, world: World
    ) -> None:
        await world.now_says("four", first_message="Ours.")
        await world.deploy(4)
        assert (await world.ask("take-over")).json()["code"] == "nothing_to_take_over"
        await world.edit(firstMessage="Theirs.")
        taken = await world.ask("take-over")
        assert taken.status_code == 202, taken.text
        version = (await world.http.get("/api/agents/ada/versions/5")).json()
        assert (version["prompt"], version["note"]) == ("four", "Taken over from Vapi")
        assert "Theirs." in version["playbook"]
