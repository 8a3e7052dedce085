"""Changing what is remembered, and choosing what of it an agent is given."""

from pydantic import JsonValue

from mission_control.api.memory import events
from mission_control.api.memory.errors import ContextChangedError
from mission_control.api.memory.prompt_memory import settings_of
from mission_control.api.memory.queries import chosen_context
from mission_control.api.memory.schemas import (
    ContextRead,
    ContextWrite,
    MemoryCorrect,
    MemoryCreate,
    MemorySupersede,
    WrittenRead,
)
from mission_control.api.resources import Resources
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.memory.items import Written


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
    return await chosen_context(resources, agent_id, context)


async def reset_context(uow: UnitOfWork, agent_id: str) -> None:
    """From here on nothing is loaded. What was saved before stays in the history."""
    await uow.agents.get_locked(agent_id)
    latest = await uow.agent_contexts.latest(agent_id)
    if settings_of(latest) is not None:
        reset = await uow.agent_contexts.add(agent_id, settings=None, note="Reset")
        uow.publish(events.context_reset(agent_id, reset.number))
