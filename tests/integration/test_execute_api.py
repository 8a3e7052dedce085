"""Executions through their HTTP door, with the real engine."""

import httpx2
import pytest

from tests.builders import a_playbook


@pytest.fixture(autouse=True)
async def ada(client: httpx2.AsyncClient) -> None:
    prompt = 'When the caller asks about the price, say: "It is nine dollars".'
    await client.post("/api/agents", json={"playbook": a_playbook(prompt=prompt)})


async def test_answers_and_keeps_the_run(client: httpx2.AsyncClient) -> None:
    body = {"input": {"caller_says": "What is the price?"}}
    response = await client.post("/api/execute/ada", json=body)
    assert response.status_code == 201
    ran = response.json()
    assert ran["output"] == {"reply": "It is nine dollars"}
    assert ran["version"] == 1
    assert float(ran["cost_usd"]) > 0
    history = (await client.get("/api/execute/ada/history")).json()["items"]
    assert history == [ran]


async def test_a_failed_run_is_kept_and_named(client: httpx2.AsyncClient) -> None:
    body = {"input": {"caller_says": "Hello?"}, "model": "openai/sandbox-unauthorised"}
    response = await client.post("/api/execute/ada", json=body)
    assert response.status_code == 424
    assert response.json()["kind"] == "auth"
    kept = (await client.get("/api/execute/ada/history?status=failed")).json()["items"]
    assert [run["id"] for run in kept] == [response.json()["execution_id"]]
    assert kept[0]["output"] is None
    assert kept[0]["cost_usd"] is None
    assert kept[0]["error"]["kind"] == "auth"


async def test_what_cannot_be_stored_is_refused(client: httpx2.AsyncClient) -> None:
    for given in ({"caller_says": "a\x00b"}, {"caller\x00says": "x"}, {}):
        response = await client.post("/api/execute/ada", json={"input": given})
        assert response.status_code == 422, given
        assert response.json()["code"] == "invalid_payload"


@pytest.mark.parametrize("given", [{"other": "x"}, {"caller_says": "x", "more": "y"}])
async def test_input_that_does_not_fit(client: httpx2.AsyncClient, given: dict[str, str]) -> None:
    response = await client.post("/api/execute/ada", json={"input": given})
    assert response.status_code == 422
    assert response.json()["code"] == "input_mismatch"
    assert (await client.get("/api/execute/ada/history")).json()["items"] == []
