"""Reads what the memory servers hold into snapshots, server by server, as a part of a sync."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from mission_control.api.memory.snapshots import MemorySnapshots, Snapshot
from mission_control.api.mirrors.indexing import index_new_calls
from mission_control.api.mirrors.report import SyncReport
from mission_control.api.mirrors.tally import ChangeTally
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.integrations.errors import IntegrationError
from mission_control.integrations.memory.items import (
    ConversationHit,
    Item,
    SyncedServer,
    SyncProgress,
)

STATE = "memory.servers"  # name of its `SyncState`


class MemorySyncIncompleteError(IntegrationError):
    """One or more memory servers could not be read, or not to the end."""

    code = "memory_sync_incomplete"

    def __init__(self, servers: Sequence[SyncedServer], unread: str | None = None) -> None:
        said = [_why(each) for each in servers] + ([unread] if unread else [])
        super().__init__(
            f"{' '.join(said)} What was known before is kept.",
            servers=[each.server for each in servers],
        )


def _why(server: SyncedServer) -> str:
    problem = server.answer.problem
    if problem is None:
        return f"The memory server {server.server} holds more than its max_items."
    return problem.message


class ServersReport(SyncReport, Protocol):
    """A report that also says how each server gets on."""

    async def __call__(
        self,
        *,
        phase: str,
        done: int,
        total: int | None,
        servers: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None: ...


async def sync_memory(
    resources: Resources, report: ServersReport, changed: ChangeTally | None = None
) -> Mapping[str, int]:
    """Read every server; returns how many memories and conversations are new or changed.

    Raises MemorySyncIncompleteError when one of them could not be read wholly.
    """
    progress: dict[str, dict[str, Any]] = {}

    async def on_progress(step: SyncProgress) -> None:
        problem = asdict(step.problem) if step.problem else None
        progress[step.server] = {"phase": step.phase, "count": step.count, "problem": problem}
        done = sum(each["count"] for each in progress.values())
        await report(phase="memories", done=done, total=None, servers=dict(progress))

    unread = await index_new_calls(resources)
    found = await resources.memory.sync_all(on_progress)
    changed = changed or ChangeTally("memory")
    for server in found.servers:
        if server.answer.problem is None:
            await _keep(resources, server, changed)
    incomplete = [each for each in found.servers if not _is_whole(each)]
    error = MemorySyncIncompleteError(incomplete, unread) if incomplete or unread else None
    await _store_state(resources, found.servers, error)
    if error is not None:
        raise error
    async with resources.unit_of_work(readonly=True) as uow:
        return await changed.counts(uow, "memories", "conversations")


def _is_whole(server: SyncedServer) -> bool:
    """Conversations are searched where they are: of them the newest will do here."""
    conversations = all(isinstance(each, ConversationHit) for each in server.items)
    return server.answer.problem is None and (not server.answer.more or conversations)


async def _keep(resources: Resources, server: SyncedServer, changed: ChangeTally) -> None:
    snapshots = MemorySnapshots(resources.redis)
    before = _known(await snapshots.last(server.server))
    new = [each for each in server.items if _digest(each) not in before]
    conversations = sum(isinstance(each, ConversationHit) for each in new)
    async with resources.unit_of_work() as uow:
        await changed.add(uow, memories=len(new) - conversations, conversations=conversations)
    await snapshots.keep(server.server, server.items, more=server.answer.more)


def _known(snapshot: Snapshot | None) -> frozenset[str]:
    return frozenset(_digest(each) for each in snapshot.items) if snapshot else frozenset()


def _digest(item: Item) -> str:
    return hashlib.sha256(f"{item.id}\x00{item.text}".encode("utf-8", "replace")).hexdigest()


async def _store_state(
    resources: Resources, servers: Sequence[SyncedServer], error: IntegrationError | None
) -> None:
    async with resources.unit_of_work() as uow:
        state = await uow.sync_states.of(STATE)
        known: Mapping[str, Any] = state.position.get("servers", {})
        state.position = {
            "servers": {
                each.server: len(each.items) if _is_whole(each) else known.get(each.server, 0)
                for each in servers
            }
        }
        state.error = {"code": error.code, "detail": error.message} if error else None
        if error is None:
            state.complete_until = utc_now()
