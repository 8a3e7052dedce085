"""Clients of Vapi's own, which we did not write, drive the stand-in."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import pytest

from mission_control_sandbox.vapi.assistants import REMUS_ID
from mission_control_sandbox.world import conversations
from tests.install_vendor_clients import javascript_clients, node, python_client
from tests.services import sandbox_server

SCRIPTS = Path(__file__).parent / "vendor_clients"
PEOPLE, TODAY = 40, date(2026, 11, 20)
THERE = [conversations.vapi_id(index) for index in reversed(conversations.vapi_indices(PEOPLE))]
KEY = "key"
DO_NOT_CALL = "I am putting you on our do not call list"
TOO_LONG = {
    "message": ["name must be shorter than or equal to 40 characters"],
    "error": "Bad Request",
    "statusCode": 400,
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stand-in with a small world."""
    world = ("--people", str(PEOPLE), "--today", TODAY.isoformat())
    directory = tmp_path_factory.mktemp("vendor-clients")
    with sandbox_server("mission_control_sandbox.vapi_server", directory, *world) as there:
        yield there


@pytest.fixture
def stand_in(origin: str) -> Iterator[httpx2.Client]:
    headers = {"Authorization": f"Bearer {KEY}"}
    with httpx2.Client(base_url=origin, headers=headers, trust_env=False) as http:
        http.post("/sandbox/reset").raise_for_status()
        yield http


def installed(path: Path) -> Path:
    if not path.exists():
        pytest.fail("The vendors' clients are missing: `python -m tests.install_vendor_clients`.")
    return path


def environment(**more: str) -> dict[str, str]:
    """Nothing of ours, so that what is tested is what was installed."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **more}


def output_of(command: list[str | Path], **more: str) -> Any:
    done = subprocess.run(
        command, env=environment(**more), capture_output=True, text=True, timeout=1500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def plan(stand_in: httpx2.Client, **fault: Any) -> None:
    stand_in.post("/sandbox/faults", json=fault).raise_for_status()


def cost_units(stand_in: httpx2.Client) -> int:
    """What the stand-in says all its calls cost, in ten-thousandths of a dollar."""
    totals = stand_in.get("/sandbox/totals", params={"createdAtLt": TODAY.isoformat()}).json()
    assert totals["count"] == len(THERE)
    return round(float(totals["cost"]) * 10_000)


@pytest.mark.timeout(1800)  # its import alone takes 15 seconds of an idle machine
def test_the_python_sdk(stand_in: httpx2.Client, origin: str) -> None:
    sdk = installed(python_client("vapi"))
    # -S: without our own packages. The SDK needs another pydantic than we have.
    command = [sys.executable, "-S", SCRIPTS / "vapi_python.py", origin]
    seen = output_of(command, PYTHONPATH=str(sdk))
    assert seen["assistants"] == ["REMUS", "GENESIS", "SCOUT"]
    assert seen["provider"] == "openai"
    assert seen["updated"] == {"grew": True, "tools_kept": True, "first_message": "Hello."}
    assert (seen["counted"], seen["same_moment"]) == ([0, 1, 1], [True, True])
    assert seen["deleted"] == 404
    assert seen["calls"]["ids"] == THERE
    assert seen["calls"]["requests"] >= len(THERE) // 20 + 1
    assert seen["cost_units"] == cost_units(stand_in)
    assert seen["call"]["same"] is True
    assert {"bot", "user"} <= set(seen["call"]["roles"])
    assert seen["call"]["costs"][:5] == ["transport", "transcriber", "model", "voice", "vapi"]
    assert seen["call"]["latencies"] >= 1
    assert seen["placed"] == {"status": "queued", "type": "outboundPhoneCall"}
    assert seen["squad"] == {"activated": True, "spoke": True}
    assert DO_NOT_CALL in seen["said"]
    assert seen["shares"] == [90, 10]
    assert seen["after_429"] == 3
    assert seen["waited"] >= 0.9
    assert seen["429"]["body"] == {"message": "Rate limit exceeded", "statusCode": 429}
    assert seen["500"]["status"] == 500
    assert seen["html"] == 502
    assert seen["400"] == {"status": 400, "body": TOO_LONG}


def test_the_javascript_sdk(stand_in: httpx2.Client, origin: str) -> None:
    clients = installed(javascript_clients())
    seen = output_of([installed(node()), SCRIPTS / "vapi_javascript.mjs", origin, clients])
    assert seen["assistants"] == ["REMUS", "GENESIS", "SCOUT"]
    assert seen["updated"] == {"grew": True, "kept": True}
    assert seen["calls"]["ids"] == THERE
    assert seen["costUnits"] == cost_units(stand_in)
    assert seen["same"] is True
    assert seen["numbers"] == ["+15550107788", "+15550104411", "+15550102020"]
    assert "taking you off our call and text list" in seen["said"]
    assert seen["after429"] == 3
    assert seen["waited"] >= 0.9
    assert seen["429"] == {
        "status": 429,
        "body": {"message": "Rate limit exceeded", "statusCode": 429},
    }
    assert seen["500"]["status"] == 500
    assert seen["400"] == {"status": 400, "body": TOO_LONG}


# ---------------------------------------------------------------- the MCP server


@pytest.fixture
def mcp(stand_in: httpx2.Client, origin: str) -> Iterator[Callable[..., Any]]:
    """Asks one question of Vapi's MCP server, in JSON-RPC over its standard input and output."""
    clients = installed(javascript_clients())
    program = clients / "node_modules/@vapi-ai/mcp-server/dist/index.js"
    command = [installed(node()), "--import", (SCRIPTS / "reroute.mjs").as_uri(), program]
    child = subprocess.Popen(
        command,
        env=environment(VAPI_TOKEN=KEY, VAPI_STAND_IN=origin),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    to_child, from_child = child.stdin, child.stdout
    numbers = iter(range(1, 1000))

    def send(**message: Any) -> None:
        to_child.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        to_child.flush()

    def ask(method: str, **params: Any) -> Any:
        number = next(numbers)
        send(id=number, method=method, params=params)
        for line in from_child:
            answer = json.loads(line)
            if answer.get("id") == number:
                return answer["result"]
        raise AssertionError(f"The MCP server ended instead of answering {method}.")

    client = {"name": "contract-test", "version": "1"}
    ask("initialize", protocolVersion="2025-03-26", capabilities={}, clientInfo=client)
    send(method="notifications/initialized")
    try:
        yield ask
    finally:
        child.kill()
        child.wait()
        child.stdin.close()
        child.stdout.close()


def call(mcp: Callable[..., Any], tool: str, **arguments: Any) -> Any:
    result = mcp("tools/call", name=tool, arguments=arguments)
    text = result["content"][0]["text"]
    return text if text.startswith("Error") else json.loads(text)


def test_the_mcp_server_lists_reads_and_meets_failures(
    mcp: Callable[..., Any], stand_in: httpx2.Client
) -> None:
    tools = {one["name"] for one in mcp("tools/list")["tools"]}
    assert {"list_assistants", "get_assistant", "update_assistant", "list_calls"} <= tools
    assert [one["name"] for one in call(mcp, "list_assistants")] == ["REMUS", "GENESIS", "SCOUT"]
    remus = call(mcp, "get_assistant", assistantId=REMUS_ID)
    assert (remus["id"], remus["name"]) == (REMUS_ID, "REMUS")
    assert [one["id"] for one in call(mcp, "list_calls")] == THERE[:10]
    assert len(call(mcp, "list_phone_numbers")) == 3
    assert call(mcp, "get_call", callId=THERE[0])["id"] == THERE[0]
    plan(stand_in, kind="rate_limit")
    assert len(call(mcp, "list_assistants")) == 3  # asked again a second later
    plan(stand_in, kind="status", status=500, times=3)
    assert "Status code: 500" in call(mcp, "list_assistants")


def test_the_mcp_server_wipes_a_model_and_the_stand_in_lets_it(
    mcp: Callable[..., Any], stand_in: httpx2.Client
) -> None:
    """It PATCHes a model of its own making, which is what wiped other people's prompts and tools."""
    refused = call(mcp, "update_assistant", assistantId=REMUS_ID, instructions="Be kind.")
    assert "model.provider must be one of" in refused  # required in the reference
    before = stand_in.get(f"/assistant/{REMUS_ID}").json()["model"]
    assert {"tools", "toolIds", "knowledgeBase"} <= set(before)
    llm = {"provider": "openai", "model": "gpt-4o"}
    call(mcp, "update_assistant", assistantId=REMUS_ID, instructions="Be kind.", llm=llm)
    after = stand_in.get(f"/assistant/{REMUS_ID}").json()["model"]
    assert after == {**llm, "messages": [{"role": "system", "content": "Be kind."}]}
