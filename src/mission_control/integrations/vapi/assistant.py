"""A Vapi assistant as JSON. Its configuration is kept verbatim: what we do not know is carried along."""

from dataclasses import dataclass
from typing import NotRequired, Self, TypedDict, cast

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.integrations.errors import IntegrationContractError

SYSTEM, FIRST_MESSAGE = "system", "first_message"  # what a deployment can change
# Vapi changes these by itself on a write; they are not configuration.
SERVER_MANAGED = frozenset({"updatedAt", "latestVersion", "modelDeprecations", "analyticsMetadata"})
# Vapi shows these and refuses them in a configuration that is sent to it.
READ_ONLY = SERVER_MANAGED | {
    "id", "orgId", "createdAt", "isServerUrlSecretSet", "isDeleted", "workflowIds"
}  # fmt: skip


class OptimizedPrompts(TypedDict):
    """What a deployment puts on an assistant. No `first_message` leaves the one that is there."""

    system: str
    first_message: NotRequired[str | None]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a rollback needs: the assistant before, verbatim, and what was put on it.

    `replaced` is the prompt that stood where ours was put; None where nobody noted it, or none did.
    Holds secrets (an assistant's tools carry them): encrypt it before storing it.
    """

    assistant: JsonObject
    deployed: OptimizedPrompts
    replaced: str | None = None

    def to_json(self) -> JsonObject:
        return {
            "assistant": self.assistant,
            "deployed": cast("JsonObject", {**self.deployed}),
            "replaced": self.replaced,
        }

    @classmethod
    def from_json(cls, value: JsonValue) -> Self:
        match value:
            case {"assistant": dict(assistant), "deployed": {"system": str()} as deployed, **rest}:
                replaced = rest.get("replaced")
                return cls(
                    assistant,
                    cast("OptimizedPrompts", deployed),
                    replaced if isinstance(replaced, str) else None,
                )
            case _:
                raise IntegrationContractError("This is not a snapshot of a Vapi assistant.")


@dataclass(frozen=True, slots=True)
class AssistantSummary:
    """The parts we rely on. None where Vapi does not say, or says it in a way we do not know."""

    id: str
    name: str | None
    provider: str | None
    model: str | None
    latest_version: str | None
    created_at: str | None  # RFC 3339, as Vapi writes it
    updated_at: str | None

    @classmethod
    def of(cls, assistant: JsonObject) -> Self:
        model = assistant.get("model")
        model = model if isinstance(model, dict) else {}
        return cls(
            id=text_of(assistant, "id") or "",
            name=text_of(assistant, "name"),
            provider=text_of(model, "provider"),
            model=text_of(model, "model"),
            latest_version=text_of(assistant, "latestVersion"),
            created_at=text_of(assistant, "createdAt"),
            updated_at=text_of(assistant, "updatedAt"),
        )


def without_read_only(assistant: JsonObject) -> JsonObject:
    """What can be sent to Vapi as a configuration of its own."""
    return {key: value for key, value in assistant.items() if key not in READ_ONLY}


def text_of(values: JsonObject, key: str) -> str | None:
    value = values.get(key)
    return value if isinstance(value, str) else None
