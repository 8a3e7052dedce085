"""An assistant of Vapi, and what was said in its calls, as a SuperSpec playbook."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic import JsonValue

from mission_control.core.errors import NotAcceptableError
from mission_control.core.foreign_playbooks import AN_AGENT, agent_slug
from mission_control.core.json_types import JsonObject
from mission_control.core.storable import storable_text
from mission_control.integrations.vapi.assistant import AssistantSummary
from mission_control.integrations.vapi.drafts import HEARD, SAID, drafts
from mission_control.integrations.vapi.prompt_slots import (
    has_prompt_in_parts,
    live_first_message,
    live_prompt,
)

LONGEST_NAME = 120

# What SuperSpec takes for a provider; whatever else is reached through a gateway.
SUPERSPEC_PROVIDERS = frozenset({
    "openai", "anthropic", "google", "azure", "mistral", "cohere", "groq", "deepseek", "gateway",
})  # fmt: skip
SUPERSPEC_NAMES = {
    "deep-seek": "deepseek", "anthropic-bedrock": "anthropic", "azure-openai": "azure"
}  # fmt: skip


class NothingToImportError(NotAcceptableError):
    """The assistant at Vapi has no prompt that could become an agent's."""

    code = "nothing_to_import"
    field = "vapi_assistant_id"

    def __init__(self, assistant_id: str, why: str) -> None:
        super().__init__(
            f"{why} Nothing was made; give the assistant a system prompt in Vapi, or write a "
            "playbook and link it to the assistant.",
            assistant_id=assistant_id,
        )


def ids_for(assistant: JsonObject, name: str | None = None) -> tuple[str, str]:
    """The id that its agent gets, and the one that it gets where another agent has that already."""
    assistant_id = AssistantSummary.of(assistant).id
    own = re.sub(r"[^a-z0-9]", "", assistant_id.lower())[:8]
    called = name or name_of(assistant)
    slug = agent_slug(called)
    if slug == AN_AGENT != called.lower():  # nothing of the name can be written in an id
        slug = f"assistant_{own}"
    return slug, f"{slug[:55]}_{own}"


def why_not(assistant: JsonObject) -> str | None:
    """Why no agent can be made of it, in a sentence; None when one can."""
    if (live_prompt(assistant) or "").strip():
        return None
    summary = AssistantSummary.of(assistant)
    if not isinstance(assistant.get("model"), dict):
        return "This assistant has no model of its own (it may be a squad or a workflow)."
    if summary.provider == "custom-llm":
        return "This assistant's prompt is kept by a server of its own (custom-llm), not by Vapi."
    if has_prompt_in_parts(assistant):
        return "This assistant's system prompt is kept in parts, not as a plain text."
    return "This assistant has no system prompt."


def keeps_calls_private(assistant: JsonObject) -> bool:
    """HIPAA or PCI: what was said in its calls must not be copied anywhere."""
    plan = assistant.get("compliancePlan")
    return isinstance(plan, dict) and bool(plan.get("hipaaEnabled") or plan.get("pciEnabled"))


def playbook_of_assistant(
    assistant: JsonObject,
    calls: Iterable[JsonObject] = (),
    *,
    known_names: Mapping[str, Sequence[str]] | None = None,
    name: str | None = None,
    agent_id: str | None = None,
) -> dict[str, Any]:
    """A playbook with the assistant's prompt, byte for byte, and drafts of scenarios from `calls`.

    `name` and `agent_id`: those of the agent; left out, they are made of the assistant's name.

    No secret of the assistant gets into it, and nothing personal of who called. `known_names`: by
    the call's id, what others know of who it was with.

    Raises:
        NothingToImportError: It has no prompt.
    """
    reason = why_not(assistant)
    if reason is not None:
        raise NothingToImportError(AssistantSummary.of(assistant).id, reason)
    assistant_id = AssistantSummary.of(assistant).id or None
    name, tools = name or name_of(assistant), _tools(assistant)
    spec: dict[str, Any] = {
        "language_model": _language_model(assistant),
        "persona": {"name": name, "role": "Answers and makes phone calls"},
        "tasks": [{
            "name": "answer_turn",
            "instruction": "Reply to what the person on the phone just said.",
            "inputs": [_field(HEARD)],
            "outputs": [_field(SAID)],
        }],
        "input_fields": [_field(HEARD)],
        "output_fields": [_field(SAID)],
        "agentflow": [{"name": "answer", "type": "Generate", "task": "answer_turn"}],
        "dspy": {"module": "predict", "adapter": {"mode": "manual", "type": "chat"}},
        "prompt": live_prompt(assistant),
        "feature_specifications": {
            "scenarios": list(drafts(calls, known_names, assistant_id=assistant_id))
        },
    }  # fmt: skip
    first_message = live_first_message(assistant)
    if first_message is not None and first_message.strip():
        spec["first_message"] = first_message
    if tools:
        spec["tool_calling"] = {
            "enabled": True,
            "available_tools": list(tools),
            "descriptions": {tool: text for tool, text in tools.items() if text},
        }
    return {
        "apiVersion": "agent/v1",
        "kind": "AgentSpec",
        "metadata": {
            "name": name,
            "id": agent_id or ids_for(assistant, name)[0],
            "version": "1.0.0",
            "description": f"Imported from the assistant {name_of(assistant)} at Vapi.",
            "agent_type": "Interactive",
            "level": "genies" if tools else "oracles",
            "stage": "beta",
            "tags": ["vapi"],
        },
        "spec": spec,
    }


def another_model_answers(assistant: JsonObject) -> list[str]:
    """Where an evaluation here asks another model than callers hear, in a sentence."""
    if AssistantSummary.of(assistant).provider != "custom-llm":
        return []
    return [
        "The assistant's model is a server of its own (custom-llm); here the model of the settings "
        "answers instead."
    ]


# ---------------------------------------------------------------- parts


def name_of(assistant: JsonObject) -> str:
    summary = AssistantSummary.of(assistant)
    name = " ".join(storable_text(summary.name or "").split())[:LONGEST_NAME]
    return name or f"assistant {summary.id[:8]}"


def _language_model(assistant: JsonObject) -> dict[str, Any]:
    model = cast("JsonObject", assistant["model"])
    summary = AssistantSummary.of(assistant)
    at_vapi = storable_text(summary.provider or "")
    provider = SUPERSPEC_NAMES.get(at_vapi, at_vapi)
    described: dict[str, Any] = {
        "location": "cloud",
        "provider": provider if provider in SUPERSPEC_PROVIDERS else "gateway",
        "model": storable_text(summary.model or "").strip() or "default",
    }
    if at_vapi and at_vapi != described["provider"]:
        described["vapi_provider"] = at_vapi
    temperature, max_tokens = model.get("temperature"), model.get("maxTokens")
    if type(temperature) in (int, float) and 0 <= cast("float", temperature) <= 2:
        described["temperature"] = temperature
    if type(max_tokens) is int and 1 <= max_tokens <= 1_000_000:
        described["max_tokens"] = max_tokens
    return described


def _field(name: str) -> dict[str, Any]:
    described = {
        HEARD: "What the person on the phone just said",
        SAID: "What the agent says next",
    }
    return {"name": name, "type": "str", "description": described[name], "required": True}


def _tools(assistant: JsonObject) -> dict[str, str]:
    """Names of its own tools, with what they are for. Nothing else of a tool: it holds secrets."""
    tools = _object(assistant, "model").get("tools")
    described: dict[str, str] = {}
    for tool in tools if isinstance(tools, list) else []:
        if not isinstance(tool, dict):
            continue
        function = _object(tool, "function")
        name = _text(function.get("name")) or _text(tool.get("type"))
        if name:
            described.setdefault(name, _text(function.get("description")))
    return described


def _text(value: JsonValue) -> str:
    return storable_text(value).strip() if isinstance(value, str) else ""


def _object(value: JsonObject, key: str) -> JsonObject:
    found = value.get(key)
    return found if isinstance(found, dict) else {}
