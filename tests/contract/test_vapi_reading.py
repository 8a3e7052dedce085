"""Calls, chats and phone numbers through our client, on the stand-in's world."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from mission_control.integrations.errors import (
    IntegrationNotFoundError,
    IntegrationRejectedError,
)
from mission_control.integrations.vapi_client import VAPIClient
from mission_control_sandbox.vapi_server import create_app

PEOPLE = 850  # with a little more than a thousand calls


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app(people=PEOPLE)


@pytest.fixture
async def vapi(app: Any) -> AsyncIterator[VAPIClient]:
    http = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app),
        base_url="http://vapi.test",
        headers={"Authorization": "Bearer key"},
    )
    async with VAPIClient(http) as client:
        yield client


def created_at(call: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(call["createdAt"])


class TestCalls:
    async def test_all_of_them_past_a_thousand(self, vapi: VAPIClient) -> None:
        found = await vapi.get_call_logs(limit=100_000)
        assert len(found) > 1_000
        assert len({str(call["id"]) for call in found}) == len(found)
        in_small_steps = [
            call["id"] async for page in vapi.iter_calls(page_size=97) for call in page
        ]
        assert in_small_steps == [call["id"] for call in found]
        times = [created_at(call) for call in found]
        assert times == sorted(times, reverse=True)

    async def test_the_newest_few_in_one_request(self, vapi: VAPIClient) -> None:
        asked = vapi.requests_sent
        newest = await vapi.get_call_logs(limit=7)
        assert (len(newest), vapi.requests_sent - asked) == (7, 1)
        assert newest == (await vapi.get_call_logs())[:7]

    async def test_of_one_assistant(self, vapi: VAPIClient) -> None:
        remus = (await vapi.find_assistant("REMUS")).id
        found = await vapi.get_call_logs(remus, limit=5_000)
        everybody = await vapi.get_call_logs(limit=100_000)
        assert found == [call for call in everybody if call.get("assistantId") == remus]
        assert 0 < len(found) < len(everybody)

    async def test_within_bounds(self, vapi: VAPIClient) -> None:
        everything = await vapi.get_call_logs(limit=100_000)
        middle = created_at(everything[len(everything) // 2])
        earlier = await vapi.get_call_logs(limit=100_000, created_before=middle)
        later = await vapi.get_call_logs(limit=100_000, created_after=middle)
        assert {str(call["id"]) for call in (*earlier, *later)} == {
            str(call["id"]) for call in everything
        }
        assert all(created_at(call) <= middle for call in earlier)
        changed = await vapi.get_call_logs(limit=100_000, updated_after=middle)
        assert all(datetime.fromisoformat(str(call["updatedAt"])) >= middle for call in changed)
        assert len(later) <= len(changed) < len(everything)
        future = datetime.now(UTC) + timedelta(days=4_000)
        assert await vapi.get_call_logs(created_after=future) == []

    async def test_a_time_without_a_zone_is_a_mistake(self, vapi: VAPIClient) -> None:
        with pytest.raises(ValueError, match="zone"):
            await vapi.get_call_logs(created_after=datetime(2026, 1, 1))  # noqa: DTZ001

    async def test_one(self, vapi: VAPIClient) -> None:
        [newest] = await vapi.get_call_logs(limit=1)
        assert (await vapi.get_call(str(newest["id"])))["id"] == newest["id"]
        with pytest.raises(IntegrationNotFoundError):
            await vapi.get_call(str(uuid4()))
        with pytest.raises(IntegrationNotFoundError):
            await vapi.get_call("../assistant")


class TestChat:
    async def test_an_assistant_answers_and_remembers(self, vapi: VAPIClient) -> None:
        remus = (await vapi.find_assistant("REMUS")).id
        first = await vapi.chat("Please stop calling me.", assistant_id=remus)
        assert first.text
        assert first.raw["id"] == first.id
        assert first.cost_usd is None or first.cost_usd >= 0
        second = await vapi.chat("Who are you?", assistant_id=remus, previous_chat_id=first.id)
        assert second.id != first.id

    async def test_a_candidate_can_be_tried_without_being_stored(self, vapi: VAPIClient) -> None:
        remus = await vapi.get_assistant((await vapi.find_assistant("REMUS")).id)
        assert (await vapi.chat("Hello there.", assistant=remus)).text
        assert await vapi.get_assistant(str(remus["id"])) == remus

    async def test_an_assistant_that_is_not_there(self, vapi: VAPIClient) -> None:
        with pytest.raises((IntegrationNotFoundError, IntegrationRejectedError)):
            await vapi.chat("Hello.", assistant_id=str(uuid4()))

    @pytest.mark.parametrize("whom", [{}, {"assistant_id": "a", "assistant": {}}])
    async def test_exactly_one_is_talked_to(self, vapi: VAPIClient, whom: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="either"):
            await vapi.chat("Hello.", **whom)


async def test_phone_numbers_without_the_secrets_beside_them(vapi: VAPIClient) -> None:
    found = await vapi.list_phone_numbers()
    assistants = {assistant.id for assistant in await vapi.list_assistants()}
    assert found
    assert all(number.number and number.number.startswith("+") for number in found)
    assert {number.assistant_id for number in found} & assistants
