"""Worker and scheduler prove that they turn: real processes, a real Redis."""

import os
import signal
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from subprocess import Popen

from redis import Redis as SyncRedis

from mission_control.data.event_streams import open_redis
from mission_control.data.heartbeats import HEARTBEAT_LIFE_SECONDS, Heartbeat, living
from mission_control.supervisor.readiness import has_heartbeat
from tests.services import HANG_SECONDS, process


def celery(
    directory: Path, redis_url: str, door: str, *arguments: str
) -> AbstractContextManager["Popen[bytes]"]:
    return process(
        (sys.executable, "-m", "celery", "-A", f"mission_control.worker.{door}", *arguments),
        log=directory / "log",
        ready=lambda: True,
        cwd=directory,
        environment={"REDIS_URL": redis_url, "MC_DATA_DIR": str(directory / "data")},
    )


async def heartbeats(redis_url: str) -> list[Heartbeat]:
    redis = open_redis(redis_url)
    try:
        return await living(redis)
    finally:
        await redis.aclose()


async def until_ready(redis_url: str, pid: int) -> None:
    until = time.monotonic() + HANG_SECONDS
    while not await has_heartbeat(redis_url)(pid):
        assert time.monotonic() < until
        time.sleep(0.05)


async def test_the_scheduler_is_ready_with_its_first_tick_and_keeps_nothing_on_disk(
    redis_url: str, tmp_path: Path
) -> None:
    with celery(tmp_path, redis_url, "scheduler", "beat", "--pidfile=") as beat:
        await until_ready(redis_url, beat.pid)
        (found,) = await heartbeats(redis_url)

        assert (found.part, found.pid) == ("scheduler", beat.pid)
        assert await has_heartbeat(redis_url)(os.getpid()) is False

    assert [path.name for path in tmp_path.iterdir()] == ["log"]
    assert await heartbeats(redis_url) == [], "one that ends properly says so"


async def test_a_worker_names_its_queues_and_slots_and_takes_it_back_when_it_ends(
    redis_url: str, tmp_path: Path
) -> None:
    options = ("-Q", "one,two", "-c", "2", "--without-gossip", "--without-mingle")
    with celery(tmp_path, redis_url, "main", "worker", *options) as worker:
        await until_ready(redis_url, worker.pid)
        (found,) = await heartbeats(redis_url)

        assert (found.part, sorted(found.queues), found.slots) == ("worker", ["one", "two"], 2)
        worker.send_signal(signal.SIGTERM)
        worker.wait(HANG_SECONDS)

    assert await heartbeats(redis_url) == []


async def test_a_heartbeat_of_a_killed_process_does_not_outlive_it_for_long(
    redis_url: str, tmp_path: Path
) -> None:
    with celery(tmp_path, redis_url, "scheduler", "beat", "--pidfile=") as beat:
        await until_ready(redis_url, beat.pid)
        (found,) = await heartbeats(redis_url)
        beat.kill()
        beat.wait()

        assert await heartbeats(redis_url) == [], "it is gone, as everybody on this machine can see"
        with SyncRedis.from_url(redis_url) as redis:  # pyright: ignore[reportUnknownMemberType]
            assert 0 < redis.ttl(found.key) <= HEARTBEAT_LIFE_SECONDS
            redis.delete(found.key)  # as its end does
        assert await heartbeats(redis_url) == []
