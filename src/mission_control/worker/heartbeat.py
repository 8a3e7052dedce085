"""A worker shows that it takes tasks: from which queues, how many at once, and which it is doing."""

from typing import Any

from celery import bootsteps
from celery.worker import state

from mission_control.core.settings import get_settings
from mission_control.data.heartbeats import (
    HEARTBEAT_SECONDS,
    Heartbeat,
    HeartbeatWriter,
    heartbeat_of_this_process,
    open_impatient_redis,
)


class WorkerHeartbeat(bootsteps.StartStopStep):
    """Begins when the worker has subscribed to its queues, and ends with its connection."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._writer = HeartbeatWriter(open_impatient_redis(get_settings().redis))
        self._heartbeat: Heartbeat | None = None
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        self._heartbeat = heartbeat_of_this_process("worker")
        self._heartbeat.queues = [queue.name for queue in parent.task_consumer.queues]
        self._heartbeat.slots = parent.pool.num_processes
        self._write(self._heartbeat)
        self._timer = parent.timer.call_repeatedly(
            HEARTBEAT_SECONDS, self._write, (self._heartbeat,)
        )

    def _write(self, heartbeat: Heartbeat) -> None:
        heartbeat.running = sorted(str(request.name) for request in state.active_requests)
        self._writer.write(heartbeat)

    def stop(self, parent: Any) -> None:  # noqa: ARG002  # Celery's
        if self._timer is not None:
            self._timer.cancel()
        if self._heartbeat is not None:
            self._writer.remove(self._heartbeat)
        self._timer = self._heartbeat = None

    shutdown = stop
