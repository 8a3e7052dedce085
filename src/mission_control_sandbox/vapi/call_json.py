"""A call as Vapi's API writes it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, cast

from mission_control_sandbox.vapi.assistants import ORGANIZATION_ID
from mission_control_sandbox.vapi.costs import costs
from mission_control_sandbox.vapi.queries import timestamp
from mission_control_sandbox.world.conversations import Conversation, Turn
from mission_control_sandbox.world.people import Person

Json = dict[str, Any]

ROLES = {"bot": "bot", "person": "user"}
OPENAI_ROLES = {"bot": "assistant", "person": "user"}
LABELS = {"bot": "AI", "person": "User"}
MODELS = {
    "remus": {"provider": "openai", "model": "gpt-4o-mini"},
    "genesis": {"provider": "anthropic", "model": "claude-sonnet-4-20250514"},
    "scout": {"provider": "openai", "model": "gpt-4.1"},
}
VOICES = {
    "remus": {"provider": "11labs", "voiceId": "burt"},
    "genesis": {"provider": "cartesia", "voiceId": "794f9389-aac1-45b6-b726-9d9369183238"},
    "scout": {"provider": "vapi", "voiceId": "Elliot"},
}
SCORES = {False: ("1", "2", "3", "4"), True: ("7", "8", "9", "10")}
DESCRIPTIONS = {False: ("Poor", "Fair"), True: ("Good", "Excellent")}
RETENTION_FREE_OF = 40  # one call in so many has no content: its customer pays for zero retention
UNRECORDED = ("scout",)
TRANSPORTS = {"vapi": "vapi.sip"}  # what carries the calls of Vapi's own numbers
RINGING = timedelta(seconds=28)
RECORDINGS = {"mono": "combinedUrl", "assistant": "assistantUrl", "customer": "customerUrl"}


@dataclass(frozen=True)
class Placed:
    """A call with what Vapi was told about it. `given` are fields that are written as they came.

    A member is `assistantId`, `assistantName` and `assistantVersion`, as messages and activations name it.
    """

    call_id: str
    conversation: Conversation
    whom: Person
    phone_call_provider: str
    given: Mapping[str, Any]
    prompt: str | None = None
    members: Sequence[Mapping[str, Any]] = ()  # of a squad: each has the next part of the call

    @property
    def has_content(self) -> bool:
        return self.conversation.index % RETENTION_FREE_OF != 11

    @property
    def is_recorded(self) -> bool:
        told = self.conversation
        return bool(told.turns) and self.has_content and told.agent not in UNRECORDED

    @property
    def updated_at(self) -> datetime:
        """A few seconds after the call, when its analysis is there."""
        told = self.conversation
        ended = told.ended_at or told.created_at + RINGING
        return ended + timedelta(milliseconds=2000 + told.index * 7919 % 7000)


def finished(placed: Placed) -> Json:
    """A call that is over."""
    told = placed.conversation
    call = {
        **head(placed, status="ended", updated_at=placed.updated_at),
        "endedReason": told.ended_reason,
        **costs(
            told,
            provider=TRANSPORTS.get(placed.phone_call_provider, placed.phone_call_provider),
            model=MODELS[told.agent],
            voice=VOICES[told.agent],
        ),
        "analysis": _analysis(placed) if placed.has_content else {},
        "artifact": artifact(placed, told.turns) if placed.has_content else _metrics_only(told),
    }
    if told.started_at and told.ended_at:
        call["startedAt"], call["endedAt"] = timestamp(told.started_at), timestamp(told.ended_at)
    return call


def head(placed: Placed, *, status: str, updated_at: datetime) -> Json:
    """What is known of a call before anybody has spoken."""
    told = placed.conversation
    return {
        "id": placed.call_id,
        "orgId": ORGANIZATION_ID,
        "createdAt": timestamp(told.created_at),
        "updatedAt": timestamp(updated_at),
        "type": f"{told.direction}PhoneCall",
        "status": status,
        "phoneCallProvider": placed.phone_call_provider,
        "phoneCallTransport": "pstn",
        "phoneCallProviderId": f"CA{_digest(placed.call_id)}",
        **placed.given,
    }


def artifact(placed: Placed, turns: Sequence[Turn]) -> Json:
    told = placed.conversation
    if not told.started_at:
        return {}
    began = _milliseconds(told.started_at)
    made: Json = {
        "messages": list(_messages(placed, turns, began)),
        "messagesOpenAIFormatted": [
            *([{"role": "system", "content": placed.prompt}] if placed.prompt else []),
            *({"role": OPENAI_ROLES[one.speaker], "content": one.text} for one in turns),
        ],
        "transcript": transcript(turns),
        "performanceMetrics": _performance(told, turns),
        "variableValues": placed.given.get("assistantOverrides", {}).get("variableValues", {}),
    }
    if placed.members:
        made["assistantActivations"] = [dict(each) for each in placed.members]
    return {**made, **_recording(placed.call_id)} if placed.is_recorded else made


def transcript(turns: Sequence[Turn]) -> str:
    return "".join(f"{LABELS[one.speaker]}: {one.text}\n" for one in turns)


def _messages(placed: Placed, turns: Sequence[Turn], began: int) -> Iterator[Json]:
    """Times are milliseconds, and so is `duration`, whatever the reference says."""
    if placed.prompt:
        yield {"role": "system", "message": placed.prompt, "time": began, "secondsFromStart": 0}
    speaking = None
    for number, one in enumerate(turns):
        member = _member(placed, number) if one.speaker == "bot" else None
        if speaking is not None and member not in {None, speaking}:
            yield from _handing_over(placed, placed.members[cast("int", member)], one, began)
        speaking = member if member is not None else speaking
        if one.speaker == "bot" and one.text.startswith("You are booked"):
            yield from _booking(placed, one, began)
        message: Json = {
            "role": ROLES[one.speaker],
            "message": one.text,
            "time": began + round(one.start * 1000),
            "endTime": began + round(one.end * 1000),
            "secondsFromStart": one.start,
            "duration": round((one.end - one.start) * 1000),
        }
        if member is not None:
            named = placed.members[member]
            message |= {
                name: named[name] for name in ("assistantId", "assistantName") if name in named
            }
        yield {**message, "source": ""} if one.speaker == "bot" else message


def _member(placed: Placed, turn: int) -> int | None:
    """Which member of the squad speaks: they share the whole conversation, in their order."""
    if not placed.members:
        return None
    return min(
        turn * len(placed.members) // len(placed.conversation.turns), len(placed.members) - 1
    )


def _handing_over(placed: Placed, to: Mapping[str, Any], turn: Turn, began: int) -> Iterator[Json]:
    """The tool with which one member gives the caller to another."""
    name = f"handoff_to_assistant_{to.get('assistantName', '')}"
    call_id, at = (
        f"call_{_digest(placed.call_id + name)[:24]}",
        began + round(turn.start * 1000) - 240,
    )
    place = {"time": at, "secondsFromStart": round(turn.start - 0.24, 2)}
    called = [{"id": call_id, "type": "function", "function": {"name": name, "arguments": "{}"}}]
    yield {"role": "tool_calls", "message": "", "toolCalls": called, **place}
    yield {
        "role": "tool_call_result",
        "name": name,
        "toolCallId": call_id,
        "result": "Handoff initiated.",
        **place,
    }


def _booking(placed: Placed, turn: Turn, began: int) -> Iterator[Json]:
    """The tool that was called before the bot said that it is done."""
    call_id, at = f"call_{_digest(placed.call_id)[:24]}", began + round(turn.start * 1000) - 180
    arguments = f'{{"slot":"2026-01-01T10:00:00-06:00","trucks":{placed.whom.trucks}}}'
    function = {"name": "book_review", "arguments": arguments}
    place = {"time": at, "secondsFromStart": round(turn.start - 0.18, 2)}
    called = [{"id": call_id, "type": "function", "function": function}]
    yield {"role": "tool_calls", "message": "", "toolCalls": called, **place}
    answered = {"name": "book_review", "toolCallId": call_id, "result": '{"booked":true}'}
    yield {"role": "tool_call_result", **answered, **place}


def _analysis(placed: Placed) -> Json:
    told = placed.conversation
    if not told.summary:
        return {}
    analysis: Json = {"summary": told.summary}
    if told.success is not None:
        analysis["successEvaluation"] = _evaluation(told, good=told.success)
    if told.agent == "remus":
        refused = told.outcome == "do_not_call"
        analysis["structuredData"] = {"trucks": placed.whom.trucks, "do_not_call": refused}
    return analysis


def _evaluation(told: Conversation, *, good: bool) -> str:
    """A text, in the terms of the assistant's rubric."""
    match told.agent:
        case "genesis":
            return SCORES[good][told.index % 4]
        case "scout":
            return DESCRIPTIONS[good][told.index % 2]
        case _:
            return str(good).lower()


def _metrics_only(told: Conversation) -> Json:
    return {"performanceMetrics": _performance(told, told.turns)} if told.started_at else {}


def _performance(told: Conversation, turns: Sequence[Turn]) -> Json:
    latencies = [
        _latency(told.index * 31 + number)
        for number, one in enumerate(turns)
        if one.speaker == "bot" and number
    ]
    averages = {
        f"{name}Average": round(sum(one[name] for one in latencies) / len(latencies), 1)
        for name in (latencies[0] if latencies else ())
    }
    interrupted = told.index % 5 == 0 and len(turns) > 4
    return {
        "turnLatencies": latencies,
        **averages,
        "numUserInterrupted": int(interrupted),
        "numAssistantInterrupted": int(told.index % 7 == 0 and len(turns) > 4),
    }


def _latency(seed: int) -> dict[str, int]:
    parts = {
        "modelLatency": 380 + seed * 7919 % 900,
        "voiceLatency": 140 + seed * 104_729 % 260,
        "transcriberLatency": 60 + seed * 1299709 % 140,
        "endpointingLatency": 200 + seed * 15_485_863 % 700,
    }
    return {**parts, "turnLatency": sum(parts.values())}


def _recording(call_id: str) -> Json:
    """Addresses of private storage. The way to a recording is `/call/{id}/mono-recording`."""
    places = {
        kind: f"https://storage.vapi.ai/{call_id}-{kind}.wav" for kind in (*RECORDINGS, "stereo")
    }
    return {
        "recordingUrl": places["mono"],
        "stereoRecordingUrl": places["stereo"],
        "recording": {
            "stereoUrl": places["stereo"],
            "mono": {name: places[kind] for kind, name in RECORDINGS.items()},
        },
    }


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=16).hexdigest()


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
