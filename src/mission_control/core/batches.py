"""Takes a stream of messages in small batches, so that a burst costs one transaction."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import TypeVar

MessageT = TypeVar("MessageT")

WINDOW_SECONDS = 0.1
MOST_AT_ONCE = 100


async def in_batches(messages: AsyncIterator[MessageT]) -> AsyncGenerator[list[MessageT]]:
    """Whatever arrived within a tenth of a second after the first, in order."""
    queue: asyncio.Queue[MessageT | None] = asyncio.Queue(maxsize=MOST_AT_ONCE)
    reading = asyncio.ensure_future(_read_into(queue, messages))
    try:
        while (first := await queue.get()) is not None:
            batch = [first]
            await asyncio.sleep(WINDOW_SECONDS)
            ended = False
            while not queue.empty() and not ended:
                message = queue.get_nowait()
                if message is None:
                    ended = True
                else:
                    batch.append(message)
            yield batch
            if ended:
                break
        await reading
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await reading


async def _read_into(
    queue: "asyncio.Queue[MessageT | None]", messages: AsyncIterator[MessageT]
) -> None:
    try:
        async for message in messages:
            await queue.put(message)
    except Exception:
        await queue.put(None)
        raise
    await queue.put(None)
