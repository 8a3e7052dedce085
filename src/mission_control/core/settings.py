"""All configuration. Nothing else in the product reads the environment."""

import hashlib
import json
import os
import re
import tempfile
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote, urlsplit

from dotenv import dotenv_values
from pydantic import (
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableError

from mission_control.core.errors import MissionControlError
from mission_control.core.setting_values import (
    SANDBOX_PRICE,
    ModelName,
    ModelPrice,
    SearchWeights,
    WebhookSignature,
)

PREFIX = "MC_"
UNIX_SOCKET_PATH_LIMIT = 100  # bytes; the kernel takes 107
DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}


class SettingsError(MissionControlError):
    """The environment cannot be used as it is."""

    code = "settings_invalid"


class Settings(BaseSettings):
    """Names are the environment's. Each one left unset means: the embedded part."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", frozen=True)

    # The outside world
    superoptix_path: Path | None = None
    vapi_api_key: SecretStr | None = None
    vapi_base_url: str | None = None
    vapi_webhook_secret: SecretStr | None = None
    vapi_webhook_hmac: WebhookSignature | None = None
    close_api_key: SecretStr | None = None
    close_base_url: str | None = None
    close_webhook_key: SecretStr | None = None
    openai_api_key: SecretStr | None = None
    openai_base_url: str | None = None
    database_url: str | None = None
    redis_url: str | None = None

    # Ours
    mc_data_dir: Path = Path("data")
    mc_host: str = "127.0.0.1"
    # The name under which a tunnel or proxy lets webhooks in from outside.
    mc_public_host: str | None = Field(
        default=None, pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$"
    )
    mc_api_port: int = Field(default=8000, ge=1, le=65500)
    mc_ui_port: int = Field(default=8501, ge=1, le=65535)
    mc_redis_port: int | None = Field(default=None, ge=0, le=65535)
    mc_demo: bool = True
    mc_secret_key: SecretStr | None = None
    mc_model: ModelName | None = None
    mc_reflection_model: ModelName | None = None
    mc_judge_model: ModelName | None = None
    mc_judge_temperature: float = Field(default=0.0, ge=0, le=2)
    mc_judge_max_tokens: int = Field(default=2_000, ge=1, le=1_000_000)
    mc_longest_prompt: int = Field(default=20_000, ge=1, le=1_000_000)  # characters
    mc_embedding_model: ModelName | None = None
    mc_search_weights: SearchWeights = Field(default_factory=SearchWeights)
    mc_search_k: float = Field(default=1, ge=0, le=1000)
    mc_model_prices: dict[str, ModelPrice] = Field(default_factory=dict)
    mc_memory_config: Path | None = None
    mc_worker_processes: int = Field(default=2, ge=1, le=64)
    mc_log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    mc_sandbox_latency_ms: int = Field(default=0, ge=0, le=60_000)
    mc_sandbox_leads: int = Field(default=29_000, ge=1, le=29_000)
    mc_sandbox_live: bool = True

    @field_validator("*", mode="before")
    @classmethod
    def _empty_means_unset(cls, value: object, info: ValidationInfo) -> object:
        may_be_unset = cls.model_fields[info.field_name or ""].default is None
        return None if value == "" and may_be_unset else value

    @field_validator("vapi_base_url", "close_base_url", "openai_base_url")
    @classmethod
    def _must_be_a_web_address(cls, value: str | None) -> str | None:
        if value is not None and not _is_web_address(value):
            raise PydanticCustomError("web_address", "It must begin with http:// or https://")
        return value

    @field_validator("database_url")
    @classmethod
    def _must_be_a_known_database(cls, value: str | None) -> str | None:
        # The value itself is not repeated: it may hold a password.
        if value is not None and not value.startswith(_schemes(*DRIVERS, *DRIVERS.values())):
            raise PydanticCustomError(
                "database", "It must begin with postgresql:// or sqlite:///; no other is supported"
            )
        return value

    @field_validator("mc_memory_config")
    @classmethod
    def _must_be_a_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise PydanticCustomError("file", "There is no such file")
        return value

    @field_validator("redis_url")
    @classmethod
    def _must_be_a_redis(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(_schemes("redis", "rediss", "unix")):
            raise PydanticCustomError("redis", "It must begin with redis://, rediss:// or unix://")
        return value

    # ---------------------------------------------------------------- where things are

    @property
    def data_dir(self) -> Path:
        return self.mc_data_dir.absolute()

    @property
    def memory_config(self) -> Path | None:
        """The file that names the memory servers; None: there are only the embedded ones."""
        usual = Path("memory.toml")
        found = self.mc_memory_config or (usual if usual.is_file() else None)
        return found.absolute() if found is not None else None

    @property
    def database(self) -> str:
        """SQLAlchemy URL with an async driver."""
        if self.database_url is None:
            return f"sqlite+aiosqlite:///{self.data_dir / 'database.db'}"
        scheme, _, rest = self.database_url.partition("://")
        return f"{DRIVERS.get(scheme, scheme)}://{rest}"

    @property
    def redis_socket(self) -> Path:
        """Where the embedded Redis listens when it has no port."""
        path = self.data_dir / "redis.sock"
        if len(str(path).encode()) <= UNIX_SOCKET_PATH_LIMIT:
            return path
        digest = hashlib.sha256(str(self.data_dir).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"mission-control-{digest}" / "redis.sock"

    @property
    def redis(self) -> str:
        """URL for redis-py."""
        if self.redis_url is not None:
            return self.redis_url
        if self.mc_redis_port:
            return f"redis://127.0.0.1:{self.mc_redis_port}/0"
        return f"unix://{quote(str(self.redis_socket))}?db=0"

    @property
    def celery_broker(self) -> str:
        """The same server, as Celery spells it."""
        if self.redis.startswith("unix://"):
            return f"redis+socket://{quote(str(self.redis_socket))}?virtual_host=0"
        return self.redis

    # ---------------------------------------------------------------- stand-ins

    @property
    def model_is_stand_in(self) -> bool:
        return self.openai_api_key is None and self.openai_base_url is None

    @property
    def vapi_is_stand_in(self) -> bool:
        return self.vapi_api_key is None

    @property
    def close_is_stand_in(self) -> bool:
        return self.close_api_key is None

    @property
    def redis_is_embedded(self) -> bool:
        return self.redis_url is None

    @property
    def sandbox_model_port(self) -> int:
        return self.mc_api_port + 1

    @property
    def sandbox_vapi_port(self) -> int:
        return self.mc_api_port + 2

    @property
    def sandbox_close_port(self) -> int:
        return self.mc_api_port + 3

    @property
    def model_base_url(self) -> str:
        if self.model_is_stand_in:
            return f"http://127.0.0.1:{self.sandbox_model_port}/v1"
        return self.openai_base_url or "https://api.openai.com/v1"

    @property
    def vapi_url(self) -> str:
        if self.vapi_base_url is not None:
            return self.vapi_base_url
        if self.vapi_is_stand_in:
            return f"http://127.0.0.1:{self.sandbox_vapi_port}"
        return "https://api.vapi.ai"

    @property
    def close_url(self) -> str:
        """Where `/api/v1/…` begins."""
        if self.close_base_url is not None:
            return self.close_base_url
        if self.close_is_stand_in:
            return f"http://127.0.0.1:{self.sandbox_close_port}"
        return "https://api.close.com"

    def environment(self) -> dict[str, str]:
        """What a child process must be given so that it reads these very settings."""
        ours = type(self).model_fields
        inherited = {name: value for name, value in os.environ.items() if name.lower() not in ours}
        places = {"mc_data_dir": self.data_dir, "mc_memory_config": self.memory_config}
        values = self.model_dump() | places
        given = {name.upper(): _as_text(v) for name, v in values.items() if v is not None}
        return inherited | given

    @property
    def vapi_key(self) -> SecretStr:
        """The key to send; the stand-in takes any."""
        return self.vapi_api_key or SecretStr("sandbox")

    @property
    def vapi_webhook_key(self) -> SecretStr | None:
        """What Vapi proves itself with; None: its webhooks cannot be told from anybody's."""
        if self.vapi_is_stand_in and self.vapi_base_url is None:
            return SecretStr("sandbox")  # what `up` tells its stand-in to send
        return self.vapi_webhook_secret

    @property
    def close_key(self) -> SecretStr:
        """The key to send; the stand-in takes any."""
        return self.close_api_key or SecretStr("sandbox")

    @property
    def unused(self) -> list[str]:
        """Settings that are set and have no effect, each in a sentence."""
        if self.vapi_webhook_secret is None or self.vapi_webhook_key is self.vapi_webhook_secret:
            return []
        return [
            "VAPI_WEBHOOK_SECRET is not used: without VAPI_API_KEY the stand-in for Vapi is in "
            "charge, and its webhooks carry a secret of their own. Set VAPI_API_KEY too, or remove it."
        ]

    def price_of(self, model: str) -> ModelPrice | None:
        """The configured price; the stand-in's pretended one; None for 'unpriced'."""
        if model in self.mc_model_prices:
            return self.mc_model_prices[model]
        return SANDBOX_PRICE if self.model_is_stand_in else None


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _schemes(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}://" for name in names)


def _as_text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value)


def load_settings() -> Settings:
    """Read the environment and `.env`, or say in one line what is wrong with them."""
    known = {name.upper() for name in Settings.model_fields}
    given = {*os.environ, *dotenv_values(".env")}
    unknown = sorted(name for name in given if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise SettingsError(f"Unknown setting {', '.join(unknown)}. Correct or remove it.")
    try:
        return Settings()
    except ValidationError as exc:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in exc.errors()
        )
        raise SettingsError(f"Setting cannot be used: {wrong}.") from None
    except UnreadableError as exc:  # only what is written as JSON can be unreadable
        named = re.search(r'"(\w+)"', str(exc))
        which = named[1].upper() if named else "One that is written as JSON"
        raise SettingsError(f"Setting cannot be used: {which}: It is not JSON.") from None


def written_in_env_file(name: str) -> str | None:
    """What `.env` says, of which the environment itself knows nothing."""
    return dotenv_values(".env").get(name)


def inherited(*names: str) -> dict[str, str]:
    """Those of the named variables that are set, for a child that must see nothing else of ours."""
    return {name: os.environ[name] for name in names if name in os.environ}


@lru_cache
def get_settings() -> Settings:
    return load_settings()
