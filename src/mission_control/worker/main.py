"""`celery -A mission_control.worker.main worker`: loads every feature's tasks."""

from kombu.transport.redis import Channel

from mission_control.api import schedule
from mission_control.api.deployments import tasks as deployments_tasks
from mission_control.api.drift import tasks as drift_tasks
from mission_control.api.evaluate import tasks as evaluate_tasks
from mission_control.api.jobs import tasks as jobs_tasks
from mission_control.api.mirrors import tasks as mirrors_tasks
from mission_control.api.optimize import tasks as optimize_tasks
from mission_control.api.queue import celery_app
from mission_control.api.sync import tasks as sync_tasks
from mission_control.worker import process_logging
from mission_control.worker.heartbeat import WorkerHeartbeat
from mission_control.worker.lost_connections import Deliveries

Channel.QoS = Deliveries
celery_app.steps["consumer"].add(WorkerHeartbeat)


__all__ = [
    "celery_app",
    "deployments_tasks",
    "drift_tasks",
    "evaluate_tasks",
    "jobs_tasks",
    "mirrors_tasks",
    "optimize_tasks",
    "process_logging",
    "schedule",
    "sync_tasks",
]
