"""What the memory holds, in the shapes of the API."""

from collections.abc import Iterable
from typing import Any

from mission_control.api.memory.prompt_memory import AgentMemory, ref_of
from mission_control.api.memory.recall import ServerContribution
from mission_control.api.memory.schemas import (
    ContextLine,
    ContextRead,
    ConversationRead,
    FoundAtRead,
    HitRead,
    MemoryRead,
    ServerTold,
)
from mission_control.core.agent_context import tokens_of
from mission_control.core.clock import utc_now
from mission_control.data.agent_contexts import AgentContext
from mission_control.integrations.memory.items import ConversationHit, Memory, SearchHit


def hit_read(hit: SearchHit, stale: frozenset[str]) -> HitRead:
    item = hit.item
    return HitRead(
        memory=memory_read(item, stale) if isinstance(item, Memory) else None,
        conversation=conversation_read(item, stale) if isinstance(item, ConversationHit) else None,
        score=hit.score,
        found=[
            FoundAtRead(server=each.server, id=each.id, rank=each.rank, score=each.score)
            for each in hit.found
        ],
    )


def memory_read(memory: Memory, stale: frozenset[str]) -> MemoryRead:
    columns: dict[str, Any] = {
        name: getattr(memory, name)
        for name in MemoryRead.model_fields
        if name not in {"ref", "stale"}
    }
    return MemoryRead(**columns, ref=ref_of(memory), stale=memory.server in stale)


def conversation_read(hit: ConversationHit, stale: frozenset[str]) -> ConversationRead:
    columns: dict[str, Any] = {
        name: getattr(hit, name) for name in ConversationRead.model_fields if name != "stale"
    }
    return ConversationRead(**columns, stale=hit.server in stale)


def server_answers(servers: Iterable[ServerContribution]) -> list[ServerTold]:
    return [_server_answer(each) for each in servers]


def _server_answer(given: ServerContribution) -> ServerTold:
    problem = given.answer.problem
    since = given.stale_since
    return ServerTold.model_validate(
        {
            "server": given.answer.server,
            "count": given.count,
            "duration_ms": given.answer.duration_ms,
            "error": {"code": problem.code, "detail": problem.message} if problem else None,
            "stale_since": since,
            "age_seconds": round((utc_now() - since).total_seconds()) if since else None,
            "more": given.more,
            "notes": list(given.answer.notes),
        }
    )


def context_read(agent_id: str, context: AgentContext | None, memory: AgentMemory) -> ContextRead:
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
                memory=memory_read(each.memory, stale),
                text=each.text,
                tokens=tokens_of(each.text),
                pinned=each.is_pinned,
            )
            for each in memory.lines
        ],
        text=memory.text,
        tokens=memory.tokens,
        left_out=memory.left_out,
        servers=server_answers(memory.servers),
    )
