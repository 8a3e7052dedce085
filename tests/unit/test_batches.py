"""A burst is one batch; nothing gets lost, and an error comes after what came before it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from mission_control.core import batches
from mission_control.core.batches import in_batches
from tests.services import HANG_SECONDS


@pytest.fixture(autouse=True)
def _short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "WINDOW_SECONDS", 0.02)


async def burst(*messages: int, then: Exception | None = None) -> AsyncIterator[int]:
    for each in messages:
        yield each
    if then is not None:
        raise then


async def test_a_burst_is_one_batch_in_order() -> None:
    assert [batch async for batch in in_batches(burst(1, 2, 3))] == [[1, 2, 3]]


async def test_nothing_is_no_batch() -> None:
    assert [batch async for batch in in_batches(burst())] == []


async def test_what_comes_later_is_another_batch() -> None:
    taken = asyncio.Event()

    async def in_two_parts() -> AsyncIterator[int]:
        yield 1
        await taken.wait()
        yield 2

    found: list[list[int]] = []
    async for batch in in_batches(in_two_parts()):
        found.append(batch)
        taken.set()
    assert found == [[1], [2]]


async def test_more_than_fits_is_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_AT_ONCE", 3)
    found = [batch async for batch in in_batches(burst(*range(10)))]
    assert [each for batch in found for each in batch] == [*range(10)]
    assert max(len(batch) for batch in found) <= 4  # the first one, and as many as wait


async def test_an_error_comes_after_what_came_before_it() -> None:
    batches_of = in_batches(burst(1, 2, then=ZeroDivisionError()))
    assert await anext(batches_of) == [1, 2]
    with pytest.raises(ZeroDivisionError):
        await anext(batches_of)


async def test_who_takes_no_more_leaves_nothing_running() -> None:
    ended = asyncio.Event()

    async def for_ever() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
                await asyncio.sleep(0)
        finally:
            ended.set()

    taking = in_batches(for_ever())
    assert set(await anext(taking)) == {1}
    await taking.aclose()
    async with asyncio.timeout(HANG_SECONDS):
        await ended.wait()
