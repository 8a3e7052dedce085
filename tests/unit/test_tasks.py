"""Ending tasks that do not want to end."""

import asyncio

from mission_control.core.tasks import end
from tests.services import HANG_SECONDS


async def _stubborn(times: int) -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            times -= 1
            if times < 0:
                raise


async def test_a_task_that_loses_its_cancellation_is_asked_again() -> None:
    task = asyncio.ensure_future(_stubborn(1))
    await asyncio.sleep(0)
    async with asyncio.timeout(HANG_SECONDS):
        await end(task)
    assert task.cancelled()


async def test_what_a_task_ended_with_is_nobodys_business() -> None:
    async def fails() -> None:
        raise ValueError

    task = asyncio.ensure_future(fails())
    await asyncio.wait({task})
    assert await end(task) is None  # and not the task's ValueError
    assert isinstance(task.exception(), ValueError)
