"""The memory servers of an installation: how each is reached, and what it may take and give."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from mission_control.integrations.memory.config.operations import Operation, OperationName, Strict

LEAST_SECRET_PART = 20  # characters of an address between two slashes; names are shorter


class ServerConfiguration(Strict):
    """One server, with the preset's operations already merged into its own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    transport: Literal["stdio", "http", "embedded"]
    command: str | None = Field(default=None, min_length=1)
    args: tuple[str, ...] = ()
    env: dict[str, str | SecretStr] = Field(default_factory=dict)
    cwd: Path | None = None
    url: SecretStr | None = None  # it may hold a key
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    role: Literal["temporal", "hybrid", "both"]
    preset: str | None = None
    weight: float = Field(default=1.0, gt=0, le=100, allow_inf_nan=False)
    connect_timeout_seconds: float = Field(default=20.0, gt=0, le=300, allow_inf_nan=False)
    call_timeout_seconds: float = Field(default=15.0, gt=0, le=300, allow_inf_nan=False)
    sync_timeout_seconds: float = Field(default=120.0, gt=0, le=3600, allow_inf_nan=False)
    concurrency: int = Field(default=4, ge=1, le=64)
    max_result_bytes: int = Field(default=4 << 20, ge=1024, le=256 << 20)
    max_items: int = Field(default=5_000, ge=1, le=1_000_000)
    operations: dict[OperationName, Operation]

    @field_validator("command")
    @classmethod
    def _one_program(cls, value: str | None) -> str | None:
        if value is not None and " " in value and not Path(value).exists():
            raise PydanticCustomError(
                "command", "It names one program; what follows it belongs into args, a list"
            )
        return value

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"https?://[^/\s]+", value.get_secret_value()):
            raise PydanticCustomError("url", "It must begin with http:// or https:// and a host")
        return value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, secret in value.items():
            text = secret.get_secret_value()
            if not re.fullmatch(r"[A-Za-z0-9-]+", name) or not text.isascii():
                raise PydanticCustomError(
                    "header", "Header '{name}' cannot be sent", {"name": name}
                )
            if not text.isprintable():
                raise PydanticCustomError(
                    "header", "Header '{name}' cannot be sent", {"name": name}
                )
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        needed = {"stdio": self.command, "http": self.url, "embedded": "ours"}[self.transport]
        if not needed:
            field = "command" if self.transport == "stdio" else "url"
            raise PydanticCustomError(
                "transport",
                "transport = '{transport}' needs {field}",
                {"transport": self.transport, "field": field},
            )
        of_others = {
            "stdio": {"url", "headers"},
            "http": {"command", "args", "env", "cwd"},
            "embedded": {"command", "args", "env", "cwd", "url", "headers"},
        }[self.transport]
        if misplaced := sorted(of_others & self.model_fields_set):
            raise PydanticCustomError(
                "transport",
                "transport = '{transport}' has no {fields}",
                {"transport": self.transport, "fields": ", ".join(misplaced)},
            )
        return self

    def without_secrets(self, text: str) -> str:
        """The text with everything removed that was given to this server in confidence."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "[redacted]")
        return text

    @property
    def environment(self) -> dict[str, str]:
        """What its process is given, as it is given."""
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self.env.items()
        }

    @property
    def _secrets(self) -> frozenset[str]:
        given = [*self.env.values(), *self.headers.values(), self.url]
        texts = {each.get_secret_value() for each in given if isinstance(each, SecretStr)}
        bearers = {text.partition(" ")[2] for text in texts}
        return frozenset(text for text in texts | bearers | self._secrets_of_url if len(text) >= 6)

    @property
    def _secrets_of_url(self) -> set[str]:
        """Where keys are put in an address: its password, its query, and long parts of its path."""
        if self.url is None:
            return set()
        url = urlsplit(self.url.get_secret_value())
        parts = {part for part in url.path.split("/") if len(part) >= LEAST_SECRET_PART}
        return {url.password or "", *parts, *(value for _, value in parse_qsl(url.query))}


@dataclass(frozen=True, slots=True)
class MemoryConfiguration:
    servers: Mapping[str, ServerConfiguration]
    path: Path | None = None  # None: there was no file
