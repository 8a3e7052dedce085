"""Lets a worker outlive a Redis that goes away while jobs run."""

from typing import Any

import structlog
from kombu.transport.redis import QoS

log = structlog.get_logger(__name__)


class Deliveries(QoS):
    """What this worker took from Redis and has neither acknowledged nor given back yet.

    A job may outlive the connection that brought it. Celery gives a broken connection up and opens
    another; kombu, asked to acknowledge over the old one, looks for the address of what is no more,
    and the worker ends with all its jobs. Saying nothing loses nothing: the job's row tells what
    became of it, and the sweeper finds a job that nobody works on.
    """

    def ack(self, delivery_tag: str) -> None:
        if self._is_connected():
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002  # kombu's
        if self._is_connected():
            super().reject(delivery_tag, requeue=requeue)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        if self._is_connected():
            super().restore_unacked_once(stderr)

    def _is_connected(self) -> bool:
        transport: Any = self.channel.connection
        if transport is not None and transport.client is not None:
            return True
        log.info("delivery_outlived_its_connection")
        return False
