"""What messages in both directions are made of. Money is USD as a float, times are milliseconds."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_serializer

ErrorKind = Literal[
    "transport",  # the model could not be reached
    "timeout",
    "server",  # the model's server failed (5xx)
    "auth",
    "rate_limit",
    "billing",
    "format",  # the model answers, but not in a form that can be read
    "config",  # model, optimizer or budget settings that cannot work
    "truncated",  # the model's answer was cut by its token limit, and nothing of it can be read
    "filtered",  # the model's provider withheld the answer
    "refused",  # the model refused to answer
    "request",  # the model's server refused the request
    "playbook",  # the playbook cannot be compiled, or asks for what is not allowed
    "reflection",  # the reflection model failed three times in a row
    "unreliable",  # so many model calls failed that scores would be noise
    "budget",  # the money or the time ran out before anything could be measured
    "cancelled",
    "crashed",  # the engine process died
    "internal",
]
# `whole_reply` is never declared: it is what a reply fails that was cut by the token limit.
CheckKind = Literal["contains", "excludes", "exact", "regex", "judge", "superoptix", "whole_reply"]
OptimizerName = Literal["GEPA", "MIPROv2", "BootstrapFewShot", "SIMBA"]
Level = Literal["light", "medium", "heavy"]
StopReason = Literal[
    "finished",  # the optimizer used its whole plan
    "perfect",  # every validation scenario passes with full score
    "budget_metric_calls",
    "budget_usd",
    "budget_minutes",
]


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Price(Message):
    """USD per million tokens."""

    input_per_million: float = Field(ge=0)
    output_per_million: float = Field(ge=0)


class Model(Message):
    """A language model as LiteLLM names it (`openai/gpt-4o-mini`). `price=None` is 'unpriced'."""

    name: str = Field(pattern=r"^[\w./:@+-]{1,120}$")
    base_url: str | None = None
    api_key: SecretStr = SecretStr("")
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=400, ge=1)
    timeout_seconds: float = Field(default=60, gt=0, lt=120)
    retries: int = Field(default=2, ge=0, le=10)
    price: Price | None = None

    @field_serializer("api_key", when_used="json")
    def _reveal(self, key: SecretStr) -> str:
        return key.get_secret_value()


class Check(Message):
    """One condition on an answer. `contains` needs all values, `excludes` none of them."""

    kind: CheckKind
    values: list[str] = Field(default_factory=list)
    field: str | None = None  # None: every expected field together, joined by newlines


class Scenario(Message):
    id: str = Field(min_length=1, max_length=120)
    input: dict[str, str]
    expected: dict[str, str]
    checks: list[Check]
    # Other forms of a value that count as the same: {"$49": ["forty nine dollars"]}.
    spoken_forms: dict[str, list[str]] = Field(default_factory=dict)


class Demonstration(Message):
    inputs: dict[str, str]
    outputs: dict[str, str]


class Program(Message):
    """What is executed: the playbook's fields and module, and the prompt as data.

    `prompt=None`: the prompt that SuperOptiX would make of the playbook's persona and first task.
    """

    agent_id: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")
    playbook: dict[str, Any]
    prompt: str | None = None
    demonstrations: list[Demonstration] = Field(default_factory=list)


class Usage(Message):
    """What calls used. None: at least one of them did not say, or is unpriced."""

    calls: int = 0
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cost_usd: float | None = None


class CheckResult(Message):
    kind: CheckKind
    passed: bool
    score: float = Field(ge=0, le=1)
    reason: str | None = None  # why it failed, in words an operator understands
