"""Where a waiting job stands in its queue, and what it waits for."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mission_control.api.jobs.schemas import WaitingRead
from mission_control.api.queue import TASKS
from mission_control.core.words import JobStatus, Queue
from mission_control.data.heartbeats import Heartbeat, living
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork

REDIS_SECONDS = 1.0
MOST_NAMED = 3  # of what a job waits for

WaitsFor = Literal["worker", "slot", "start", "redis"]


@dataclass(frozen=True)
class QueueState:
    """One queue: its jobs, oldest first, and the workers that serve it (None: Redis is silent)."""

    queue: Queue
    waiting: Sequence[Job]
    running: Sequence[Job]
    workers: Sequence[Heartbeat] | None

    @property
    def slots(self) -> int:
        return sum(worker.slots for worker in self.workers or ())

    @property
    def busy(self) -> int:
        """Slots that are taken, by jobs or by other tasks. A heartbeat is two seconds old at most."""
        tasks = sum(len(worker.running) for worker in self.workers or ())
        return max(len(self.running), tasks)

    @property
    def free(self) -> int:
        return max(0, self.slots - self.busy)


async def queue_states(uow: UnitOfWork, redis: Redis) -> list[QueueState]:
    """Every queue as it is now. Never waits long for Redis."""
    jobs, workers = await uow.jobs.open(), await _workers(redis)
    return [_state_of(queue, jobs, workers) for queue in Queue]


def _state_of(queue: Queue, jobs: Sequence[Job], workers: Sequence[Heartbeat] | None) -> QueueState:
    ours = [job for job in jobs if queue_of(job) is queue]
    return QueueState(
        queue=queue,
        waiting=[job for job in ours if job.status is JobStatus.QUEUED],
        running=[job for job in ours if job.status is JobStatus.RUNNING],
        workers=None if workers is None else [each for each in workers if queue in each.queues],
    )


async def _workers(redis: Redis) -> list[Heartbeat] | None:
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            return [each for each in await living(redis) if each.part == "worker"]
    except (RedisError, OSError, TimeoutError):
        return None


def queue_of(job: Job) -> Queue:
    return TASKS[job.kind][1]


def waiting_since(job: Job) -> datetime:
    """Since it was asked for; one that was begun before waits since it was put back."""
    return job.created_at if job.started_at is None else job.queued_at


def waiting_of(job: Job, states: Sequence[QueueState]) -> WaitingRead | None:
    """How this job waits; None when it does not."""
    state = next(each for each in states if each.queue is queue_of(job))
    place = next((at for at, each in enumerate(state.waiting, 1) if each.id == job.id), None)
    if place is None:
        return None
    waits_for = _waits_for(state, place)
    return WaitingRead(
        queue=state.queue,
        place=place,
        waits_for=waits_for,
        detail=f"{_place(state.queue, place)}. {_reason(state, waits_for)}",
    )


def _waits_for(state: QueueState, place: int) -> WaitsFor:
    if state.workers is None:
        return "redis"
    if not state.slots:
        return "worker"
    return "start" if place <= state.free else "slot"


def _place(queue: Queue, place: int) -> str:
    return f"{'Next' if place == 1 else f'Number {place}'} in the queue {queue}"


def _reason(state: QueueState, waits_for: WaitsFor) -> str:
    match waits_for:
        case "redis":
            return "Redis does not answer; the job starts when it is back."
        case "worker":
            return f"No worker serves the queue {state.queue}; the job starts when one does."
        case "start":
            return "A slot is free: it starts within seconds."
        case "slot":
            one, before = state.slots == 1, _before(state)
            if state.free:
                which = "The slot goes" if one else f"All {state.slots} slots go"
                return f"{which} to {before} first."
            return f"{'The slot is' if one else f'All {state.slots} slots are'} taken by {before}."


def _before(state: QueueState) -> str:
    """What runs, and who takes the free slots before the others."""
    names = [_named(job) for job in state.running]
    if len(names) < state.busy:
        names = [task for worker in state.workers or () for task in worker.running]
    names += [_named(job) for job in state.waiting[: state.free]]
    more = len(names) - MOST_NAMED
    shown = names[:MOST_NAMED] + ([f"{more} more"] if more > 0 else [])
    return ", ".join(shown)


def _named(job: Job) -> str:
    return f"{job.kind} {job.agent_id or ''}".strip()
