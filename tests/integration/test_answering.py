"""What answers, in one sentence, after everything that can happen: in lists, on the agent, as its state."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from mission_control.api.resources import Resources
from mission_control.integrations.vapi_client import VAPIClient
from tests.vapi_world import ASSISTANT, World, failing, vapi_world

OWNER = "by the local owner, by the API"


@pytest.fixture(autouse=True)
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.001)


@pytest.fixture
async def world(resources: Resources) -> AsyncIterator[World]:
    async with vapi_world(resources) as world:
        yield world


async def deployed(world: World) -> None:
    await world.has(prompt="one v1")
    await world.now_says("one v2")
    await world.deploy(2)


async def line(world: World) -> tuple[str, str]:
    """State and sentence: the same wherever one looks."""
    [listed] = (await world.http.get("/api/agents")).json()["items"]
    agent = (await world.http.get("/api/agents/ada")).json()
    state = (await world.http.get("/api/agents/ada/status")).json()
    found: list[dict[str, Any]] = [each["answering"] for each in (listed, agent, state)]
    assert len({(each["state"], each["line"]) for each in found}) == 1
    assert found[1] == found[2]
    return found[0]["state"], found[0]["line"]


async def edited(world: World, text: str = "HOTFIX by Ana") -> None:
    await world.edit_model(messages=[{"role": "system", "content": text}])


async def test_imported(world: World) -> None:
    await world.http.post("/api/agents/import", json={"vapi_assistant_id": ASSISTANT})
    assert await line(world) == (
        "never_deployed",
        "Never deployed: the text that was written at Vapi answers there. "
        "Version 1 is the current one here.",
    )
    await edited(world)
    await world.compared()
    state, said = await line(world)
    assert state == "theirs"
    assert said.endswith("Nothing of ours does.")


async def test_deployed_and_edited_here(world: World) -> None:
    await deployed(world)
    state, said = await line(world)
    assert state == "ours"
    assert said.startswith("Version 2 answers at Vapi since ")
    assert said.endswith(f"deployed {OWNER}.")
    await world.now_says("one v3")
    assert await line(world) == (state, said)
    measured = (await world.http.get("/api/agents/ada")).json()["answering"]["measured"]
    assert measured == "It was not compared with another version."


@pytest.mark.parametrize("text", ["HOTFIX by Ana", "one v3"])
async def test_edited_there(world: World, text: str) -> None:
    """Also to what a version here says that was not deployed."""
    await deployed(world)
    await world.now_says("one v3")
    await edited(world, text)
    await world.compared()
    state, said = await line(world)
    assert state == "theirs"
    assert said.startswith("A text that somebody wrote at Vapi answers there, seen ")
    assert said.endswith("Version 2 does not.")


async def test_rolled_back(world: World) -> None:
    await deployed(world)
    await world.done("rollback")
    state, said = await line(world)
    assert state == "rolled_back"
    assert f"{OWNER}: what was at Vapi before version 2 answers there, and nothing of ours." in said


async def test_rolled_back_to_a_version_of_ours(world: World) -> None:
    await deployed(world)
    await world.now_says("one v3")
    await world.deploy(3)
    await world.done("rollback")
    state, said = await line(world)
    assert state == "ours"
    assert said.startswith("Version 4 answers at Vapi since ")
    assert said.endswith(f"put back by a rollback of version 3 {OWNER}.")
    await world.deploy(3)
    assert (await line(world))[1].startswith("Version 3 answers at Vapi since ")


async def test_taken_over(world: World) -> None:
    await deployed(world)
    await edited(world)
    await world.done("take-over")
    state, said = await line(world)
    assert state == "ours"
    assert said.startswith("Version 3 answers at Vapi since ")
    assert said.endswith(f"taken over from Vapi {OWNER}.")


async def test_a_failed_deployment_changes_nothing(world: World) -> None:
    await deployed(world)
    before = await line(world)
    await world.now_says("one v3")
    job = (await world.ask("deploy", version=3, force=True)).json()
    await edited(world)
    assert (await world.run(job))["status"] == "failed"
    await edited(world, "one v2")
    await world.compared()
    assert await line(world) == before


async def test_the_assistant_is_deleted_and_the_deployment_given_up(world: World) -> None:
    await deployed(world)
    async with world.to_vapi() as vapi:
        await vapi.delete(f"/assistant/{ASSISTANT}", headers={"Authorization": "Bearer key"})
    assert (await world.http.post("/api/agents/ada/drift")).status_code == 424
    state, said = await line(world)
    assert state == "gone"
    assert said.startswith(
        "Vapi no longer has the assistant that version 2 was deployed to, asked "
    )
    await world.done("rollback", force=True)
    await world.http.post("/api/agents/ada/drift")
    state, said = await line(world)
    assert state == "gone"
    assert said.startswith("Vapi no longer has the assistant, asked ")
    assert "Version 3 is the current one here." in said


async def test_the_key_is_taken_away(world: World) -> None:
    await deployed(world)
    here: httpx2.AsyncClient = world.http
    world.loses_vapi(failing(401, '{"message": "Invalid Key.", "statusCode": 401}'))
    assert (await here.post("/api/agents/ada/drift")).status_code == 424
    state, said = await line(world)
    assert state == "ours"
    assert "whether that is still so is not known, Vapi was asked in vain " in said


async def test_never_deployed_nor_linked(world: World) -> None:
    await world.has()
    await world.http.put("/api/agents/ada", json={"vapi_assistant_id": None})
    assert (await line(world))[1].startswith("Never deployed, and not linked to an assistant")
