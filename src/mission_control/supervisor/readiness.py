"""Ways to see from outside that a part is ready for work. None of them raises; 'not yet' is False."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import time
from typing import cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

Probe = Callable[[], Awaitable[bool]]

ANSWER_SECONDS = 2.0


def answers_http(host: str, port: int, path: str) -> Probe:
    """Ready when the part answers `GET path` with success."""

    async def probe() -> bool:
        status = await http_status(host, port, path)
        return status is not None and 200 <= status < 300

    return probe


async def http_status(host: str, port: int, path: str) -> int | None:
    """The status of `GET path`; None when nobody answers in HTTP."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            status_line = await reader.readline()
            writer.close()
            return int(status_line.split()[1])
    except (OSError, TimeoutError, IndexError, ValueError):
        return None


def accepts_connections(host: str, port: int) -> Probe:
    async def probe() -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                _, writer = await asyncio.open_connection(host, port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return probe


def redis_at(url: str) -> Redis:
    """A client that fails at once; redis-py's own retries would pause for seconds."""
    return Redis.from_url(url, retry=Retry(NoBackoff(), 0))  # pyright: ignore[reportUnknownMemberType]


def answers_redis(url: str) -> Probe:
    """Ready when Redis has loaded its data and answers PING."""
    return _asks_redis(url, "PING")


def worker_listens(url: str) -> Probe:
    """Ready when a Celery worker has subscribed to its control channel, the only pattern in use."""
    return _asks_redis(url, "PUBSUB", "NUMPAT")


def _asks_redis(url: str, *command: str) -> Probe:
    async def probe() -> bool:
        try:
            async with (
                asyncio.timeout(ANSWER_SECONDS),
                redis_at(url) as redis,
            ):
                execute = cast("Callable[..., Awaitable[object]]", redis.execute_command)  # pyright: ignore[reportUnknownMemberType]
                return bool(await execute(*command))
        except (OSError, TimeoutError, RedisError):
            return False

    return probe


def written_since_start(directory: Path, pattern: str) -> Probe:
    """Ready when a file like `pattern` was written after the probe was made."""
    made = time()

    async def probe() -> bool:  # the file system is as good as memory here
        return any(path.stat().st_mtime >= made for path in directory.glob(pattern))  # noqa: ASYNC240

    return probe
