"""Our memory servers, driven by a client that we did not write: the official TypeScript SDK."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.install_vendor_clients import JAVASCRIPT, javascript_clients, node
from tests.services import HANG_SECONDS, accepts, free_port, process

Json = dict[str, Any]

REMEMBERING: list[Json] = [
    {
        "tool": "add_memory",
        "arguments": {
            "kind": "fact", "content": "The fee is 10 EUR", "subject": "fee", "tier": 1,
            "agent": "remus", "valid_from": "2026-01-01", "source": {"call": "c-1"},
        },
    },
    {
        "tool": "supersede_memory",
        "arguments": {"id": "$0.id", "content": "The fee is 12 EUR", "valid_from": "2026-03-01"},
    },
    {"tool": "list_memories", "arguments": {"tier": "all"}},
    {"tool": "list_memories", "arguments": {"as_of": "2026-02-01", "tier": "1"}},
    {"tool": "search_memories", "arguments": {"query": "what is the FEE?"}},
    {"tool": "supersede_memory", "arguments": {"id": "$0.id", "content": "too late"}},
    {"tool": "add_memory", "arguments": {"kind": "fact", "content": "a\x00b"}},
    {"tool": "memory_history", "arguments": {"id": "$1.id"}},
    {"tool": "memory_stats"},
]  # fmt: skip
SEARCHING: list[Json] = [
    {
        "tool": "index_conversations",
        "arguments": {
            "items": [
                {
                    "external_id": "one", "started_at": "2026-11-20T10:00:00Z", "agent": "remus",
                    "transcript": "AI: How can I help?\nUser: My invoice is wrong.",
                },
                {
                    "external_id": "two", "started_at": "2026-11-21T10:00:00Z",
                    "turns": [{"text": "Where is my parcel?", "speaker": "caller"}],
                },
            ]
        },
    },
    {"tool": "search_conversations", "arguments": {"query": "wrong invoices", "agent": "remus"}},
    {"tool": "search_conversations", "arguments": {"query": "NEAR(\"parcel* AND ^("}},
    {"tool": "get_conversation", "arguments": {"id": "$1.items.0.conversation_id"}},
    {"tool": "recent_conversations", "arguments": {"limit": 1}},
    {"tool": "search_conversations", "arguments": {"query": "parcel", "mode": "dense"}},
    {"tool": "search_conversations", "arguments": {"query": "word " * 1_000}},
    {"tool": "index_stats"},
]  # fmt: skip


def environment(data_dir: Path) -> dict[str, str]:
    return {**os.environ, "MC_DATA_DIR": str(data_dir)}


def drive(target: str, steps: list[Json], data_dir: Path) -> Json:
    program, clients = node(), javascript_clients()
    assert program.exists(), "Run `python -m tests.install_vendor_clients`."
    assert clients.exists(), "Run `python -m tests.install_vendor_clients`."
    ended = subprocess.run(
        [program, JAVASCRIPT / "mcp_client.mjs", clients, target, json.dumps(steps)],
        env=environment(data_dir), capture_output=True, text=True, timeout=HANG_SECONDS, check=False,
        cwd=data_dir,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout)


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest, tmp_path: Path, name: str) -> Iterator[str]:
    """How the client reaches the server: a command, or a URL."""
    if request.param == "stdio":
        yield json.dumps([sys.executable, "-m", "mission_control.memory_servers", name])
        return
    port = free_port()
    command = (sys.executable, "-m", "mission_control.memory_servers", name, "--http", str(port))
    log, settings = tmp_path / "server.log", {"MC_DATA_DIR": str(tmp_path)}
    with process(command, log=log, ready=lambda: accepts(port), environment=settings, cwd=tmp_path):
        yield f"http://127.0.0.1:{port}/mcp"


@pytest.mark.parametrize("name", ["temporal"])
def test_the_temporal_memory(target: str, tmp_path: Path) -> None:
    seen = drive(target, REMEMBERING, tmp_path)

    assert seen["server"] == "temporal-memory"
    assert len(seen["tools"]) == 8
    assert {kind for _, kind, _ in seen["tools"]} == {"object"}
    queued_messages = {name: given.get("readOnlyHint") for name, _, given in seen["tools"]}
    assert queued_messages["list_memories"] is True
    assert queued_messages["add_memory"] is False
    added, newer, now, then, found, late, dirty, history, stats = seen["answers"]
    assert added["structured"]["source"] == {"call": "c-1"}
    assert newer["structured"]["supersedes"] == added["structured"]["id"]
    assert contents(now) == ["The fee is 12 EUR"]
    assert contents(then) == ["The fee is 10 EUR"]
    assert contents(found) == ["The fee is 12 EUR"]
    assert late["isError"]
    assert "memory_not_current" in late["text"]
    assert newer["structured"]["id"] in late["text"]
    assert dirty["isError"]
    assert "NUL" in dirty["text"]
    assert len(history["structured"]["items"]) == 3
    assert stats["structured"]["current"] == 1


@pytest.mark.parametrize("name", ["hybrid"])
def test_the_hybrid_intelligence(target: str, tmp_path: Path) -> None:
    seen = drive(target, SEARCHING, tmp_path)

    assert seen["server"] == "hybrid-intelligence"
    assert {kind for _, kind, _ in seen["tools"]} == {"object"}
    indexed, found, syntax, whole, recent, dense, huge, stats = seen["answers"]
    assert indexed["structured"] == {"new": 2, "changed": 0, "unchanged": 0}
    assert texts(found) == ["My invoice is wrong."]
    assert found["structured"]["items"][0]["speaker"] == "caller"
    assert texts(syntax) == ["Where is my parcel?"]
    assert [turn["speaker"] for turn in whole["structured"]["turns"]] == ["agent", "caller"]
    assert texts(recent) == ["Where is my parcel?"]
    assert recent["structured"]["next_cursor"] is not None
    assert dense["isError"]
    assert "embedding_unavailable" in dense["text"]
    assert huge["isError"]
    assert "memory_input_invalid: query" in huge["text"]
    assert stats["structured"]["turns"] == 3
    assert stats["structured"]["dense"] is None


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "mission_control.memory_servers", "temporal"],
        env={**environment(tmp_path), "MC_SEARCH_K": "many"},
        capture_output=True, text=True, timeout=HANG_SECONDS, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "MC_SEARCH_K" in ended.stderr
    assert "Traceback" not in ended.stderr


def contents(answer: Json) -> list[str]:
    return [each["content"] for each in answer["structured"]["items"]]


def texts(answer: Json) -> list[str]:
    return [each["text"] for each in answer["structured"]["items"]]
