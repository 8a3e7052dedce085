"""The envelope every live event travels in, and what an event of each type tells."""

from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, computed_field

from mission_control.core.clock import utc_now

SYSTEM_CHANNEL = "system"


class EventData(BaseModel):
    """What events of one type tell. `type` names them: `<noun>.<past participle>`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: ClassVar[str]


class Event(BaseModel):
    """Something that has happened.

    `channel` says which stream it belongs to (`optimize:remus`, `system`). It gets its id in the
    outbox, when the transaction that it tells of is committed.
    """

    model_config = ConfigDict(frozen=True)

    channel: str = Field(exclude=True)
    agent_id: str | None = None
    job_id: str | None = None
    at: datetime = Field(default_factory=utc_now)
    data: SerializeAsAny[EventData]

    @computed_field
    @property
    def type(self) -> str:
        return self.data.type
