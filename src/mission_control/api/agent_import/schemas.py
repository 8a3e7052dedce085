"""Wire shapes of importing."""

from pydantic import BaseModel, Field

from mission_control.api.agents.schemas import AssistantId
from mission_control.core.request_values import RequestBody


class AgentImport(RequestBody):
    """An assistant at Vapi to make an agent of."""

    vapi_assistant_id: AssistantId


class ImportCandidate(BaseModel):
    """An assistant at Vapi. Null where Vapi does not say."""

    vapi_assistant_id: str
    name: str | None
    provider: str | None
    model: str | None
    updated_at: str | None = Field(description="RFC 3339, as Vapi writes it.")
    agent_id: str | None = Field(description="The agent that is linked to it already.")
    refusal: str | None = Field(description="Why it cannot be imported; null: it can.")


class ImportCandidates(BaseModel):
    items: list[ImportCandidate]
