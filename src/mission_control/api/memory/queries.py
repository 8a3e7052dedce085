"""What is read of the memory: memories, conversations, searches, and what an agent is given."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from mission_control.api.memory import prompt_memory, recall
from mission_control.api.memory.prompt_memory import settings_of
from mission_control.api.memory.schemas import (
    ContextExport,
    ContextRead,
    ContextVersion,
    ContextVersionPage,
    HybridRead,
    MemoryCounts,
    SearchRead,
    SearchRequest,
    ServerList,
    ServerRead,
    TemporalRead,
)
from mission_control.api.memory.shapes import (
    context_read,
    conversation_read,
    hit_read,
    memory_read,
    server_answers,
)
from mission_control.api.resources import Resources
from mission_control.core.agent_context import ContextSettings
from mission_control.core.clock import utc_now
from mission_control.data.agent_contexts import AgentContext
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.memory.selection import is_for

NOT_SAID = "unknown"


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
    found = await recall.memories(resources, tier=tier, as_of=as_of)
    items = [each for each in found.items if agent_id is None or is_for(each, agent_id)]
    kinds = Counter(each.kind or NOT_SAID for each in items)
    tiers = Counter(str(each.tier or NOT_SAID) for each in items)
    return TemporalRead(
        items=[memory_read(each, found.stale) for each in items[-limit:]],
        counts=MemoryCounts(
            all=len(items), by_kind=dict(sorted(kinds.items())), by_tier=dict(sorted(tiers.items()))
        ),
        servers=server_answers(found.servers),
    )


async def read_hybrid(
    resources: Resources, *, query: str | None, agent_id: str | None, limit: int
) -> HybridRead:
    if query is None:
        found = await recall.recent_conversations(resources, limit=limit)
    else:
        found = await recall.search_conversations(resources, query, agent_id=agent_id, limit=limit)
    stats = await recall.statistics(resources)
    return HybridRead(
        items=[
            conversation_read(each, found.stale)
            for each in found.items
            if agent_id is None or is_for(each, agent_id)
        ],
        stats=stats.stats,
        servers=server_answers(found.servers),
    )


async def search(resources: Resources, request: SearchRequest) -> SearchRead:
    found = await recall.search(resources, request.query, limit=request.limit)
    return SearchRead(
        hits=[hit_read(each, found.stale) for each in found.items],
        servers=server_answers(found.servers),
    )


# -------------------------------------------------------------------- what an agent is given


async def read_context(resources: Resources, agent_id: str) -> ContextRead:
    async with resources.unit_of_work(readonly=True) as uow:
        await uow.agents.get(agent_id)
        context = await uow.agent_contexts.latest(agent_id)
    return await chosen_context(resources, agent_id, context)


async def preview_context(
    resources: Resources, agent_id: str, settings: ContextSettings
) -> ContextRead:
    """What these settings would load; nothing is saved."""
    async with resources.unit_of_work(readonly=True) as uow:
        await uow.agents.get(agent_id)
        latest = await uow.agent_contexts.latest(agent_id)
    memory = await prompt_memory.choose(resources, agent_id, settings, number=None)
    return context_read(agent_id, latest, memory)


async def list_versions(
    uow: UnitOfWork, agent_id: str, *, limit: int, cursor: str | None
) -> ContextVersionPage:
    await uow.agents.get(agent_id)
    page = await uow.agent_contexts.page(
        agent_id, limit=limit, cursor=Cursor.decode(cursor, AgentContext)
    )
    items: Sequence[AgentContext] = page.items
    return ContextVersionPage(
        items=[ContextVersion.model_validate(each) for each in items],
        next_cursor=page.next_cursor,
    )


async def export_context(resources: Resources, agent_id: str) -> ContextExport:
    context = await read_context(resources, agent_id)
    return ContextExport(exported_at=utc_now(), context=context)


async def chosen_context(
    resources: Resources, agent_id: str, context: AgentContext | None
) -> ContextRead:
    saved = settings_of(context)
    number = context.number if context is not None and saved is not None else None
    settings = saved or ContextSettings()
    memory = await prompt_memory.choose(resources, agent_id, settings, number=number)
    return context_read(agent_id, context, memory)
