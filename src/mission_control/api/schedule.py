"""What runs by itself, and how often."""

from typing import Any

from celery.schedules import schedule

from mission_control.api.queue import celery_app
from mission_control.core.words import Queue

SWEEP_SECONDS = 5.0
# Webhooks bring calls at once; the poll fills what they lost.
CALLS_SECONDS = 60.0
LEADS_SECONDS = 300.0
DRIFT_SECONDS = 900.0
FIRST_SYNC_SECONDS = 120.0
INDEX_SECONDS = 60.0


def _every(seconds: float, task: str, *, queue: Queue = Queue.BACKGROUND) -> dict[str, Any]:
    """None is sent while one waits or runs: see `worker/scheduler.py`."""
    return {
        "task": task,
        "schedule": schedule(run_every=seconds),
        "options": {"queue": queue},
    }


celery_app.conf.beat_scheduler = "mission_control.worker.scheduler:InMemoryScheduler"
celery_app.conf.beat_schedule = {
    # It takes milliseconds, and what it picks up has waited long enough.
    "sweep-jobs": _every(SWEEP_SECONDS, "jobs.sweep", queue=Queue.DEPLOYMENTS),
    "poll-calls": _every(CALLS_SECONDS, "calls.poll"),
    "poll-leads": _every(LEADS_SECONDS, "leads.poll"),
    "check-drift": _every(DRIFT_SECONDS, "drift.check"),
    "index-calls": _every(INDEX_SECONDS, "memory.index"),
    # Does nothing once everything has been read to the end.
    "first-sync": _every(FIRST_SYNC_SECONDS, "sync.begin"),
}
