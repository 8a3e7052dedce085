"""A worker shows that it takes tasks: from which queues, and how many at once."""

from typing import Any

from celery import bootsteps

from mission_control.core.settings import get_settings
from mission_control.data.heartbeats import (
    HEARTBEAT_SECONDS,
    Heartbeat,
    HeartbeatWriter,
    heartbeat_of_this_process,
)


class WorkerHeartbeat(bootsteps.StartStopStep):
    """Begins when the worker has subscribed to its queues, and ends with its connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._writer = HeartbeatWriter(get_settings().redis)
        self._heartbeat: Heartbeat | None = None
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        self._heartbeat = heartbeat_of_this_process(
            "worker",
            queues=[queue.name for queue in parent.task_consumer.queues],
            slots=parent.pool.num_processes,
        )
        self._writer.write(self._heartbeat)
        self._timer = parent.timer.call_repeatedly(
            HEARTBEAT_SECONDS, self._writer.write, (self._heartbeat,)
        )

    def stop(self, parent: Any) -> None:  # noqa: ARG002  # Celery's
        if self._timer is not None:
            self._timer.cancel()
        if self._heartbeat is not None:
            self._writer.remove(self._heartbeat)
        self._timer = self._heartbeat = None

    shutdown = stop
