"""`celery -A mission_control.worker.scheduler beat`: sends what is due, keeps nothing on disk, and shows that it ticks.

What is due is a matter of intervals alone, so there is no state worth a file. Celery's own scheduler
keeps one by `dbm`, which on Python 3.13 wants a newer `sqlite3` than the one that we bring.
"""

import time
from typing import Any

import structlog
from celery.beat import ScheduleEntry, Scheduler
from redis.exceptions import RedisError

from mission_control.api import schedule
from mission_control.api.queue import celery_app, tasks_in
from mission_control.core.settings import get_settings
from mission_control.data.heartbeats import (
    HEARTBEAT_SECONDS,
    HeartbeatWriter,
    heartbeat_of_this_process,
    living_now,
    open_impatient_redis,
)
from mission_control.worker import process_logging

log = structlog.get_logger(__name__)

__all__ = ["InMemoryScheduler", "celery_app", "process_logging", "schedule"]


class InMemoryScheduler(Scheduler):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._redis = open_impatient_redis(get_settings().redis)
        self._writer = HeartbeatWriter(self._redis)
        self._heartbeat = heartbeat_of_this_process("scheduler")
        self._written_at = float("-inf")
        super().__init__(*arguments, **options)
        self.max_interval = int(HEARTBEAT_SECONDS)  # so often it ticks at least

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Send one task that is due. Returns the seconds until the next look."""
        seconds: float = super().tick(*arguments, **options)
        if time.monotonic() - self._written_at >= HEARTBEAT_SECONDS / 2:
            self._writer.write(self._heartbeat)
            self._written_at = time.monotonic()
        return seconds

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Send the task, unless one waits or runs: then this one would only stand in the way."""
        if self._is_open(entry):
            log.debug("still_open", task=entry.task)
        else:
            super().apply_entry(entry, producer=producer)

    def _is_open(self, entry: ScheduleEntry) -> bool:
        queue: str = (entry.options or {})["queue"]
        try:
            waiting = tasks_in(self._redis.lrange(queue, 0, -1))
            running = [task for each in living_now(self._redis) for task in each.running]
        except RedisError:
            return False  # to send it fails too, and that is said
        return entry.task in (*waiting, *running)

    def close(self) -> None:
        self._writer.remove(self._heartbeat)
        super().close()
