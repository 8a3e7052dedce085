"""Wire shapes of webhooks."""

from pydantic import BaseModel, Field


class WebhookTaken(BaseModel):
    """The message was authentic, and is dealt with."""

    stored: bool = Field(description="False: it says nothing that is kept here.")
