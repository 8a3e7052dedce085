"""A question that one server is asked, to the end: a search, its figures, all that it holds."""

from pydantic import JsonValue

from mission_control.integrations.errors import IntegrationError
from mission_control.integrations.memory.errors import MemoryOperationMissingError
from mission_control.integrations.memory.items import (
    Item,
    Report,
    ServerAnswer,
    SyncedServer,
    SyncProgress,
)
from mission_control.integrations.memory.mapping.mapped_server import MappedServer, Read
from mission_control.integrations.memory.mapping.records import clean
from mission_control.integrations.memory.ranking import by_shared_words

SEARCHED_HERE = "It has no search; its list was searched here."


async def search_one(server: MappedServer, query: str, limit: int) -> tuple[Read, list[Item]]:
    is_hybrid = server.configuration.role == "hybrid"
    if server.has("search"):
        values: dict[str, JsonValue] = {"query": query, "tier": "all"}
        read = await server.read("search", values, at_most=limit)
        return read, read.items(as_conversations=is_hybrid)
    read = await server.read("list", {"tier": "all"})
    read.notes.append(SEARCHED_HERE)
    return read, by_shared_words(query, read.items(as_conversations=is_hybrid))[:limit]


async def stats_of(server: MappedServer) -> tuple[ServerAnswer, JsonValue]:
    read, stats = Read(server.name), None
    try:
        stats = clean(await server.value("stats", {}))
    except (IntegrationError, MemoryOperationMissingError) as exc:
        read.problem = exc
    read.end()
    return read.answer(1 if read.problem is None else 0), stats


async def sync_one(server: MappedServer, report: Report | None) -> SyncedServer:
    await _announce(report, SyncProgress(server.name, "reading", 0))
    within = server.configuration.sync_timeout_seconds
    read = await server.read("list", {"tier": "all"}, within=within, fresh=True)
    items = tuple(read.items(as_conversations=server.configuration.role == "hybrid"))
    answer = read.answer(len(items))
    whole = answer.problem is None and not read.more
    status = "completed" if whole else "partial" if items else "failed"
    await _announce(report, SyncProgress(server.name, status, len(items), answer.problem))
    return SyncedServer(server.name, status, items, answer)


async def _announce(report: Report | None, progress: SyncProgress) -> None:
    if report is not None:
        await report(progress)
