"""Wire shapes of importing."""

from typing import Annotated

from pydantic import BaseModel, Field

from mission_control.api.agents.schemas import AssistantId, LeftAtVapi
from mission_control.core.request_values import RequestBody

AgentName = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00]*\S[^\x00]*$")]
AgentSlug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$", examples=["front_desk"])]


class AgentImport(RequestBody):
    """An assistant at Vapi to make an agent of."""

    vapi_assistant_id: AssistantId
    name: AgentName | None = Field(
        default=None, description="Of the agent; left out: the assistant's."
    )
    id: AgentSlug | None = Field(
        default=None,
        description="Of the agent; left out: made of its name, with the beginning of the "
        "assistant's id where an agent has that id already.",
    )


class ImportCandidate(BaseModel):
    """An assistant at Vapi. Null where Vapi does not say."""

    vapi_assistant_id: str
    name: str | None
    provider: str | None
    model: str | None
    updated_at: str | None = Field(description="RFC 3339, as Vapi writes it.")
    agent_id: str | None = Field(description="The agent that is linked to it already.")
    proposed_id: str = Field(description="The id that its agent would get.")
    refusal: str | None = Field(description="Why it cannot be imported; null: it can.")
    left_at_vapi: list[LeftAtVapi] = Field(description="What its agent would not carry.")


class ImportCandidates(BaseModel):
    items: list[ImportCandidate]
