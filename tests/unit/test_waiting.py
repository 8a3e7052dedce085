"""Where a waiting job stands in its queue, and what it waits for."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from mission_control.api.jobs.waiting import QueueState, waiting_of, waiting_since
from mission_control.core.words import JobKind, JobStatus, Queue
from mission_control.data.heartbeats import Heartbeat
from mission_control.data.jobs import Job

AT = datetime(2026, 11, 28, tzinfo=UTC)


def a_job(kind: JobKind = JobKind.OPTIMIZE, agent: str = "remus", **given: object) -> Job:
    status = given.pop("status", JobStatus.QUEUED)
    return Job(id=uuid4(), kind=kind, agent_id=agent, status=status, **given)


def a_worker(slots: int, *running: str) -> Heartbeat:
    return Heartbeat(
        part="worker", host="here", pid=1, queues=["engine"], slots=slots, running=[*running]
    )


def told(job: Job, *, waiting: list[Job], running: list[Job], workers: list[Heartbeat] | None):
    state = QueueState(Queue.ENGINE, waiting=waiting, running=running, workers=workers)
    found = waiting_of(job, [state])
    assert found is not None
    return found.place, found.waits_for, found.detail


def test_its_place_and_who_holds_the_slots() -> None:
    first, second = a_job(agent="ada"), a_job(agent="bea")
    running = [
        a_job(agent="scout", status=JobStatus.RUNNING),
        a_job(JobKind.EVALUATE, "genesis", status=JobStatus.RUNNING),
    ]

    assert told(second, waiting=[first, second], running=running, workers=[a_worker(2)]) == (
        2,
        "slot",
        "Number 2 in the queue engine. All 2 slots are taken by optimize scout, evaluate genesis.",
    )


def test_no_worker_no_redis_and_a_free_slot_are_told_apart() -> None:
    first, second = a_job(), a_job()
    both: dict[str, list[Job]] = {"waiting": [first, second], "running": []}

    assert told(first, **both, workers=[])[1] == "worker"
    assert told(first, **both, workers=None)[1] == "redis"
    assert told(first, **both, workers=[a_worker(1)])[1] == "start"
    assert told(second, **both, workers=[a_worker(1)])[1] == "slot"
    assert told(second, **both, workers=[a_worker(1), a_worker(1)])[1] == "start"


def test_who_stands_before_it_takes_the_slots_that_are_free() -> None:
    ada, bea, cleo = (a_job(JobKind.EVALUATE, name) for name in ("ada", "bea", "cleo"))
    scout = a_job(agent="scout", status=JobStatus.RUNNING)

    *_, detail = told(cleo, waiting=[ada, bea, cleo], running=[], workers=[a_worker(2)])
    assert detail.endswith("All 2 slots go to evaluate ada, evaluate bea first.")
    *_, detail = told(bea, waiting=[ada, bea], running=[], workers=[a_worker(1)])
    assert detail.endswith("The slot goes to evaluate ada first.")
    *_, detail = told(bea, waiting=[ada, bea], running=[scout], workers=[a_worker(2)])
    assert detail.endswith("All 2 slots go to optimize scout, evaluate ada first.")


def test_tasks_that_are_no_jobs_take_slots_too() -> None:
    job = a_job()
    busy = a_worker(2, "calls.poll", "memory.index")

    assert told(job, waiting=[job], running=[], workers=[busy]) == (
        1,
        "slot",
        "Next in the queue engine. All 2 slots are taken by calls.poll, memory.index.",
    )


def test_many_are_counted() -> None:
    job = a_job()
    running = [a_job(agent=f"a{n}", status=JobStatus.RUNNING) for n in range(5)]

    *_, detail = told(job, waiting=[job], running=running, workers=[a_worker(5)])
    assert detail.endswith("taken by optimize a0, optimize a1, optimize a2, 2 more.")


def test_a_job_that_runs_does_not_wait() -> None:
    running = a_job(status=JobStatus.RUNNING)
    state = QueueState(Queue.ENGINE, waiting=[], running=[running], workers=[a_worker(1)])

    assert waiting_of(running, [state]) is None


def test_one_that_was_begun_before_waits_since_it_was_put_back() -> None:
    later = AT + timedelta(minutes=5)

    assert waiting_since(a_job(created_at=AT, queued_at=later, started_at=None)) == AT
    assert waiting_since(a_job(created_at=AT, queued_at=later, started_at=AT)) == later
