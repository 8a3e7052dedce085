"""What was said in a call, and what tools were asked and answered, turn by turn."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.core.storable import storable_text
from mission_control.integrations.vapi.json_fields import figure_of, object_in, text_in, text_of

Speaker = Literal["agent", "caller", "tool"]
SPEAKERS: dict[str, Speaker] = {"bot": "agent", "assistant": "agent", "user": "caller"}


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said, or one thing a tool was asked or answered. Seconds, where Vapi says them."""

    speaker: Speaker
    text: str
    at_seconds: float | None = None
    duration_seconds: float | None = None
    latency_seconds: float | None = None  # from the caller's last word to the agent's first
    assistant: str | None = None  # which of several spoke, by name or else by id
    assistant_id: str | None = None


def turns_of(messages: JsonValue) -> Iterator[Turn]:
    asked_at: float | None = None  # when the caller's last words ended, ms since the epoch
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            continue
        role = message.get("role")
        if _calls_tools(message):
            # What stands beside the calls of tools was never spoken.
            yield from _tool_calls(message)
        elif role == "tool_call_result":
            yield Turn("tool", _as_text(message.get("result")), _seconds(message))
        elif isinstance(role, str) and role in SPEAKERS:
            text = text_of(message.get("message")) or text_of(message.get("content"))
            if text is None:
                continue
            is_caller = SPEAKERS[role] == "caller"
            latency = None if is_caller else _gap(asked_at, figure_of(message.get("time")))
            asked_at = _end(message) if is_caller else None
            assistant_id = text_in(message, "assistantId")
            yield Turn(
                SPEAKERS[role], text, _seconds(message), _duration(message), latency,
                text_in(message, "assistantName") or assistant_id, assistant_id,
            )  # fmt: skip


def _calls_tools(message: JsonObject) -> bool:
    return message.get("role") == "tool_calls" or bool(
        message.get("toolCalls") or message.get("tool_calls")
    )


def _tool_calls(message: JsonObject) -> Iterator[Turn]:
    calls = message.get("toolCalls") or message.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = object_in(call, "function") if isinstance(call, dict) else {}
        name = text_in(function, "name") or "a tool"
        arguments = _as_text(function.get("arguments"))
        yield Turn("tool", f"{name}({arguments})", _seconds(message))


def _as_text(value: JsonValue) -> str:
    """Arguments and results come as text, or as the JSON that the text would hold."""
    if value is None:
        return ""
    return storable_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _seconds(message: JsonObject) -> float | None:
    return figure_of(message.get("secondsFromStart"))


def _duration(message: JsonObject) -> float | None:
    """Vapi's reference says seconds; real calls have milliseconds. The two times decide."""
    between = _gap(figure_of(message.get("time")), figure_of(message.get("endTime")))
    if between is not None:
        return between
    duration = figure_of(message.get("duration"))
    return None if duration is None else round(duration / 1000, 3)


def _end(message: JsonObject) -> float | None:
    end, start = figure_of(message.get("endTime")), figure_of(message.get("time"))
    if end is not None or start is None:
        return end
    return start + (figure_of(message.get("duration")) or 0)


def _gap(start: float | None, end: float | None) -> float | None:
    """Seconds between two moments in milliseconds; None where they make no sense."""
    if start is None or end is None or not 0 <= end - start < 3_600_000 * 24:
        return None
    return round((end - start) / 1000, 3)
