"""What waits in each queue, and whether it waits too long."""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from mission_control.api.jobs.waiting import QueueState, queue_states, waiting_of, waiting_since
from mission_control.api.resources import Resources
from mission_control.api.system.schemas import Component, QueueRead, WaitingJob
from mission_control.core.clock import utc_now
from mission_control.core.words import Queue
from mission_control.data.jobs import Job

REDIS_SECONDS = 1.0
WAITS_TOO_LONG_SECONDS = 5.0  # where a slot is free, a job starts within two


async def read_queues(resources: Resources) -> tuple[list[QueueRead], list[Component]]:
    """Every queue, and the parts `workers` and `queues` of the status."""
    async with resources.unit_of_work(readonly=True) as uow:
        states = await queue_states(uow, resources.redis)
    messages = await _messages(resources.redis)
    queues = [_queue_read(state, messages) for state in states]
    return queues, [_workers(states), _waiting(states)]


def _queue_read(state: QueueState, messages: dict[Queue, int] | None) -> QueueRead:
    return QueueRead(
        queue=state.queue,
        slots=None if state.workers is None else state.slots,
        running=len(state.running),
        waiting=len(state.waiting),
        messages=None if messages is None else messages[state.queue],
        oldest=_waiting_job(state.waiting[0]) if state.waiting else None,
    )


def _waiting_job(job: Job) -> WaitingJob:
    return WaitingJob(job_id=job.id, kind=job.kind, agent_id=job.agent_id, seconds=_seconds(job))


def _seconds(job: Job) -> float:
    return round((utc_now() - waiting_since(job)).total_seconds(), 1)


async def _messages(redis: Redis) -> dict[Queue, int] | None:
    try:
        async with asyncio.timeout(REDIS_SECONDS):
            return {queue: int(await redis.llen(queue)) for queue in Queue}
    except (RedisError, OSError, TimeoutError):
        return None


def _workers(states: Sequence[QueueState]) -> Component:
    """Each queue must have one."""
    if any(state.workers is None for state in states):
        return _component("workers", "Redis does not answer, so nobody knows of them.", ok=False)
    without = [state.queue.value for state in states if not state.slots]
    if without:
        detail = f"No worker serves {', '.join(without)}; what waits there starts when one does."
        return _component("workers", detail, ok=False)
    slots = ", ".join(f"{state.queue} {state.slots}" for state in states)
    return _component("workers", f"slots: {slots}", ok=True)


def _waiting(states: Sequence[QueueState]) -> Component:
    """Whether somebody waits for longer than a start takes."""
    waiting = [state for state in states if state.waiting]
    if not waiting:
        return _component("queues", "no job waits", ok=True)
    longest = max(waiting, key=lambda state: _seconds(state.waiting[0]))
    job, count = longest.waiting[0], sum(len(state.waiting) for state in waiting)
    read = waiting_of(job, states)
    assert read is not None
    jobs = "1 job waits" if count == 1 else f"{count} jobs wait"
    who = f"{job.kind} {job.agent_id or ''}".strip()
    detail = f"{jobs}, the longest ({who}) for {_seconds(job):.0f} s. {read.detail}"
    return _component("queues", detail, ok=_seconds(job) <= WAITS_TOO_LONG_SECONDS)


def _component(name: str, detail: str, *, ok: bool) -> Component:
    state = "ok" if ok else "degraded"
    return Component(name=name, state=state, stand_in=False, detail=detail, milliseconds=None)
