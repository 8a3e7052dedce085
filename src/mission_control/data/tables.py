"""Every table, for Alembic and for anyone who needs the whole metadata."""

from mission_control.data import (
    agents,
    calls,
    deployments,
    drift_checks,
    evaluations,
    executions,
    jobs,
    leads,
    optimizations,
    sync_states,
    system_logs,
)
from mission_control.data.base import Base

__all__ = [
    "Base",
    "agents",
    "calls",
    "deployments",
    "drift_checks",
    "evaluations",
    "executions",
    "jobs",
    "leads",
    "optimizations",
    "sync_states",
    "system_logs",
]
