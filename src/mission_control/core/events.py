"""The envelope every live event travels in."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mission_control.core.clock import utc_now

SYSTEM_CHANNEL = "system"


class Event(BaseModel):
    """Something that has happened, named `<noun>.<past participle>`.

    `channel` says which stream it belongs to (`optimize:remus`, `system`). It gets its id in the
    outbox, when the transaction that it tells of is committed.
    """

    model_config = ConfigDict(frozen=True)

    channel: str
    type: str
    agent_id: str | None = None
    job_id: str | None = None
    at: datetime = Field(default_factory=utc_now)
    data: dict[str, Any] = Field(default_factory=dict)
