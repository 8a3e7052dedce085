"""Every table, for Alembic and for anyone who needs the whole metadata."""

from mission_control.data import (
    agents,
    deployments,
    evaluations,
    executions,
    jobs,
    optimizations,
    system_logs,
)
from mission_control.data.base import Base

__all__ = [
    "Base",
    "agents",
    "deployments",
    "evaluations",
    "executions",
    "jobs",
    "optimizations",
    "system_logs",
]
