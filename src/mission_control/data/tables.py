"""Every table, for Alembic and for anyone who needs the whole metadata."""

from mission_control.data import (
    agent_contexts,
    agents,
    calls,
    close_refetches,
    conversations,
    deployments,
    drift_checks,
    evaluations,
    executions,
    jobs,
    leads,
    memories,
    merged_leads,
    optimizations,
    pending_transcripts,
    sync_states,
    system_logs,
)
from mission_control.data.base import Base

__all__ = [
    "Base",
    "agent_contexts",
    "agents",
    "calls",
    "close_refetches",
    "conversations",
    "deployments",
    "drift_checks",
    "evaluations",
    "executions",
    "jobs",
    "leads",
    "memories",
    "merged_leads",
    "optimizations",
    "pending_transcripts",
    "sync_states",
    "system_logs",
]
