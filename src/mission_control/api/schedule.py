"""What runs by itself, and how often."""

from celery.schedules import schedule

from mission_control.api.queue import celery_app

SWEEP_SECONDS = 5.0

celery_app.conf.beat_schedule = {
    "sweep-jobs": {
        "task": "jobs.sweep",
        "schedule": schedule(run_every=SWEEP_SECONDS),
        # A sweep that waited longer than its interval has been overtaken by the next one.
        "options": {"expires": SWEEP_SECONDS},
    },
}
