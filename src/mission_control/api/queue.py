"""Celery, its queues, and the bridge from its synchronous workers to our async services."""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from celery import Celery
from redis.asyncio import Redis

from mission_control.core.settings import get_settings
from mission_control.core.words import JobKind, Queue

ResultT = TypeVar("ResultT")

SEND_SECONDS = 3.0

# Kind of job → the task that runs it, and the queue it waits in.
TASKS: dict[JobKind, tuple[str, Queue]] = {
    JobKind.EVALUATE: ("evaluate.run", Queue.ENGINE),
    JobKind.OPTIMIZE: ("optimize.run", Queue.ENGINE),
    JobKind.DEPLOY: ("deployments.deploy", Queue.DEPLOYMENTS),
    JobKind.ROLLBACK: ("deployments.roll_back", Queue.DEPLOYMENTS),
    JobKind.SYNC: ("sync.run", Queue.BACKGROUND),
}

celery_app = Celery("mission_control", broker=get_settings().celery_broker)
celery_app.conf.update(
    task_ignore_result=True,  # results live in the database
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_default_queue=Queue.BACKGROUND,
    worker_prefetch_multiplier=1,
    worker_soft_shutdown_timeout=2.0,
    worker_hijack_root_logger=False,
    # A job outlives a restart of Redis: its truth is the row, and its lease guards against doubles.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": 24 * 3600,
        "socket_timeout": 30,
        "socket_connect_timeout": 2,
    },
)

_runner: asyncio.Runner | None = None
# Threads of their own: those that a hanging Redis holds up must be missed by nobody else.
_senders = ThreadPoolExecutor(max_workers=4, thread_name_prefix="enqueue")


def run(coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run on this worker process's one event loop, so that pooled connections stay usable."""
    global _runner  # noqa: PLW0603
    if _runner is None:
        _runner = asyncio.Runner()
    return _runner.run(coroutine)


async def enqueue(kind: JobKind, job_id: UUID) -> None:
    """Tell the workers. When the message gets lost, the sweeper finds the row."""
    task, queue = TASKS[kind]
    await send_message(task, str(job_id), queue=queue)


async def send_message(task: str, *arguments: str, queue: Queue = Queue.BACKGROUND) -> None:
    """Have a worker run this task, unless the message gets lost."""
    send = partial(
        celery_app.send_task,
        task,
        args=[*arguments],
        queue=queue,
        retry_policy={"max_retries": 1, "interval_start": 0.1},
    )
    # Whoever asked has the row as its promise, and need not wait for a Redis that hangs.
    async with asyncio.timeout(SEND_SECONDS):
        await asyncio.get_running_loop().run_in_executor(_senders, send)


async def queued_messages(redis: Redis) -> str:
    """All that waits in the queues, as one text; the id of a job is in it if its message waits."""
    return "\n".join([str(await redis.lrange(queue, 0, -1)) for queue in Queue])


def tasks_in(messages: Sequence[str | bytes]) -> list[str]:
    """Which tasks these messages of a queue ask for."""
    return [str(json.loads(message)["headers"]["task"]) for message in messages]
