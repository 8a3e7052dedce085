"""Wire shapes of drift: how an agent here and its assistant at Vapi have moved apart."""

from datetime import datetime

from pydantic import BaseModel, Field

from mission_control.api.jobs.schemas import ErrorRead
from mission_control.core.words import DriftState


class DriftField(BaseModel):
    """One thing that is not the same everywhere.

    Texts are told of what we deploy (`system`, `first_message`) and are null of everything else,
    which may hold secrets. Null also where there is none.
    """

    field: str = Field(examples=["system", "first_message", "model.temperature", "voice"])
    state: DriftState
    here: str | None = Field(default=None, description="What the agent's current version says.")
    deployed: str | None = Field(default=None, description="What we deployed last.")
    live: str | None = Field(default=None, description="What the assistant says now.")


class DriftRead(BaseModel):
    """The latest comparison of an agent with its assistant.

    State `unknown`: Vapi could not be asked, or was not yet since a deployment; `error` says which,
    and `fields` are those of `compared_at`, when it last answered.
    """

    agent_id: str
    assistant_id: str
    state: DriftState
    fields: list[DriftField] = Field(description="All that is not clean.")
    warnings: list[str] = Field(description="What else is worth knowing, in sentences.")
    error: ErrorRead | None
    checked_at: datetime = Field(description="When Vapi was last asked.")
    compared_at: datetime | None = Field(description="When it last answered; null: never.")


class DriftPage(BaseModel):
    items: list[DriftRead]
    next_cursor: str | None
