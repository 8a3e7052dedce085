"""Values of settings that have a shape of their own."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

# The length apart from the pattern: a counted \w costs 3 MB of each process, for each such field.
ModelName = Annotated[str, Field(pattern=r"^[\w./:@+-]+$", max_length=120)]


class ModelPrice(BaseModel):
    """USD per million tokens."""

    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)


# What the stand-in model pretends to cost, so that budgets can be tried without money.
SANDBOX_MODEL = "openai/sandbox-1"
SANDBOX_PRICE = ModelPrice(input_per_million=0.15, output_per_million=0.60)


class SearchWeights(BaseModel):
    """How much words and meaning count in a search over conversations."""

    model_config = ConfigDict(extra="forbid")

    lexical: float = Field(default=0.7, ge=0, le=100)
    dense: float = Field(default=0.3, ge=0, le=100)


class WebhookSignature(BaseModel):
    """How Vapi signs its webhooks: the fields of its HMAC credential, under the names Vapi gives them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    signature_header: str = "x-signature"
    timestamp_header: str = "x-timestamp"
    include_timestamp: bool = True
    payload_format: str = "{timestamp}.{body}"
    signature_prefix: str = ""
    signature_encoding: Literal["hex", "base64"] = "hex"
    secret_is_base64: bool = False
    message_id_header: str | None = None
