"""Live events as a console gets them: each one once, in order, whatever happens to the connection."""

import asyncio
import json
import random
from typing import Any

import jsonschema
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mission_control.api.asyncapi import asyncapi_document
from mission_control.data.event_streams import EventStreams, open_redis
from tests.builders import a_waiting_event
from tests.e2e.harness import Api, Product, Viewer, ids
from tests.services import HANG_SECONDS

SEARCH = {"max_metric_calls": 200, "repetitions": 1}


async def test_a_viewer_that_is_cut_off_ten_times_sees_each_event_once(
    product: Product, api: Api
) -> None:
    agent, chance = api.import_agent("genesis", "watched"), random.Random(11)
    steady, restless = product.watch(f"optimize/{agent}"), product.watch(f"optimize/{agent}")
    async with steady.watching(), restless.watching():
        await asyncio.to_thread(api.post, f"optimize/{agent}", SEARCH)
        await steady.until_event("optimization.trial_finished")
        left_at: set[str | None] = set()
        for _ in range(10):
            before = restless.connected
            left_at.add(restless.last_id)
            restless.drop()
            await restless.until(lambda before=before: restless.connected > before)
            await asyncio.sleep(chance.uniform(0, 0.3))
        await steady.until_event("optimization.completed")
        await restless.until_event("optimization.completed")
    late = product.watch(f"optimize/{agent}", after="0-0")
    stream = await product.stream(f"optimize:{agent}")
    async with late.watching():
        await late.until(lambda: len(late.events) >= len(stream))

    assert restless.connected == 11
    assert len(left_at) > 3, "it was hardly ever cut off in the middle"
    assert len(stream) > 10
    assert steady.events == stream
    assert restless.events == stream
    assert late.events == stream
    assert ids(stream) == sorted(ids(stream), key=order)
    assert late.snapshots[0]["complete"] is True
    assert late.snapshots[0]["data"]["optimization"]["status"] == "completed"
    as_documented("optimize", late)


async def test_an_evaluation_is_seen_scenario_by_scenario(product: Product, api: Api) -> None:
    agent = api.import_agent("scout", "watched_evaluation")
    viewer = product.watch(f"evaluate/{agent}")
    async with viewer.watching():
        await asyncio.to_thread(api.post, f"evaluate/{agent}")
        completed = await viewer.until_event("evaluation.completed")

    evaluation = api.get(f"evaluate/{agent}/latest")
    told = [e["data"] for e in viewer.events if e["type"] == "evaluation.scenario_finished"]
    assert viewer.kinds()[0] == "evaluation.started"
    assert [each["done"] for each in told] == list(range(1, evaluation["scenarios"] + 1))
    assert {each["scenario_id"] for each in told} == {
        each["scenario_id"] for each in evaluation["results"]
    }
    assert completed["data"]["pass_rate"] == evaluation["pass_rate"]
    as_documented("evaluate", viewer)


async def test_what_happens_to_any_agent_is_seen_on_one_socket(product: Product, api: Api) -> None:
    agents = [api.import_agent("scout", f"announced_{n}", type="standalone") for n in range(2)]
    viewer = product.watch("system")
    async with viewer.watching():
        jobs = [
            await asyncio.to_thread(
                api.post, f"optimize/{agent}/deploy", {"version": 1, "force": True}
            )
            for agent in agents
        ]
        await viewer.until(lambda: len(verified(viewer, agents)) >= 2)
    assert {each["job_id"] for each in verified(viewer, agents)} == {job["id"] for job in jobs}
    assert {each["agent_id"] for each in verified(viewer, agents)} == {*agents}
    as_documented("system", viewer)


def verified(viewer: Viewer, agents: list[str]) -> list[dict[str, Any]]:
    return [
        each
        for each in viewer.events
        if each["type"] == "deployment.verified" and each["agent_id"] in agents
    ]


def as_documented(socket: str, viewer: Viewer) -> None:
    """Every frame is what docs/asyncapi.json says of it."""
    components = asyncapi_document()["components"]
    for frame in (*viewer.snapshots, *viewer.events):
        name = f"{socket}.snapshot" if frame["type"] == "snapshot" else frame["type"]
        payload = components["messages"][name]["payload"]
        jsonschema.validate(frame, {**payload, "components": components})


# -------------------------------------------------------------------- who is turned away


async def closed_with(address: str, **options: Any) -> tuple[int | None, str | None]:
    async with connect(address, proxy=None, **options) as connection:
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(connection.recv(), HANG_SECONDS)
        return connection.close_code, connection.close_reason


async def test_an_unknown_agent_is_closed_with_its_code(product: Product) -> None:
    address = f"ws://127.0.0.1:{product.port}/ws"

    for kind in ("optimize", "evaluate"):
        assert await closed_with(f"{address}/{kind}/nobody") == (4004, "not_found")


async def test_a_page_of_somebody_else_is_closed_with_its_code(product: Product, api: Api) -> None:
    agent = api.import_agent("scout", "coveted")
    address = f"ws://127.0.0.1:{product.port}/ws/optimize/{agent}"

    for origin in ("https://evil.example", "http://127.0.0.1.evil.example:8501", "null"):
        assert await closed_with(address, origin=origin) == (4003, "origin_not_allowed")
    async with connect(address, proxy=None, origin=product.console) as connection:  # type: ignore[arg-type]
        assert json.loads(await connection.recv())["type"] == "snapshot"


async def test_a_parameter_that_it_does_not_know_is_closed_with_its_code(product: Product) -> None:
    address = f"ws://127.0.0.1:{product.port}/ws/system"

    for query in ("aftr=1-0", "after=1-0&after=2-0", "after=1-0&x=1"):
        assert await closed_with(f"{address}?{query}") == (4422, "query_parameter_unknown")


async def test_a_position_that_is_none_is_refused_before_the_connection(
    product: Product, api: Api
) -> None:
    agent = api.import_agent("scout", "misplaced")
    address = f"ws://127.0.0.1:{product.port}/ws/optimize/{agent}"

    for after in ("yesterday", "1", "-1-0", "1-0%0a"):
        with pytest.raises(InvalidStatus):
            await closed_with(f"{address}?after={after}")


# -------------------------------------------------------------------- who is too slow


async def test_a_viewer_that_does_not_read_is_dropped_and_can_resume(
    product: Product, api: Api
) -> None:
    agent = api.import_agent("scout", "neglected")
    address = f"ws://127.0.0.1:{product.port}/ws/optimize/{agent}"
    async with connect(address, proxy=None, max_size=None, ping_interval=None) as connection:
        start = json.loads(await connection.recv())
        await publish(product, f"optimize:{agent}", events=3_000, characters=10_000)
        await asyncio.sleep(2)  # does not read meanwhile
        seen = [each["id"] for each in await everything_on(connection)]
        assert connection.close_code == 4008
        assert connection.close_reason == "too_slow"

    stream = ids(await product.stream(f"optimize:{agent}"))
    assert 0 < len(seen) < len(stream)
    last = seen[-1] if seen else start["id"]
    viewer = product.watch(f"optimize/{agent}", after=last)
    async with viewer.watching():
        await viewer.until(lambda: len(seen) + len(viewer.events) >= len(stream))
    assert seen + ids(viewer.events) == stream


async def publish(product: Product, channel: str, *, events: int, characters: int) -> None:
    """What a worker does, only faster than any could."""
    redis = open_redis(product.redis)
    try:
        for first in range(0, events, 100):
            batch = [
                a_waiting_event(channel, text=f"{n:x<{characters}}")
                for n in range(first, first + 100)
            ]
            await EventStreams(redis).append(batch)
    finally:
        await redis.aclose()


async def everything_on(connection: ClientConnection) -> list[dict[str, Any]]:
    """What is still in the pipes, until the server closes."""
    frames: list[dict[str, Any]] = []
    try:
        while True:
            frames.append(json.loads(await asyncio.wait_for(connection.recv(), HANG_SECONDS)))
    except ConnectionClosed:
        return frames


def order(stream_id: str) -> tuple[int, ...]:
    return tuple(map(int, stream_id.split("-")))
