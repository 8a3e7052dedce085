"""Proofs that a part is ready for work, seen from outside. None raises; 'not yet' is False."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from mission_control.core.lease_owners import this_host
from mission_control.data.heartbeats import living

ResultT = TypeVar("ResultT")

# Is given the number of the process that was started.
Probe = Callable[[int], Awaitable[bool]]

ANSWER_SECONDS = 2.0


def answers_http(host: str, port: int, path: str) -> Probe:
    """Ready when the part answers `GET path` with success."""

    async def probe(_pid: int) -> bool:
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
    async def probe(_pid: int) -> bool:
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

    async def probe(_pid: int) -> bool:
        return await redis_answers(url)

    return probe


async def redis_answers(url: str) -> bool:
    return bool(await _asked(url, lambda redis: redis.ping()))  # pyright: ignore[reportUnknownMemberType]


def has_heartbeat(url: str) -> Probe:
    """Ready when that very process writes heartbeats: its loop turns, and it can do its work."""

    async def probe(pid: int) -> bool:
        found = await _asked(url, living) or []
        return any(each.pid == pid and each.host == this_host() for each in found)

    return probe


async def _asked(url: str, question: Callable[[Redis], Awaitable[ResultT]]) -> ResultT | None:
    try:
        async with asyncio.timeout(ANSWER_SECONDS), redis_at(url) as redis:
            return await question(redis)
    except (OSError, TimeoutError, RedisError):
        return None
