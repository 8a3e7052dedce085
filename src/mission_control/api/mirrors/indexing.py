"""Keeps our own index of what was said up to date: slice by slice, so that other work gets its turn."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

import structlog
from redis.exceptions import LockError

from mission_control.api.queue import send_message
from mission_control.api.resources import Resources
from mission_control.memory_servers.errors import EmbeddingError, EmbeddingUnavailableError
from mission_control.memory_servers.hybrid.embedding import embed_missing, open_embedder
from mission_control.memory_servers.hybrid.indexing import index_calls

log = structlog.get_logger(__name__)

INDEX = "memory.index"  # the task's name
SLICE_SECONDS = 5.0
LOCK = "mission-control:indexing"
LOCK_SECONDS = 120.0  # longer than a slice takes, with a model that keeps it waiting


async def index_for_a_while(resources: Resources) -> None:
    """Index for a slice, unless somebody is at it. What is left goes behind all that waits."""
    async with _lock(resources, blocking=False) as is_ours:
        if not is_ours or not _has_index(resources):
            return
        is_complete = await _index_calls(resources) and await _embed(resources)
    if not is_complete:
        await send_message(INDEX)


async def index_new_calls(resources: Resources) -> str | None:
    """Have our own index know every ended call; why some are found by their words alone, if so.

    Vectors are made for one slice; the rest is background work.
    """
    is_complete = not _has_index(resources)
    while not is_complete:
        async with _lock(resources, blocking=True):
            is_complete = await _index_calls(resources)
    try:
        await _embed_or_raise(resources)
    except (EmbeddingError, EmbeddingUnavailableError) as error:
        return error.message
    return None


def _has_index(resources: Resources) -> bool:
    states = resources.memory.states()
    return any(each.transport == "embedded" and each.role == "hybrid" for each in states)


async def _index_calls(resources: Resources) -> bool:
    return (await index_calls(resources.unit_of_work, seconds=SLICE_SECONDS)).is_complete


async def _embed(resources: Resources) -> bool:
    """True as well when the model is not there: the next round on the schedule tries again."""
    try:
        return await _embed_or_raise(resources)
    except (EmbeddingError, EmbeddingUnavailableError) as error:
        log.warning("calls_not_embedded", code=error.code)
        return True


async def _embed_or_raise(resources: Resources) -> bool:
    embedder = open_embedder(resources.settings)
    if embedder is None or not _has_index(resources):
        return True
    try:
        made = await embed_missing(resources.unit_of_work, embedder, seconds=SLICE_SECONDS)
    finally:
        await embedder.aclose()
    return made.made == 0 or made.with_vector >= made.texts


@asynccontextmanager
async def _lock(resources: Resources, *, blocking: bool) -> AsyncGenerator[bool]:
    """One process indexes at a time: two would only do each other's work again."""
    lock = resources.redis.lock(LOCK, timeout=LOCK_SECONDS)
    is_ours = await lock.acquire(blocking=blocking)
    try:
        yield is_ours
    finally:
        if is_ours:
            with suppress(LockError):  # it took too long, and somebody else has it
                await lock.release()
