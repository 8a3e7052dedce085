"""The stand-in for a model server against OpenAI's wire format and OpenAI's own client."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mission_control_sandbox.model_server import create_app
from tests.services import REPOSITORY

PROMPT = 'Be kind. If they ask about the price, say: "It is nine dollars a month"'
ASKED = [
    {"role": "system", "content": PROMPT},
    {"role": "user", "content": "How much does it cost?"},
]

# What a program written with OpenAI's client sees; run in the engine's environment, which has it.
OPENAI_CLIENT = """
import json, sys
from openai import APIStatusError, OpenAI

base_url, messages = sys.argv[1], json.loads(sys.argv[2])
client = OpenAI(base_url=base_url, api_key="sk-anything", max_retries=0)

def status(model):
    try:
        client.chat.completions.create(model=model, messages=messages)
    except APIStatusError as error:
        return [error.status_code, type(error).__name__, error.code]
    return [200, None, None]

whole = client.chat.completions.create(model="sandbox-1", messages=messages)
options = {"include_usage": True}
stream = list(client.chat.completions.create(
    model="sandbox-1", messages=messages, stream=True, stream_options=options))
print(json.dumps({
    "said": whole.choices[0].message.content,
    "finish": whole.choices[0].finish_reason,
    "fingerprint": whole.system_fingerprint,
    "tokens": [whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens],
    "streamed": "".join(c.choices[0].delta.content or "" for c in stream if c.choices),
    "streamed_finish": [c.choices[0].finish_reason for c in stream if c.choices][-1],
    "streamed_tokens": stream[-1].usage.total_tokens,
    "down": status("sandbox-down"),
    "unauthorised": status("sandbox-unauthorised"),
    "owners": sorted({model.owned_by for model in client.models.list()}),
}))
"""


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    """A server of the test's own, so that its counters start at zero."""
    transport = httpx2.ASGITransport(create_app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://model.test") as http:
        yield http


async def ask(client: httpx2.AsyncClient, model: str = "sandbox-1", **more: Any) -> httpx2.Response:
    body = {"model": model, "messages": ASKED, **more}
    return await client.post("/v1/chat/completions", json=body)


async def statistics(client: httpx2.AsyncClient) -> dict[str, Any]:
    return (await client.get("/stats")).json()


# ------------------------------------------------------------------ the wire


def test_openai_s_own_client_understands_everything_it_answers(
    model_server: str, engine_python: Path
) -> None:
    found = subprocess.run(
        [engine_python, "-c", OPENAI_CLIENT, model_server, json.dumps(ASKED)],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
    )

    assert found.returncode == 0, found.stderr
    seen = json.loads(found.stdout)
    assert seen["said"] == seen["streamed"] == "It is nine dollars a month"
    assert (seen["finish"], seen["streamed_finish"]) == ("stop", "stop")
    assert seen["fingerprint"] == "stand-in"
    asked, answered, total = seen["tokens"]
    assert total == asked + answered == seen["streamed_tokens"]
    assert seen["down"] == [503, "InternalServerError", None]
    assert seen["unauthorised"] == [401, "AuthenticationError", "invalid_api_key"]
    assert seen["owners"] == ["mission-control stand-in"]


async def test_a_completion_has_openai_s_shape_and_says_that_it_is_a_stand_in(
    client: httpx2.AsyncClient,
) -> None:
    response = await ask(client)

    assert response.status_code == 200
    assert response.headers["x-stand-in"] == "true"
    body = response.json()
    assert body["object"] == "chat.completion"
    assert body["model"] == "sandbox-1"
    assert body["system_fingerprint"] == "stand-in"
    assert body["choices"][0]["message"]["role"] == "assistant"
    written = len(json.dumps(ASKED)) / 4
    assert abs(body["usage"]["prompt_tokens"] - written) <= 1


async def test_a_stream_is_server_sent_events_that_end_with_done(
    client: httpx2.AsyncClient,
) -> None:
    response = await ask(client, stream=True)

    assert response.headers["content-type"].startswith("text/event-stream")
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert "usage" not in chunks[-1]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 400),
        (b"[]", 400),
        (b'{"messages": []}', 400),
        (b'{"model": "sandbox-1"}', 400),
        (b'{"model": "sandbox-1", "messages": ["hello"]}', 400),
    ],
)
async def test_what_openai_refuses_is_refused_in_openai_s_words(
    client: httpx2.AsyncClient, body: bytes, status: int
) -> None:
    response = await client.post("/v1/chat/completions", content=body)

    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert (await statistics(client))["calls"] == 0


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/completions", "/"])
async def test_a_base_url_without_v1_fails_as_it_does_on_the_real_server(
    client: httpx2.AsyncClient, path: str
) -> None:
    response = await client.post(path, json={})

    assert response.status_code == 404
    assert path in response.json()["error"]["message"]


# ------------------------------------------------------------------ modes


@pytest.mark.parametrize(
    ("model", "statuses"),
    [
        ("sandbox-1", [200] * 8),
        ("sandbox-flaky", [200] * 6 + [503, 200]),
        ("sandbox-down", [503] * 8),
        ("sandbox-unauthorised", [401] * 8),
        ("sandbox-broken", [200] * 8),
        ("gpt-4o-mini", [200] * 8),
    ],
)
async def test_the_model_s_name_decides_how_the_server_behaves(
    client: httpx2.AsyncClient, model: str, statuses: list[int]
) -> None:
    assert [(await ask(client, model)).status_code for _ in statuses] == statuses

    failed = sum(status != 200 for status in statuses)
    assert (await statistics(client))["errors"] == failed


async def test_the_half_failing_model_refuses_the_same_requests_every_time(
    client: httpx2.AsyncClient,
) -> None:
    def question(number: int) -> dict[str, object]:
        messages = [{"role": "user", "content": f"Question {number}?"}]
        return {"model": "sandbox-half", "messages": messages}

    async def statuses() -> list[int]:
        path = "/v1/chat/completions"
        return [(await client.post(path, json=question(n))).status_code for n in range(40)]

    first = await statuses()
    assert set(first) == {200, 503}
    assert await statuses() == first


async def test_the_broken_model_answers_what_no_adapter_can_read(
    client: httpx2.AsyncClient,
) -> None:
    said = (await ask(client, "sandbox-broken")).json()["choices"][0]["message"]["content"]

    assert said
    assert "dollars" not in said
    assert said.startswith("[[ ## ")  # a field that nobody asked for: no bare answer
    assert "{" not in said


async def test_the_slow_model_takes_most_of_a_second(client: httpx2.AsyncClient) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()

    assert (await ask(client, "sandbox-slow")).status_code == 200
    assert 0.5 < loop.time() - started < 3


async def test_latency_holds_for_every_call_and_calls_overlap() -> None:
    transport = httpx2.ASGITransport(create_app(latency_ms=200))
    async with httpx2.AsyncClient(transport=transport, base_url="http://model.test") as client:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await asyncio.gather(*(ask(client, seed=number) for number in range(8)))

        assert 0.14 <= loop.time() - started < 1.2
        assert (await statistics(client))["max_inflight"] == 8


# ------------------------------------------------------------------ determinism and counting


async def test_the_same_request_gets_the_same_answer_from_every_server(
    client: httpx2.AsyncClient,
) -> None:
    transport = httpx2.ASGITransport(create_app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://model.test") as other:
        first, second = await ask(client), await ask(other)

    assert first.json()["choices"] == second.json()["choices"]


async def test_statistics_tell_a_request_that_was_paid_twice(client: httpx2.AsyncClient) -> None:
    await ask(client)
    await ask(client, seed=2)
    await ask(client)
    await ask(client, "sandbox-down")
    await ask(client, "sandbox-down")

    assert await statistics(client) == {
        "calls": 5,
        "errors": 2,
        "abandoned": 0,
        "by_model": {"sandbox-1": 3, "sandbox-down": 2},
        "distinct_requests": 2,
        "repeated_requests": 1,
        "max_inflight": 1,
    }


async def test_a_client_that_has_gone_was_not_answered(model_server: str) -> None:
    origin = model_server.removesuffix("/v1")
    async with httpx2.AsyncClient(base_url=origin) as client:
        before = await statistics(client)
        body = {"model": "sandbox-slow", "messages": ASKED}
        with pytest.raises(httpx2.ReadTimeout):
            await client.post("/v1/chat/completions", json=body, timeout=0.2)
        while (after := await statistics(client))["abandoned"] == before["abandoned"]:
            await asyncio.sleep(0.05)

    assert after["abandoned"] == before["abandoned"] + 1
    assert after["distinct_requests"] == before["distinct_requests"]


async def test_statistics_start_again_on_request(client: httpx2.AsyncClient) -> None:
    await ask(client)
    await client.post("/stats/reset")
    await ask(client)

    counted = await statistics(client)
    assert (counted["calls"], counted["repeated_requests"]) == (1, 0)


async def test_health_says_that_this_is_no_real_model(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/health")).json() == {"status": "ok", "stand_in": True}
