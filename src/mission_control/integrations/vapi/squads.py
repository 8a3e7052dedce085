"""Squads: members may put texts of their own in the place of an assistant's."""

from collections.abc import Iterable

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.core.storable import storable_text
from mission_control.integrations.vapi.assistant import text_of


def squads_of(squads: Iterable[JsonObject], assistant_id: str) -> list[JsonObject]:
    """Those that the assistant is a member of."""
    return [squad for squad in squads if any(_members(squad, assistant_id))]


def squads_that_override(squads: Iterable[JsonObject], assistant_id: str) -> list[str]:
    """Names of those whose callers hear another prompt or first message than the assistant's."""
    return [
        squad_name(squad)
        for squad in squads_of(squads, assistant_id)
        if any(_overrides_texts(member) for member in _members(squad, assistant_id))
    ]


def squad_name(squad: JsonObject) -> str:
    return storable_text(text_of(squad, "name") or f"the squad {text_of(squad, 'id')}")


def _members(squad: JsonObject, assistant_id: str) -> list[JsonObject]:
    members = squad.get("members")
    return [
        member
        for member in (members if isinstance(members, list) else [])
        if isinstance(member, dict) and member.get("assistantId") == assistant_id
    ]


def _overrides_texts(member: JsonObject) -> bool:
    overrides = _object(member.get("assistantOverrides"))
    model = _object(overrides.get("model"))
    messages = model.get("messages")
    says_system = any(
        isinstance(one, dict) and one.get("role") == "system" and one.get("content")
        for one in (messages if isinstance(messages, list) else [])
    )
    return says_system or bool(model.get("systemPrompt")) or bool(overrides.get("firstMessage"))


def _object(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}
