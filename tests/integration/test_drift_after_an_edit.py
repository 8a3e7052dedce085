"""A version made here is told of at once, on what Vapi answered when it was last asked."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mission_control.api.resources import Resources
from mission_control.integrations.vapi_client import VAPIClient
from tests.vapi_world import World, vapi_world

HELLO: dict[str, Any] = {"prompt": "Ours.", "first_message": "Hi."}
TOLD = ("state", "fields")


@pytest.fixture(autouse=True)
def patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.001)


@pytest.fixture
async def world(resources: Resources) -> AsyncIterator[World]:
    async with vapi_world(resources) as world:
        await world.has(**HELLO)
        await world.deploy()
        assert (await world.compared())["state"] == "clean"
        yield world


async def told(world: World) -> dict[str, Any]:
    """Without asking Vapi; by itself and in the list the same."""
    alone = (await world.http.get("/api/agents/ada/drift")).json()
    assert (await world.http.get("/api/drift")).json()["items"] == [alone]
    return alone


async def told_as_a_check_tells_it(world: World) -> dict[str, Any]:
    before = await told(world)
    after = await world.compared()
    assert {name: before[name] for name in TOLD} == {name: after[name] for name in TOLD}
    return before


async def test_an_edit_is_changed_here_at_once(world: World) -> None:
    checked = (await told(world))["checked_at"]
    await world.now_says("Ours, improved.", first_message="Good day.")
    drift = await told(world)
    assert (drift["state"], drift["checked_at"]) == ("changed_here", checked)
    assert [(each["field"], each["here"], each["deployed"], each["live"]) for each in drift["fields"]] == [
        ("system", "Ours, improved.", "Ours.", "Ours."), ("first_message", "Good day.", "Hi.", "Hi."),
    ]  # fmt: skip
    await told_as_a_check_tells_it(world)


async def test_an_edit_that_is_taken_back_is_in_step_again(world: World) -> None:
    await world.now_says("Ours, improved.", first_message="Hi.")
    await world.compared()
    await world.now_says(**HELLO)
    assert (await told_as_a_check_tells_it(world))["state"] == "clean"


async def test_an_edit_after_somebody_changed_it_there_is_both(world: World) -> None:
    await world.edit_model(messages=[{"role": "system", "content": "Theirs."}], temperature=1)
    assert (await world.compared())["state"] == "changed_in_vapi"
    await world.now_says("Ours, improved.", first_message="Hi.")
    drift = await told_as_a_check_tells_it(world)
    assert drift["state"] == "both"
    assert [each["field"] for each in drift["fields"]] == ["system", "model.temperature"]


async def test_an_edit_that_says_what_they_wrote_agrees_with_them(world: World) -> None:
    await world.edit_model(messages=[{"role": "system", "content": "Theirs."}])
    await world.compared()
    await world.now_says("Theirs.", first_message="Hi.")
    assert (await told_as_a_check_tells_it(world))["state"] == "clean"


async def test_a_greeting_that_is_left_to_vapi_is_no_change(world: World) -> None:
    await world.now_says("Ours.")
    assert (await told_as_a_check_tells_it(world))["state"] == "clean"


async def test_an_edit_before_the_first_deployment_is_still_never_deployed(
    resources: Resources,
) -> None:
    async with vapi_world(resources) as world:
        await world.has()
        await world.compared()
        await world.now_says("Ours, improved.")
        assert (await told_as_a_check_tells_it(world))["state"] == "never_deployed"


async def test_what_vapi_did_not_answer_stays_unknown(world: World) -> None:
    async with world.resources.unit_of_work() as uow:
        check = await uow.drift_checks.find("ada")
        assert check is not None
        check.state = check.state.UNKNOWN
    await world.now_says("Ours, improved.", first_message="Hi.")
    drift = await told(world)
    assert drift["state"] == "unknown"
    assert [each["state"] for each in drift["fields"]] == ["changed_here"]


async def test_what_this_key_cannot_read_is_unknown(world: World) -> None:
    await world.now_says("Ours, improved.", first_message="Hi.")
    async with world.resources.unit_of_work() as uow:
        known = await uow.known_assistants.find("ada")
        assert known is not None
        known.sealed = b"of another key"
    drift = await told(world)
    assert (drift["state"], drift["error"]["code"]) == ("unknown", "secret_unreadable")
