"""Wire shapes of agents and versions."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mission_control.core.request_values import RequestBody
from mission_control.core.words import AgentStatus, AgentType, AnsweringState, VersionOrigin
from mission_control.integrations.vapi.left_there import LeftThere

VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]  # what a database can hold
AssistantId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9-]{1,64}$", examples=["6f1c6c1e-1111-4111-8111-111111111111"]),
]
WrittenType = Annotated[AgentType, Field(strict=False)]


class AgentCreate(RequestBody):
    """A playbook as YAML text, or the name of one that ships with SuperOptiX."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"marketplace": "developer"}],
            "oneOf": [
                {
                    "required": ["playbook"],
                    "properties": {"playbook": {"type": "string"}, "marketplace": {"type": "null"}},
                },
                {
                    "required": ["marketplace"],
                    "properties": {"marketplace": {"type": "string"}, "playbook": {"type": "null"}},
                },
            ],
        }
    )

    playbook: str | None = Field(
        default=None, description="SuperSpec playbook, YAML, at most 1 MiB."
    )
    marketplace: str | None = Field(
        default=None,
        pattern=r"^[\w-]+$",
        max_length=100,
        description="Name of a playbook of SuperOptiX's own.",
    )
    type: WrittenType = AgentType.STANDALONE
    vapi_assistant_id: AssistantId | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "AgentCreate":
        if (self.playbook is None) == (self.marketplace is None):
            raise ValueError("Give either `playbook` or `marketplace`.")
        return self


class AgentUpdate(RequestBody):
    """What to change. A new playbook or prompt makes a new version; the old ones stay."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"prompt": "You answer calls of a roofing company.", "based_on": 1}],
            "anyOf": [
                {"properties": {"playbook": {"type": "null"}}},
                {"properties": {"prompt": {"type": "null"}}},
            ],
        }
    )

    playbook: str | None = None
    prompt: str | None = Field(default=None, min_length=1, max_length=100_000)
    note: str = Field(default="", max_length=2_000, pattern=r"^[^\x00]*$")
    based_on: VersionNumber | None = Field(
        default=None, description="The version you edited; refused if there is a newer one."
    )
    type: WrittenType | None = None
    vapi_assistant_id: AssistantId | None = None

    @model_validator(mode="after")
    def _not_both(self) -> "AgentUpdate":
        if self.playbook is not None and self.prompt is not None:
            raise ValueError("Give either `playbook` or `prompt`.")
        return self


class MeasuredRate(BaseModel):
    """What was measured last of the version in force, on scenarios that no search has seen."""

    pass_rate: float = Field(examples=[0.875])
    split: Literal["test"] = "test"
    scenarios: int = Field(examples=[16])
    repetitions: int
    version: int = Field(description="In force: deployed, or else the current one.")
    evaluation_id: UUID
    measured_at: datetime


class Answering(BaseModel):
    """What answers for an agent now. Null where that is not known, or nothing of ours does."""

    state: AnsweringState
    line: str = Field(
        description="All of it but what was measured, in a sentence or two.",
        examples=["Version 3 answers at Vapi since 2026-11-28 09:00 UTC, deployed by …"],
    )
    version: int | None = None
    since: datetime | None = None
    by: str | None = None
    measured: str | None = Field(
        default=None, description="Of the version that answers, in a sentence; null in lists."
    )


class AgentRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["remus"])
    name: str = Field(examples=["REMUS"])
    description: str
    type: AgentType
    status: AgentStatus
    current_version: int
    deployed_version: int | None
    vapi_assistant_id: str | None
    answering: Answering
    measured: MeasuredRate | None = Field(
        default=None, description="null: the version in force was not measured on the test split."
    )
    created_at: datetime
    updated_at: datetime


class ScenarioRead(BaseModel):
    """One BDD case of a version, with the split it belongs to."""

    id: str
    description: str
    tags: list[str]
    split: Literal["train", "validation", "test"]
    anchor: bool
    draft: bool = Field(description="Not reviewed yet; left out of evaluations.")
    input: dict[str, str]
    expected: dict[str, str]
    checks: list[str] = Field(examples=[["contains: licensed agent", "excludes: guarantee"]])


class LeftAtVapi(BaseModel):
    """One kind of thing that an assistant has and its agent does not carry. No values: they may be secret."""

    what: str = Field(examples=["tools by reference"])
    items: list[str] = Field(examples=[["toolIds: 2"]])

    @classmethod
    def of(cls, found: LeftThere) -> "LeftAtVapi":
        return cls(what=found.what, items=found.items)


class AgentDetail(AgentRead):
    """An agent with its current version."""

    left_at_vapi: list[LeftAtVapi] | None = Field(
        default=None,
        description="What its assistant has and the agent does not carry, as last compared; "
        "null: not known.",
    )
    prompt: str
    first_message: str | None = Field(description="What a phone bot says first; null: not ours.")
    warnings: list[str]
    scenarios: list[ScenarioRead]


class AgentPage(BaseModel):
    items: list[AgentRead]
    next_cursor: str | None


class VersionRead(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    agent_id: str
    number: int
    content_hash: str
    origin: VersionOrigin
    parent: int | None
    note: str
    warnings: list[str]
    created_at: datetime


class VersionDetail(VersionRead):
    prompt: str
    first_message: str | None
    playbook: str = Field(description="Canonical YAML: what the hash is of.")


class VersionPage(BaseModel):
    items: list[VersionRead]
    next_cursor: str | None


class VersionDiff(BaseModel):
    """Unified diffs; empty where nothing changed."""

    agent_id: str
    before: int
    after: int
    prompt: str
    playbook: str


class AgentCompiled(BaseModel):
    """What SuperOptiX's compiler made of the current version."""

    agent_id: str
    version: int
    prompt: str
    inputs: list[str]
    outputs: list[str]
    module: str
    warnings: list[str]


class AgentState(BaseModel):
    """Where an agent stands, and what is going on with it."""

    agent_id: str
    status: AgentStatus
    current_version: int
    deployed_version: int | None
    open_jobs: list[UUID]
    answering: Answering


class MarketplaceRead(BaseModel):
    names: list[str]
