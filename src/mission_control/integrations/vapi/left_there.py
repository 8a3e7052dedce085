"""What an assistant has at Vapi and an agent here does not carry: it stays there, and is named.

Names and counts alone: tools, hooks and servers hold secrets.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.core.storable import storable_text
from mission_control.integrations.vapi.assistant import READ_ONLY, text_of
from mission_control.integrations.vapi.prompt_slots import (
    live_first_message,
    live_prompt,
    other_system_messages,
)
from mission_control.integrations.vapi.squads import squad_name, squads_of

IN_SQUADS = "squads that it is in"
MOST_NAMED = 12
LONGEST_NAME = 80
LIQUID = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
# What an agent carries, or what is named in a group of its own.
CARRIED = frozenset({"name", "firstMessage", "model"}) | READ_ONLY
CARRIED_OF_MODEL = frozenset(
    {"provider", "model", "temperature", "maxTokens", "messages", "systemPrompt"}
)
GROUPS = {
    "analysis of calls": (
        "analysisPlan", "artifactPlan", "structuredOutputIds", "scorecardIds", "observabilityPlan",
    ),
    "servers and webhooks": (
        "server", "serverUrl", "serverUrlSecret", "serverMessages", "clientMessages",
        "credentials", "credentialIds", "webhookUrl",
    ),
    "hooks": ("hooks",),
    "voice and hearing": (
        "voice", "transcriber", "backgroundSound", "backgroundDenoisingEnabled",
        "backgroundSpeechDenoisingPlan", "startSpeakingPlan", "stopSpeakingPlan",
        "voicemailDetection", "voicemailMessage", "keypadInputPlan", "messagePlan",
    ),
    "how a call begins and ends": (
        "firstMessageMode", "firstMessageInterruptionsEnabled", "endCallMessage", "endCallPhrases",
        "endCallFunctionEnabled", "maxDurationSeconds", "silenceTimeoutSeconds",
    ),
}  # fmt: skip
GROUPS_OF_MODEL = {
    "tools by reference": ("toolIds", "toolRefs"),
    "knowledge base": ("knowledgeBase", "knowledgeBaseId"),
}


@dataclass(frozen=True, slots=True)
class LeftThere:
    """One kind of thing that stays at Vapi, and which ones, by name."""

    what: str
    items: list[str]


def left_there(
    assistant: JsonObject, squads: Iterable[JsonObject] | None = None
) -> list[LeftThere]:
    """All that the agent does not carry. `squads`: all that Vapi has; None where nobody asked."""
    model = _object(assistant.get("model"))
    found = [
        LeftThere("other messages of its model", list(_other_messages(assistant, model))),
        LeftThere("Liquid, filled at Vapi in each call", list(_liquid(assistant))),
        LeftThere("what its tools do (their names are here)", list(_tools(model.get("tools")))),
        *_grouped(
            model, GROUPS_OF_MODEL, {*CARRIED_OF_MODEL, "tools"}, "other settings of its model"
        ),
        *_grouped(assistant, GROUPS, CARRIED, "other settings"),
        LeftThere(IN_SQUADS, _squads(assistant, squads)),
    ]
    return [LeftThere(each.what, _few(each.items)) for each in found if each.items]


def _other_messages(assistant: JsonObject, model: JsonObject) -> Iterator[str]:
    others = len(other_system_messages(assistant))
    if others:
        yield f"system: {others}"
    messages = model.get("messages")
    roles = [
        text_of(one, "role") or "?"
        for one in (messages if isinstance(messages, list) else [])
        if isinstance(one, dict) and one.get("role") != "system"
    ]
    for role in dict.fromkeys(roles):
        yield f"{role}: {roles.count(role)}"


def _liquid(assistant: JsonObject) -> Iterator[str]:
    texts = [live_prompt(assistant) or "", live_first_message(assistant) or ""]
    yield from dict.fromkeys(tag for text in texts for tag in LIQUID.findall(text))


def _tools(tools: JsonValue) -> Iterator[str]:
    for tool in tools if isinstance(tools, list) else []:
        if isinstance(tool, dict):
            named = text_of(_object(tool.get("function")), "name") or text_of(tool, "name")
            yield named or text_of(tool, "type") or "unnamed"


def _grouped(
    owner: JsonObject, groups: dict[str, tuple[str, ...]], carried: Iterable[str], rest: str
) -> Iterator[LeftThere]:
    there = {key: value for key, value in owner.items() if value not in (None, [], {}, "")}
    for what, keys in groups.items():
        yield LeftThere(what, [_named(key, there[key]) for key in keys if key in there])
    known = {*carried, *(key for keys in groups.values() for key in keys)}
    yield LeftThere(rest, [key for key in there if key not in known])


def _named(key: str, value: JsonValue) -> str:
    if isinstance(value, list):
        return f"{key}: {len(value)}"
    url = value if key in ("serverUrl", "webhookUrl") else _object(value).get("url")
    if isinstance(url, str) and (host := _host(url)):
        return f"{key}: {host}"
    return key


def _host(url: str) -> str | None:
    """Where to, and no more: paths and queries of such addresses hold secrets."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _squads(assistant: JsonObject, squads: Iterable[JsonObject] | None) -> list[str]:
    return [squad_name(each) for each in squads_of(squads or [], str(assistant.get("id")))]


def _few(items: list[str]) -> list[str]:
    named = [storable_text(" ".join(each.split()))[:LONGEST_NAME] for each in items[:MOST_NAMED]]
    more = len(items) - len(named)
    return [*named, *([f"and {more} more"] if more else [])]


def _object(value: JsonValue) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}
