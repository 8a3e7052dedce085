"""The memory through its HTTP door: the embedded servers, and one that dies."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from asgi_lifespan import LifespanManager
from structlog.testing import capture_logs

from mission_control.api.app import create_app
from mission_control.api.jobs.work import run_job
from mission_control.api.memory import prompt_memory as agent_memory
from mission_control.api.resources import Resources
from mission_control.api.sync.work import SyncWork
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.event_streams import stream_key
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.memory.config.reading import load_configuration
from mission_control.integrations.memory_manager import MemoryManager
from mission_control.integrations.vapi_client import VAPIClient
from tests.builders import a_playbook, an_agent
from tests.integration.conftest import RunJob
from tests.services import HANG_SECONDS
from tests.vapi_world import vapi_world

SLOPPY = Path(__file__).parents[1] / "contract" / "memory_servers" / "sloppy.py"
PERSONAL = "Mrs Hopper of 12 Elm Street likes mornings"
Json = dict[str, Any]


async def add(client: httpx2.AsyncClient, content: str = PERSONAL, **changes: Any) -> Json:
    answer = await client.post("/api/memory/memories", json={"content": content, **changes})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def contents(client: httpx2.AsyncClient, **asked: Any) -> list[str]:
    answer = await client.get("/api/memory/temporal", params=asked)
    assert answer.status_code == 200, answer.text
    return [each["content"] for each in answer.json()["items"]]


# ------------------------------------------------------------------ remembering


async def test_what_is_superseded_or_corrected_stays_in_the_past(
    client: httpx2.AsyncClient,
) -> None:
    first = await add(client, kind="preference", tier=1, valid_from="2026-01-01", source="a call")
    path = f"/api/memory/memories/{first['id']}/supersede"
    body = {"server": first["server"], "content": "Likes evenings", "valid_from": "2026-06-01"}
    second = await client.post(path, json=body)
    assert second.status_code == 201, second.text
    assert await contents(client) == ["Likes evenings"]
    assert await contents(client, as_of="2026-03-01") == [PERSONAL]
    assert await contents(client, as_of="2026-03-01T00:00:00Z", tier="1") == [PERSONAL]
    assert await contents(client, tier="fact") == []

    again = await client.post(path, json=body)
    assert again.status_code == 424, again.text  # somebody else was first
    assert await contents(client) == ["Likes evenings"]

    path = f"/api/memory/memories/{second.json()['id']}/correct"
    await client.post(path, json={"server": first["server"], "content": "Likes noon"})
    assert await contents(client) == ["Likes noon"]
    counts = (await client.get("/api/memory/temporal")).json()["counts"]
    assert counts == {"all": 1, "by_kind": {"preference": 1}, "by_tier": {"1": 1}}
    found = (await client.post("/api/memory/search", json={"query": "who likes noon"})).json()
    assert [hit["memory"]["content"] for hit in found["hits"]] == ["Likes noon"]
    assert found["hits"][0]["found"][0]["server"] == "temporal-memory"


async def test_nothing_remembered_is_in_a_log_or_event(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    async with resources.unit_of_work() as uow:
        await an_agent(uow)
    with capture_logs() as logs:
        await add(client, agent_id="ada")
        await client.put("/api/memory/context/ada", json={"settings": {"query": "Hopper"}})
        await client.get("/api/memory/temporal")
        await client.post("/api/memory/search", json={"query": "Hopper"})
    events = await resources.redis.xrange(stream_key("system"))
    assert "context.changed" in str(events)
    assert "Hopper" not in str(events) + str(logs)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/temporal?tier=rumour", None, 422, "memory_tier_unknown"),
        ("GET", "/temporal?as_of=yesterday", None, 422, "invalid_payload"),
        ("GET", "/hybrid?query=%20", None, 422, "invalid_payload"),
        ("POST", "/search", {"query": "x" * 5_000}, 422, "invalid_payload"),
        ("POST", "/search", {"query": "x" * 100_000}, 422, "invalid_payload"),
        ("POST", "/memories", {"content": "x" * 10_000_000}, 413, "content_too_large"),
        ("POST", "/memories", {"content": "x" * 200_000}, 422, "invalid_payload"),
        ("POST", "/memories", {"content": " \n "}, 422, "invalid_payload"),
        ("POST", "/memories", {"content": "a\x00b"}, 422, "invalid_payload"),
        ("POST", "/memories", {"content": "x", "kind": "rumour"}, 422, "invalid_payload"),
        ("POST", "/memories", {"content": "x", "server": "gone"}, 422, "memory_server_unknown"),
        ("POST", "/memories/x/correct", {"content": "x", "server": "hybrid-intelligence"}, 422,
         "memory_operation_missing"),
        ("POST", "/memories/x/correct", {"content": "x", "server": "temporal-memory"}, 404,
         "memory_unknown"),
        ("POST", "/memories/0b6b2f1e-77a5-4c35-8fd5-0d9b6e2e1f00/supersede",
         {"content": "x", "server": "temporal-memory"}, 404, "memory_unknown"),
        ("GET", "/context/nobody", None, 404, "not_found"),
        ("PUT", "/context/nobody", {"settings": {}}, 404, "not_found"),
        ("DELETE", "/context/nobody", None, 404, "not_found"),
    ],
)  # fmt: skip
async def test_bad_input_is_named_and_nothing_is_stored(
    client: httpx2.AsyncClient, method: str, path: str, body: Json | None, status: int, code: str
) -> None:
    answer = await client.request(method, f"/api/memory{path}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text[:500]
    assert await contents(client) == []


async def test_search_takes_any_words(client: httpx2.AsyncClient) -> None:
    await add(client, "what's up with AND NEAR( x:y")
    for query in ('"', "a AND", "*", "NEAR(", "what's up?", "x:y", "-- ; DROP"):
        answer = await client.post("/api/memory/search", json={"query": query})
        assert answer.status_code == 200, query
        assert [each["error"] for each in answer.json()["servers"]] == [None, None], query


# ------------------------------------------------------------------ servers that die

Served = Callable[..., Any]


@pytest.fixture
async def served(resources: Resources, tmp_path: Path) -> AsyncIterator[Served]:
    """The API with one server over stdio that behaves as told: `client, resources`."""
    async with AsyncExitStack() as stack:

        async def serve(how: str, *, call_timeout: int = 5) -> tuple[httpx2.AsyncClient, Resources]:
            file = tmp_path / f"{how}.toml"
            file.write_text(
                "[servers.mine]\n"
                'transport = "stdio"\n'
                f"command = {json.dumps(sys.executable)}\n"
                f'args = ["-S", {json.dumps(str(SLOPPY))}, "{how}"]\n'
                'preset = "private-temporal-memory"\n'
                f"call_timeout_seconds = {call_timeout}\n"
            )
            memory = await stack.enter_async_context(MemoryManager(load_configuration(file)))
            here = replace(resources, memory=memory)
            manager = LifespanManager(create_app(here), startup_timeout=HANG_SECONDS)
            app = (await stack.enter_async_context(manager)).app
            http = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1"
            )
            return await stack.enter_async_context(http), here

        yield serve


async def sync(client: httpx2.AsyncClient, resources: Resources) -> Json:
    answer = await client.post("/api/memory/sync")
    assert answer.status_code == 202
    job_id = UUID(answer.json()["id"])
    await run_job(resources, job_id, SyncWork(job_id))
    return (await client.get(f"/api/jobs/{job_id}")).json()


async def test_a_dead_server_answers_with_what_it_said_last(served: Served) -> None:
    alive, here = await served("well")
    done = await sync(alive, here)
    assert done["status"] == "completed", done
    assert list(done["progress"]["systems"]) == ["memory"]
    assert done["progress"]["systems"]["memory"]["servers"]["mine"]["phase"] == "completed"
    assert done["progress"]["systems"]["memory"]["changed"]["memories"] == 1
    assert await contents(alive) == ["Mrs Hopper likes mornings"]

    dead, here = await served("exits")
    found = (await dead.get("/api/memory/temporal")).json()
    (told,) = found["servers"]
    assert told["error"]["code"] == "integration_unavailable"
    assert told["age_seconds"] >= 0
    assert datetime.fromisoformat(told["stale_since"])
    assert [(each["content"], each["stale"]) for each in found["items"]] == [
        ("Mrs Hopper likes mornings", True)
    ]
    assert await contents(dead, tier="fact") == ["Mrs Hopper likes mornings"]
    assert await contents(dead, tier="preference") == []
    assert await contents(dead, as_of="2026-01-01") == []  # nobody knows
    (hit,) = (await dead.post("/api/memory/search", json={"query": "mornings"})).json()["hits"]
    assert hit["memory"]["stale"] is True

    status = (await dead.get("/api/system/status")).json()
    (part,) = [each for each in status["components"] if each["name"] == "memory:mine"]
    assert (part["state"], status["state"]) == ("degraded", "degraded")
    assert part["detail"].startswith("unreachable: ")
    failed = await sync(dead, here)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "sync_incomplete")
    memory = failed["progress"]["systems"]["memory"]
    assert memory["error"]["code"] == "memory_sync_incomplete"
    assert memory["servers"]["mine"]["phase"] == "failed"
    mirrors = (await dead.get("/api/system/sync")).json()["systems"]
    (mirror,) = [each for each in mirrors if each["system"] == "memory"]
    assert (mirror["status"], mirror["counts"]) == ("failed", {"mine": 1})
    assert mirror["complete_until"] is not None  # of the sync before


async def test_a_dead_server_of_which_nothing_is_known_is_no_empty_one(served: Served) -> None:
    dead, _ = await served("exits")
    found = (await dead.get("/api/memory/temporal")).json()
    assert found["items"] == []
    assert found["servers"][0]["error"]["code"] == "integration_unavailable"
    assert found["servers"][0]["stale_since"] is None
    listed = (await dead.get("/api/memory/servers")).json()["servers"]
    assert [(each["name"], each["status"]) for each in listed] == [("mine", "unreachable")]


async def test_two_who_sync_at_once_get_one_job(client: httpx2.AsyncClient, run: RunJob) -> None:
    one, other = [await client.post("/api/memory/sync") for _ in range(2)]
    assert one.json()["id"] == other.json()["id"]
    whole = (await client.post("/api/system/sync-all")).json()
    assert whole["id"] != one.json()["id"]  # the others are not read by the first
    assert (await client.post("/api/memory/sync")).json()["id"] == one.json()["id"]
    assert (await run(one.json()["id"]))["status"] == "completed"


# ------------------------------------------------------------------ what an agent is given


async def test_a_context_is_saved_versioned_exported_and_reset(
    client: httpx2.AsyncClient, resources: Resources
) -> None:
    async with resources.unit_of_work() as uow:
        await an_agent(uow)
    await add(client, "Opens at eight", valid_from="2026-02-01", tier=1)
    await add(client, "For somebody else", agent_id="eve")
    path = "/api/memory/context/ada"
    before = (await client.get(path)).json()
    assert (before["number"], before["latest"]) == (None, 0)
    settings = {"tiers": [1], "token_budget": 200}
    preview = (await client.post(f"{path}/preview", json={"settings": settings})).json()
    assert preview["number"] is None
    saved = (await client.put(path, json={"settings": settings, "based_on": 0})).json()
    assert saved["number"] == 1
    assert saved["text"] == preview["text"]
    assert saved["text"].endswith("- 2026-02-01, fact: Opens at eight")
    assert [each["memory"]["content"] for each in saved["items"]] == ["Opens at eight"]
    assert 0 < saved["tokens"] <= 200

    late = await client.put(path, json={"settings": {}, "based_on": 0})
    assert (late.status_code, late.json()["code"]) == (409, "context_changed")
    assert (await client.put(path, json={"settings": {}, "based_on": 1})).json()["number"] == 2
    export = await client.get(f"{path}/export")
    assert "attachment" in export.headers["content-disposition"]
    assert export.json()["context"]["number"] == 2
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 204  # harmless
    after = (await client.get(path)).json()
    assert (after["number"], after["latest"]) == (None, 3)
    versions = (await client.get(f"{path}/versions")).json()["items"]
    assert [(each["number"], each["settings"] is None) for each in versions] == [
        (3, True), (2, False), (1, False),
    ]  # fmt: skip


async def test_contexts_on_both_databases(database_url: str) -> None:
    engine = create_engine(database_url)
    sessions = create_sessions(engine)
    async with UnitOfWork(sessions) as uow:
        await an_agent(uow)
        await uow.agent_contexts.add("ada", settings={"tiers": [1]}, note="")
        await uow.flush()
        second = await uow.agent_contexts.add("ada", settings=None, note="Reset")
        assert second.number == 2
    async with UnitOfWork(sessions) as uow:
        latest = await uow.agent_contexts.latest("ada")
        assert latest is not None
        assert (latest.number, latest.settings) == (2, None)
        page = await uow.agent_contexts.page("ada", limit=1, cursor=None)
        assert page.next_cursor is not None
        await uow.agents.delete(await uow.agents.get("ada"))
    async with UnitOfWork(sessions) as uow:
        assert await uow.agent_contexts.latest("ada") is None  # gone with its agent
    await engine.dispose()


async def test_an_execution_sees_the_memory_and_says_which(client: httpx2.AsyncClient) -> None:
    prompt = "{{memory}}\nBe brief. Ask {{name}} for more."
    await client.post("/api/agents", json={"playbook": a_playbook(prompt=prompt)})
    body = {"input": {"caller_says": "What about parking?"}}
    without = (await client.post("/api/execute/ada", json=body)).json()
    assert without["memories"] is None
    told = 'Of parking. When the caller asks about parking, say: "Parking is free".'
    written = await add(client, told, valid_from="2026-02-01")
    await client.put("/api/memory/context/ada", json={"settings": {}})

    answer = await client.post("/api/execute/ada", json=body)
    assert answer.status_code == 201, answer.text
    ran = answer.json()
    assert ran["output"] == {"reply": "Parking is free"}
    record = ran["memories"]
    assert record["text"].endswith(f"- 2026-02-01, fact: {told}")
    (item,) = record["items"]
    assert item["ref"] == f"temporal-memory/{written['id']}"
    assert item["text"] == f"- 2026-02-01, fact: {told}"
    assert (record["context"], record["stale"], record["missing"]) == (1, {}, [])
    history = (await client.get("/api/execute/ada/history")).json()["items"]
    assert [each["memories"] for each in history] == [record, None]


async def test_an_execution_without_its_memory_says_so(served: Served) -> None:
    dead, _ = await served("exits")
    await dead.post("/api/agents", json={"playbook": a_playbook()})
    await dead.put("/api/memory/context/ada", json={"settings": {}})
    answer = await dead.post("/api/execute/ada", json={"input": {"caller_says": "Hello"}})
    assert answer.status_code == 201, answer.text
    assert answer.json()["memories"]["missing"] == ["mine"]


async def test_an_execution_does_not_wait_for_a_server_that_hangs(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_memory, "SOON_SECONDS", 0.3)
    hanging, _ = await served("hangs", call_timeout=300)  # longer than a test may take
    await hanging.post("/api/agents", json={"playbook": a_playbook()})
    await hanging.put("/api/memory/context/ada", json={"settings": {}})
    answer = await hanging.post("/api/execute/ada", json={"input": {"caller_says": "Hello"}})
    assert answer.status_code == 201, answer.text
    assert answer.json()["memories"]["missing"] == ["mine"]


# ------------------------------------------------------------------ deploying


@pytest.fixture
def _patient_only_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VAPIClient, "retry_base_seconds", 0.001)
    monkeypatch.setattr(VAPIClient, "read_back_pause_seconds", 0.001)


@pytest.mark.usefixtures("_patient_only_in_production")
async def test_a_deployment_takes_the_memory_along_if_asked(resources: Resources) -> None:
    async with vapi_world(resources) as world:
        await world.has(prompt="Ours. {{memory}} Bye, {{name}}.\r\n")
        body = {"version": 1, "force": True, "include_memory": True}
        path = "/api/optimize/ada/deploy"
        refused = await world.http.post(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "no_agent_context")

        await add(world.http, "Opens at eight {{secret}}", valid_from="2026-02-01")
        saved = (await world.http.put("/api/memory/context/ada", json={"settings": {}})).json()
        job = await world.run((await world.http.post(path, json=body)).json())
        assert job["status"] == "completed", job
        live = (await world.live())["model"]["messages"][0]["content"]
        assert live == f"Ours. {saved['text']} Bye, {{{{name}}}}.\r\n"
        assert "{ {secret}}" in live
        deployment = (await world.http.get("/api/deployments")).json()["items"][0]
        assert deployment["memories"]["text"] == saved["text"]
        assert (await world.compared())["state"] == "clean"

        # Something new is remembered: what callers hear is still what was deployed.
        await add(world.http, "Closes at nine", valid_from="2026-03-01")
        assert (await world.compared())["state"] == "clean"
        again = {"version": 1, "include_memory": True}
        job = await world.run((await world.http.post(path, json=again)).json())
        assert job["status"] == "completed", job
        assert "Closes at nine" in (await world.live())["model"]["messages"][0]["content"]

        job = await world.run((await world.http.post("/api/optimize/ada/rollback", json={})).json())
        assert job["status"] == "completed", job
        assert (await world.live())["model"]["messages"][0]["content"] == live
        assert (await world.compared())["state"] == "clean"


@pytest.mark.usefixtures("_patient_only_in_production")
async def test_no_deployment_with_half_a_memory(resources: Resources, tmp_path: Path) -> None:
    file = tmp_path / "memory.toml"
    file.write_text('[servers.gone]\ntransport = "embedded"\npreset = "temporal-memory"\n')
    async with (
        MemoryManager(load_configuration(file)) as memory,
        vapi_world(replace(resources, memory=memory)) as world,
    ):
        await world.has(prompt="Ours.")
        await world.http.put("/api/memory/context/ada", json={"settings": {}})
        body = {"version": 1, "force": True, "include_memory": True}
        asked = (await world.http.post("/api/optimize/ada/deploy", json=body)).json()
        job = await world.run(asked)
        assert (job["status"], job["error"]["code"]) == ("failed", "memory_incomplete")
        assert (await world.live())["model"]["messages"][0]["content"] == "Written in Vapi."


# ------------------------------------------------------------------ starting


def test_starting_the_api_does_not_load_the_mcp_sdk() -> None:
    program = (
        "import sys\n"
        "from mission_control.api.app import create_app\n"
        "from mission_control.api.resources import build_resources\n"
        "create_app()\n"
        "print('mcp' in sys.modules)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
