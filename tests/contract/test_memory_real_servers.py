"""The memory client against servers that we did not write, as they come from npm and PyPI."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mission_control.integrations.errors import IntegrationAmbiguousError
from mission_control.integrations.memory.config.reading import load_configuration
from mission_control.integrations.memory.items import SyncProgress
from mission_control.integrations.memory.one_server import SEARCHED_HERE
from mission_control.integrations.memory_manager import MemoryManager
from tests.contract.memory_processes import descendants, is_alive
from tests.install_vendor_clients import javascript_clients, node, python_client

CORTEXGRAPH = "from cortexgraph.server import main_sync; main_sync()"


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[MemoryManager]:
    graph = javascript_clients() / "node_modules" / "@modelcontextprotocol" / "server-memory"
    cortexgraph = python_client("cortexgraph")
    if not (graph.exists() and cortexgraph.exists()):
        pytest.fail("The vendors' servers are missing: python -m tests.install_vendor_clients")
    file = tmp_path / "memory.toml"
    file.write_text(f"""
        [servers.graph]
        transport = "stdio"
        command = "{node()}"
        args = ["{graph}/dist/index.js"]
        env = {{ MEMORY_FILE_PATH = "{tmp_path}/graph.jsonl" }}
        preset = "server-memory"

        [servers.cortex]
        transport = "stdio"
        command = "{sys.executable}"
        args = ["-c", "{CORTEXGRAPH}"]
        preset = "cortexgraph"
        [servers.cortex.env]
        PYTHONPATH = "{cortexgraph}"
        HOME = "{tmp_path}"
        CORTEXGRAPH_STORAGE_PATH = "{tmp_path}/cortex"
        """)
    async with MemoryManager(load_configuration(file)) as manager:
        yield manager


def process_of(name: str) -> int:
    return next(pid for pid, command in descendants().items() if name in command)


async def test_reads_searches_writes_and_syncs(memory: MemoryManager) -> None:
    await memory.add_memory("prefers mornings", subject="Mrs Hopper", server="graph")
    await memory.add_memory("has a guide dog", subject="Mrs Hopper", server="graph")
    saved = await memory.add_memory(
        "Mornings suit her best", kind="preference", subject="Mrs Hopper", server="cortex"
    )

    listed = await memory.get_temporal_memory()
    assert listed.is_complete
    assert {(m.server, m.subject, m.content) for m in listed.items} == {
        ("graph", "Mrs Hopper", "prefers mornings"),
        ("graph", "Mrs Hopper", "has a guide dog"),
        ("cortex", "Mrs Hopper", "Mornings suit her best"),
    }
    kept = next(m for m in listed.items if m.server == "cortex")
    assert (kept.id, kept.kind, kept.parsed) == (saved.id, "preference", True)
    assert kept.recorded_at is not None
    preferences = await memory.get_temporal_memory("preference")
    assert [m.id for m in preferences.items] == [saved.id]

    found = await memory.search("who likes mornings?")
    assert {hit.found[0].server for hit in found.hits} == {"graph", "cortex"}
    assert "guide dog" not in found.hits[0].item.text
    assert [answer.notes for answer in found.servers] == [(SEARCHED_HERE,), ()]

    heard: list[SyncProgress] = []

    async def report(progress: SyncProgress) -> None:
        heard.append(progress)

    synced = await memory.sync_all(report)
    assert synced.status == "completed"
    assert {(each.server, each.phase, each.count) for each in heard} == {
        ("graph", "reading", 0),
        ("graph", "completed", 2),
        ("cortex", "reading", 0),
        ("cortex", "completed", 1),
    }

    checked = {each.state.name: each for each in await memory.check_servers()}
    assert {name: each.state.status for name, each in checked.items()} == {
        "graph": "connected",
        "cortex": "connected",
    }
    assert [(o.operation, o.tool, o.works) for o in checked["graph"].operations] == [
        ("list", "read_graph", True),
        ("add", "add_observations", None),
    ]


async def test_a_server_killed_in_mid_call_is_started_again_for_a_read(
    memory: MemoryManager,
) -> None:
    await memory.add_memory("prefers mornings", subject="Mrs Hopper", server="graph")
    first = process_of("server-memory")
    os.kill(first, signal.SIGSTOP)  # so that the call is under way for certain
    reading = asyncio.create_task(memory.get_temporal_memory())
    await asyncio.sleep(0.3)
    assert not reading.done()
    os.kill(first, signal.SIGKILL)

    listed = await reading
    assert listed.is_complete
    assert [m.content for m in listed.items if m.server == "graph"] == ["prefers mornings"]
    assert process_of("server-memory") != first


async def test_a_write_whose_server_is_killed_is_not_repeated(memory: MemoryManager) -> None:
    await memory.add_memory("prefers mornings", subject="Mrs Hopper", server="graph")
    process = process_of("server-memory")
    os.kill(process, signal.SIGSTOP)
    writing = asyncio.create_task(
        memory.add_memory("has a guide dog", subject="Mrs Hopper", server="graph")
    )
    await asyncio.sleep(0.3)
    os.kill(process, signal.SIGKILL)

    with pytest.raises(IntegrationAmbiguousError, match="may or may not have been made"):
        await writing
    listed = await memory.get_temporal_memory()
    assert [m.content for m in listed.items if m.server == "graph"] == ["prefers mornings"]


async def test_nothing_is_left_of_the_servers_when_it_is_closed(memory: MemoryManager) -> None:
    await memory.look(within=15)
    started = [process_of("server-memory"), process_of("cortexgraph")]
    await memory.aclose()
    assert [pid for pid in started if is_alive(pid)] == []
