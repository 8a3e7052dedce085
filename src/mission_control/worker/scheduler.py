"""The scheduler (Celery's beat): sends what is due, keeps nothing on disk, and shows that it ticks.

What is due is a matter of intervals alone, so there is no state worth a file. Celery's own scheduler
keeps one by `dbm`, which on Python 3.13 wants a newer `sqlite3` than the one that we bring.
"""

import time
from typing import Any

from celery.beat import Scheduler

from mission_control.core.settings import get_settings
from mission_control.data.heartbeats import (
    HEARTBEAT_SECONDS,
    HeartbeatWriter,
    heartbeat_of_this_process,
)


class InMemoryScheduler(Scheduler):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._writer = HeartbeatWriter(get_settings().redis)
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

    def close(self) -> None:
        self._writer.remove(self._heartbeat)
        super().close()
