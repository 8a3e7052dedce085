"""Ends asyncio tasks for certain."""

import asyncio
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
