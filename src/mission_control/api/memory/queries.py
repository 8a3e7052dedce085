"""The memory: what is remembered and found, changing it, and what of it an agent is given."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from mission_control.api.memory import events
from mission_control.api.memory import prompt_memory as agent_memory
from mission_control.api.memory import recall as memory_reading
from mission_control.api.memory.errors import ContextChangedError
from mission_control.api.memory.prompt_memory import AgentMemory, ref_of, settings_of
from mission_control.api.memory.recall import Told
from mission_control.api.memory.schemas import (
    ContextExport,
    ContextLine,
    ContextRead,
    ContextVersion,
    ContextVersionPage,
    ContextWrite,
    ConversationRead,
    FoundAtRead,
    HitRead,
    HybridRead,
    MemoryCorrect,
    MemoryCounts,
    MemoryCreate,
    MemoryRead,
    MemorySupersede,
    SearchRead,
    SearchRequest,
    ServerList,
    ServerRead,
    ServerTold,
    TemporalRead,
    WrittenRead,
)
from mission_control.api.resources import Resources
from mission_control.core.agent_context import ContextSettings, tokens_of
from mission_control.core.clock import utc_now
from mission_control.data.agent_contexts import AgentContext
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.memory.items import (
    ConversationHit,
    Memory,
    SearchHit,
    Written,
)
from mission_control.integrations.memory.selection import is_for

NOT_SAID = "unknown"


# -------------------------------------------------------------------- reading


def list_servers(resources: Resources) -> ServerList:
    writable = resources.memory.writable()
    return ServerList(
        servers=[
            ServerRead.model_validate(
                {
                    **{name: getattr(each, name) for name in ServerRead.model_fields
                       if name not in {"writes", "tools"}},
                    "tools": list(each.tools),
                    "writes": list(writable.get(each.name, ())),
                }
            )
            for each in resources.memory.states()
        ]
    )  # fmt: skip


async def read_temporal(
    resources: Resources,
    *,
    tier: str,
    as_of: datetime | None,
    agent_id: str | None,
    limit: int,
) -> TemporalRead:
    """Of more than `limit` memories the newest are given."""
    found = await memory_reading.memories(resources, tier=tier, as_of=as_of)
    items = [each for each in found.items if agent_id is None or is_for(each, agent_id)]
    kinds = Counter(each.kind or NOT_SAID for each in items)
    tiers = Counter(str(each.tier or NOT_SAID) for each in items)
    return TemporalRead(
        items=[_memory(each, found.stale) for each in items[-limit:]],
        counts=MemoryCounts(
            all=len(items), by_kind=dict(sorted(kinds.items())), by_tier=dict(sorted(tiers.items()))
        ),
        servers=_told(found.servers),
    )


async def read_hybrid(
    resources: Resources, *, query: str | None, agent_id: str | None, limit: int
) -> HybridRead:
    if query is None:
        found = await memory_reading.recent_conversations(resources, limit=limit)
    else:
        found = await memory_reading.search_conversations(
            resources, query, agent_id=agent_id, limit=limit
        )
    told = await memory_reading.statistics(resources)
    return HybridRead(
        items=[
            _conversation(each, found.stale)
            for each in found.items
            if agent_id is None or is_for(each, agent_id)
        ],
        stats=told.stats,
        servers=_told(found.servers),
    )


async def search(resources: Resources, request: SearchRequest) -> SearchRead:
    found = await memory_reading.search(resources, request.query, limit=request.limit)
    return SearchRead(
        hits=[_hit(each, found.stale) for each in found.items], servers=_told(found.servers)
    )


def _hit(hit: SearchHit, stale: frozenset[str]) -> HitRead:
    item = hit.item
    return HitRead(
        memory=_memory(item, stale) if isinstance(item, Memory) else None,
        conversation=_conversation(item, stale) if isinstance(item, ConversationHit) else None,
        score=hit.score,
        found=[
            FoundAtRead(server=each.server, id=each.id, rank=each.rank, score=each.score)
            for each in hit.found
        ],
    )


def _memory(memory: Memory, stale: frozenset[str]) -> MemoryRead:
    columns: dict[str, Any] = {
        name: getattr(memory, name)
        for name in MemoryRead.model_fields
        if name not in {"ref", "stale"}
    }
    return MemoryRead(**columns, ref=ref_of(memory), stale=memory.server in stale)


def _conversation(hit: ConversationHit, stale: frozenset[str]) -> ConversationRead:
    columns: dict[str, Any] = {
        name: getattr(hit, name) for name in ConversationRead.model_fields if name != "stale"
    }
    return ConversationRead(**columns, stale=hit.server in stale)


def _told(servers: Iterable[Told]) -> list[ServerTold]:
    return [_one_told(each) for each in servers]


def _one_told(told: Told) -> ServerTold:
    problem = told.answer.problem
    since = told.stale_since
    return ServerTold.model_validate(
        {
            "server": told.answer.server,
            "count": told.count,
            "duration_ms": told.answer.duration_ms,
            "error": {"code": problem.code, "detail": problem.message} if problem else None,
            "stale_since": since,
            "age_seconds": round((utc_now() - since).total_seconds()) if since else None,
            "more": told.more,
            "notes": list(told.answer.notes),
        }
    )


# -------------------------------------------------------------------- writing


async def add(resources: Resources, request: MemoryCreate) -> WrittenRead:
    written = await resources.memory.add_memory(
        request.content,
        kind=request.kind.value,
        subject=request.subject,
        tier=request.tier,
        agent=request.agent_id,
        valid_from=request.valid_from,
        source=_source(request.source),
        server=request.server,
    )
    return _written(written)


async def supersede(resources: Resources, memory_id: str, request: MemorySupersede) -> WrittenRead:
    written = await resources.memory.supersede_memory(
        memory_id,
        request.content,
        server=request.server,
        valid_from=request.valid_from,
        source=_source(request.source),
    )
    return _written(written)


async def correct(resources: Resources, memory_id: str, request: MemoryCorrect) -> WrittenRead:
    written = await resources.memory.correct_memory(
        memory_id, request.content, server=request.server, source=_source(request.source)
    )
    return _written(written)


def _source(said: str | None) -> JsonValue:
    return {"via": "mission-control", **({"said": said} if said else {})}


def _written(written: Written) -> WrittenRead:
    return WrittenRead(server=written.server, id=written.id)


# -------------------------------------------------------------------- what an agent is given


async def read_context(resources: Resources, agent_id: str) -> ContextRead:
    async with resources.unit_of_work(readonly=True) as uow:
        await uow.agents.get(agent_id)
        context = await uow.agent_contexts.latest(agent_id)
    return await _chosen(resources, agent_id, context)


async def preview_context(
    resources: Resources, agent_id: str, settings: ContextSettings
) -> ContextRead:
    """What these settings would load; nothing is saved."""
    async with resources.unit_of_work(readonly=True) as uow:
        await uow.agents.get(agent_id)
        latest = await uow.agent_contexts.latest(agent_id)
    memory = await agent_memory.choose(resources, agent_id, settings, number=None)
    return _context(agent_id, latest, memory)


async def write_context(resources: Resources, agent_id: str, request: ContextWrite) -> ContextRead:
    async with resources.unit_of_work() as uow:
        await uow.agents.get_locked(agent_id)
        latest = await uow.agent_contexts.latest(agent_id)
        number = latest.number if latest is not None else 0
        if request.based_on is not None and request.based_on != number:
            raise ContextChangedError(agent_id, number or None)
        context = await uow.agent_contexts.add(
            agent_id, settings=request.settings.model_dump(mode="json"), note=request.note
        )
        uow.publish(events.context_changed(agent_id, context.number))
    return await _chosen(resources, agent_id, context)


async def reset_context(uow: UnitOfWork, agent_id: str) -> None:
    """From here on nothing is loaded. What was saved before stays in the history."""
    await uow.agents.get_locked(agent_id)
    latest = await uow.agent_contexts.latest(agent_id)
    if settings_of(latest) is not None:
        reset = await uow.agent_contexts.add(agent_id, settings=None, note="Reset")
        uow.publish(events.context_reset(agent_id, reset.number))


async def list_versions(
    uow: UnitOfWork, agent_id: str, *, limit: int, cursor: str | None
) -> ContextVersionPage:
    await uow.agents.get(agent_id)
    page = await uow.agent_contexts.page(
        agent_id, limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    items: Sequence[AgentContext] = page.items
    return ContextVersionPage(
        items=[ContextVersion.model_validate(each) for each in items],
        next_cursor=page.next_cursor,
    )


async def export_context(resources: Resources, agent_id: str) -> ContextExport:
    context = await read_context(resources, agent_id)
    return ContextExport(exported_at=utc_now(), context=context)


async def _chosen(resources: Resources, agent_id: str, context: AgentContext | None) -> ContextRead:
    saved = settings_of(context)
    number = context.number if context is not None and saved is not None else None
    settings = saved or ContextSettings()
    memory = await agent_memory.choose(resources, agent_id, settings, number=number)
    return _context(agent_id, context, memory)


def _context(agent_id: str, context: AgentContext | None, memory: AgentMemory) -> ContextRead:
    stale = frozenset(each.answer.server for each in memory.servers if each.stale_since)
    return ContextRead(
        agent_id=agent_id,
        number=memory.context,
        latest=context.number if context is not None else 0,
        note=context.note if context is not None and memory.context else "",
        created_at=context.created_at if context is not None and memory.context else None,
        settings=memory.settings,
        items=[
            ContextLine(
                memory=_memory(each.memory, stale),
                text=each.text,
                tokens=tokens_of(each.text),
                pinned=each.is_pinned,
            )
            for each in memory.lines
        ],
        text=memory.text,
        tokens=memory.tokens,
        left_out=memory.left_out,
        servers=_told(memory.servers),
    )
