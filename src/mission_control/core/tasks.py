"""Runs asyncio tasks side by side, and ends them for certain."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

ASK_AGAIN_SECONDS = 0.2


async def end(*tasks: "asyncio.Future[Any]") -> None:
    """Cancel these tasks and wait until they are over, whatever they end with.

    Asked again until they obey: a task that is just sending a command can lose its cancellation in
    redis-py, and would go on for ever.
    """
    for task in tasks:
        while not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=ASK_AGAIN_SECONDS)
        with suppress(asyncio.CancelledError, Exception):
            task.result()


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Do all of it at once. When one part fails the others end too, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
