"""Wire shapes of the system's own state."""

from typing import Literal

from pydantic import BaseModel, Field

ComponentState = Literal["ok", "degraded", "down"]


class Component(BaseModel):
    """One part of the installation. `stand_in`: it only plays the real thing."""

    name: str = Field(examples=["vapi"])
    state: ComponentState
    stand_in: bool
    detail: str = Field(examples=["answers in 3 ms"])
    milliseconds: float | None


class SystemStatus(BaseModel):
    state: ComponentState
    version: str
    components: list[Component]


class Health(BaseModel):
    status: Literal["ok"]


class Readiness(BaseModel):
    status: Literal["ready", "not_ready"]
    components: list[Component]
