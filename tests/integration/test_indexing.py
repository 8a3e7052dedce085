"""The index of what was said is filled slice by slice, by one process at a time."""

from datetime import UTC, datetime

import pytest

from mission_control.api.mirrors import indexing
from mission_control.api.mirrors.indexing import INDEX, index_for_a_while, index_new_calls
from mission_control.api.queue import tasks_in
from mission_control.api.resources import Resources
from mission_control.core.words import CallEnding, CallSource, Queue
from mission_control.data.call_facts import CallFacts
from mission_control.memory_servers.hybrid.indexing import CALLS_AT_ONCE

CALLS = 2 * CALLS_AT_ONCE + 1
AT = datetime(2026, 11, 1, 9, tzinfo=UTC)


@pytest.fixture
async def calls(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than two batches wait, and a slice is over after one."""
    monkeypatch.setattr(indexing, "SLICE_SECONDS", 0.0)
    async with resources.unit_of_work() as uow:
        await uow.calls.store([
            CallFacts(
                source=CallSource.VAPI, external_id=f"call-{n}", created_at=AT, started_at=AT,
                ended_at=AT, ending=CallEnding.CUSTOMER, source_updated_at=AT, document={},
                transcript=f"AI: Hello, this is call {n}.",
            )
            for n in range(CALLS)
        ])  # fmt: skip


async def indexed(resources: Resources) -> int:
    async with resources.unit_of_work(readonly=True) as uow:
        return (await uow.conversations.counts()).conversations


async def waiting(resources: Resources) -> list[str]:
    """And forget them: the test does the worker's part."""
    messages = await resources.redis.lrange(Queue.BACKGROUND, 0, -1)
    await resources.redis.delete(Queue.BACKGROUND)
    return tasks_in(messages)


async def test_a_task_ends_with_its_slice_and_the_rest_goes_to_the_end_of_the_queue(
    resources: Resources, calls: None
) -> None:
    found: list[tuple[int, list[str]]] = []
    for _ in range(4):
        await index_for_a_while(resources)
        found.append((await indexed(resources), await waiting(resources)))

    assert found == [
        (CALLS_AT_ONCE, [INDEX]), (2 * CALLS_AT_ONCE, [INDEX]), (CALLS, []), (CALLS, []),
    ]  # fmt: skip


async def test_while_one_process_indexes_another_leaves_it_alone(
    resources: Resources, calls: None
) -> None:
    async with resources.redis.lock(indexing.LOCK, timeout=60):
        await index_for_a_while(resources)

    assert await indexed(resources) == 0
    assert await waiting(resources) == [], "whoever is at it goes on"

    await index_for_a_while(resources)
    assert await indexed(resources) == CALLS_AT_ONCE


async def test_a_sync_indexes_everything_in_slices(resources: Resources, calls: None) -> None:
    assert await index_new_calls(resources) is None

    assert await indexed(resources) == CALLS
    assert await waiting(resources) == []
