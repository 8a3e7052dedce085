"""Wire shapes of syncs."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.words import SyncStatus, SyncSystem


class SystemSync(BaseModel):
    """One system outside, and how much of it is mirrored here."""

    system: SyncSystem
    status: SyncStatus = Field(
        description="Of the sync that runs, or else of the last reading: `waiting` if there was none."
    )
    stand_in: bool
    complete_until: datetime | None = Field(
        description="Everything up to this moment is mirrored. Null: never read to the end."
    )
    counts: dict[str, int] = Field(examples=[{"leads": 29000, "calls": 24000}])
    error: ErrorRead | None


class SyncRead(BaseModel):
    """`job_id` is the sync that runs or waits, if there is one."""

    systems: list[SystemSync]
    job_id: UUID | None
