"""Wire shapes of leads."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from mission_control.core.money import Money
from mission_control.core.request_values import RequestBody, not_null
from mission_control.core.words import CallEnding, CallSource, LeadMatch, SuccessRubric

CLOSE_ID = r"^[A-Za-z0-9_-]{1,64}$"
Text = Annotated[str, StringConstraints(max_length=10_000)]


class LeadRead(BaseModel):
    """A lead as lists show it. `custom` is keyed by `cf_…`; `/api/leads/fields` says what each is."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["lead_7Dq0Mh2Jr3BnVx8YwKcTzLpEaQsRuFgHiNoPbWyXkMd"])
    name: str = Field(examples=["Calloway Farms"])
    status_id: str | None
    status_label: str | None = Field(examples=["Qualified"])
    primary_phone: str | None = Field(description="E.164", examples=["+15125550142"])
    primary_email: str | None
    custom: dict[str, JsonValue] = Field(examples=[{"cf_2GqJ0pXw": "EPDM 60 mil"}])
    created_at: datetime
    updated_at: datetime


class LeadPage(BaseModel):
    items: list[LeadRead]
    next_cursor: str | None


class ContactRead(BaseModel):
    """A person of the lead. Numbers are E.164 where Close could read them."""

    id: str | None
    name: str | None
    title: str | None
    phones: list[str]
    emails: list[str]


class CustomValue(BaseModel):
    """What the lead has in one custom field. `name` and `type` are null for a field unknown here."""

    id: str
    name: str | None
    type: str | None
    value: JsonValue


class LeadReference(BaseModel):
    id: str
    name: str


class LeadCall(BaseModel):
    """A call of the lead. `GET /api/calls/{id}` has what was said."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    source: CallSource
    external_id: str
    agent_id: str | None
    created_at: datetime
    started_at: datetime | None
    duration_seconds: float | None
    direction: str | None
    status: str | None
    ended_reason: str | None
    ending: CallEnding | None = Field(description="null: it has not ended yet")
    success_evaluation: str | None
    success_rubric: SuccessRubric | None
    success: bool | None
    success_score: float | None
    cost_usd: Money | None = Field(description="null: unpriced")
    customer_number: str | None
    summary: str | None
    matched_by: LeadMatch = Field(description="How it was found to belong to this lead.")
    same_call_as: UUID | None = Field(
        description="The row of the other source that tells of the same call: named by it, or with "
        "the same number, begun within two minutes and about as long."
    )
    other_leads: list[LeadReference] = Field(
        description="Leads that share the number: the call may be theirs."
    )


class LeadDetail(LeadRead):
    """A lead with its people, what its custom fields say, and its newest calls at Vapi and Close."""

    description: str | None
    url: str | None
    close_url: str | None = Field(description="The lead's page in Close.")
    contacts: list[ContactRead]
    custom_fields: list[CustomValue]
    mirrored_at: datetime = Field(description="When this was last read from Close.")
    calls: list[LeadCall] = Field(description="Newest first, at most 200.")
    more_calls: bool = Field(description="Whether there are older calls than these.")


class LeadUpdate(RequestBody):
    """What is to change; what is left out stays. A custom field is named by its id or its name."""

    model_config = ConfigDict(
        json_schema_extra={
            "minProperties": 1,
            "examples": [
                {"status": "Qualified"},
                {"custom": {"Roof type": "EPDM 60 mil", "Next visit": None}},
                {"custom": {"Interests": {"add": "Maintenance plan"}}},
            ],
        },
    )

    name: Annotated[str, StringConstraints(min_length=1, max_length=500)] | None = Field(
        default=None, json_schema_extra=not_null
    )
    status: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        default=None, description="Id or label.", json_schema_extra=not_null
    )
    description: Text | None = None
    url: Annotated[str, StringConstraints(max_length=2000)] | None = None
    custom: dict[str, JsonValue] | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        json_schema_extra=not_null,
        description="null unsets. A field that holds several values takes "
        '`{"add": value}`, `{"remove": value}` or `{"replace": [values]}` only.',
    )

    @model_validator(mode="after")
    def _must_change_something(self) -> "LeadUpdate":
        if not self.model_fields_set:
            raise ValueError("Name at least one thing to change.")
        for name in ("name", "status", "custom"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"`{name}` cannot be null; leave it out to keep it.")
        return self


class LeadFieldRead(BaseModel):
    """A custom field, as Close defines it."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(examples=["cf_2GqJ0pXwTnVb8sYkRmZc4LdHuEaFgQiPo1NxK7vWyBt"])
    name: str = Field(examples=["Roof type"])
    type: str = Field(examples=["choices"])
    accepts_multiple: bool
    choices: list[str]


class LeadStatusRead(BaseModel):
    id: str = Field(examples=["stat_1ZdiZqcSIkoGVnNOyxiEY58eTGQmFNG3LPlEVQ4V7Nk"])
    label: str = Field(examples=["Potential"])


class LeadFieldsRead(BaseModel):
    """What leads can be filtered by and changed in. Empty until Close was synced once."""

    fields: list[LeadFieldRead]
    statuses: list[LeadStatusRead]
    read_at: datetime | None
