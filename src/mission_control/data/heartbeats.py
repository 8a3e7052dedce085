"""Heartbeats: what workers and the scheduler write into Redis while their loops turn.

A process that is there but does nothing has none. One that dies loses its own at once for those who
look from its machine, and within seconds for all others.
"""

import os
from typing import Literal

import structlog
from pydantic import BaseModel, ValidationError
from redis import Redis as SyncRedis
from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from mission_control.core.lease_owners import is_dead_here, this_host

log = structlog.get_logger(__name__)

HEARTBEAT_SECONDS = 2.0
HEARTBEAT_LIFE_SECONDS = 10
ANSWER_SECONDS = 1.0
INDEX = "mission-control:heartbeats"  # the keys of them all


class Heartbeat(BaseModel):
    """A process of ours that turns.

    Of a worker: its queues, how many of their tasks it does at once, and which it is doing.
    """

    part: Literal["worker", "scheduler"]
    host: str
    pid: int
    queues: list[str] = []
    slots: int = 0
    running: list[str] = []

    @property
    def key(self) -> str:
        return f"mission-control:heartbeat:{self.part}:{self.host}:{self.pid}"


def heartbeat_of_this_process(part: Literal["worker", "scheduler"]) -> Heartbeat:
    return Heartbeat(part=part, host=this_host(), pid=os.getpid())


def open_impatient_redis(url: str) -> SyncRedis:
    """A client for a loop that is not asyncio's. A Redis that is away costs a second and no more."""
    return SyncRedis.from_url(  # pyright: ignore[reportUnknownMemberType]
        url,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class HeartbeatWriter:
    def __init__(self, redis: SyncRedis) -> None:
        self._redis = redis

    def write(self, heartbeat: Heartbeat) -> None:
        try:
            with self._redis.pipeline() as pipe:  # pyright: ignore[reportUnknownMemberType]
                pipe.set(heartbeat.key, heartbeat.model_dump_json(), ex=HEARTBEAT_LIFE_SECONDS)
                pipe.sadd(INDEX, heartbeat.key)
                pipe.execute()
        except RedisError as error:
            log.debug("heartbeat_not_written", reason=type(error).__name__)

    def remove(self, heartbeat: Heartbeat) -> None:
        try:
            self._redis.delete(heartbeat.key)
            self._redis.srem(INDEX, heartbeat.key)
        except RedisError as error:
            log.debug("heartbeat_not_removed", reason=type(error).__name__)


def living_now(redis: SyncRedis) -> list[Heartbeat]:
    """Every process whose heartbeat is fresh, for a loop that is not asyncio's. Raises RedisError."""
    keys = [*redis.smembers(INDEX)]
    values = redis.mget(keys) if keys else []
    return [found for value in values if value and (found := _alive(value))]


async def living(redis: Redis) -> list[Heartbeat]:
    """Every process whose heartbeat is fresh. Raises RedisError."""
    keys = [*await redis.smembers(INDEX)]
    if not keys:
        return []
    values = await redis.mget(keys)
    dead = [key for key, value in zip(keys, values, strict=True) if value is None]
    if dead:
        await redis.srem(INDEX, *dead)
    return [found for value in values if value and (found := _alive(value))]


def _alive(value: str | bytes) -> Heartbeat | None:
    """None for what another version wrote, and of a process of this machine that is gone."""
    try:
        found = Heartbeat.model_validate_json(value)
    except ValidationError:
        return None
    return None if is_dead_here(f"{found.host}:{found.pid}") else found
