"""What is read of a call's document beside its columns: what was said, what tools did, who spoke.

It is the JSON of its source, which may have anything in it.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

LABELS = {"bot": "AI", "assistant": "AI", "user": "User"}
SECOND = 1_000_000  # microseconds: whole numbers, so that the parts are the whole
LONGEST_CALL = 24 * 3600


def transcript_of(document: Mapping[str, Any]) -> str | None:
    """What was said, line by line as Vapi writes it, from the messages of its document."""
    lines = [line for message in messages_of(document) if (line := _line(message)) is not None]
    return "\n".join(lines) or None


def messages_of(document: Mapping[str, Any]) -> list[Any]:
    match document:
        case {"artifact": {"messages": [*messages]}}:
            return messages
        case _:
            return []


def _line(message: Any) -> str | None:
    match message:
        case {"role": str(role), "message": str(text)} | {"role": str(role), "content": str(text)}:
            calls_tools = message.get("toolCalls") or message.get("tool_calls")
            label = None if calls_tools else LABELS.get(role)
            return f"{label}: {text.strip()}" if label and text.strip() else None
        case _:
            return None


# -------------------------------------------------------------------- tools


class ToolUse(NamedTuple):
    text: str  # `book({"day": "Friday"})`, or what it answered
    at_seconds: Any


def tool_uses(message: Any) -> Iterator[ToolUse]:
    """What tools were asked in this message, or what one answered."""
    match message:
        case {"role": "tool_call_result"}:
            yield ToolUse(_as_text(message.get("result")), message.get("secondsFromStart"))
        case {"toolCalls": [*calls]} | {"tool_calls": [*calls]}:
            for call in calls:
                match call:
                    case {"function": {"name": str(name), **function}}:
                        asked = f"{name}({_as_text(function.get('arguments'))})"
                        yield ToolUse(asked, message.get("secondsFromStart"))
                    case _:
                        pass
        case _:
            pass


def tools_text(document: Mapping[str, Any]) -> str | None:
    """All that tools were asked and answered, to be searched."""
    uses = [use.text for each in messages_of(document) for use in tool_uses(each) if use.text]
    return "\n".join(uses) or None


def _as_text(value: Any) -> str:
    """Arguments and results come as text, or as the JSON that the text would hold."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# -------------------------------------------------------------------- who spoke


@dataclass(frozen=True, slots=True)
class Share:
    """What one assistant had of a call. None: nobody can tell."""

    assistant_id: str | None
    assistant_name: str | None
    assistant_version: str | None
    duration_us: int | None
    cost_units: int | None
    is_last: bool


class Speaker(NamedTuple):
    id: str | None
    name: str | None


class Stretch(NamedTuple):
    speaker: Speaker
    start_us: int | None  # None: not known


def shares_of(
    document: Mapping[str, Any], duration_seconds: float | None, cost_units: int | None
) -> list[Share]:
    """By assistant, in the order in which they first spoke; nothing where only one did.

    Each has the time from its first word to the next one's. What was paid is shared out by time,
    since no price is told by assistant. Both sums are those of the call, to the last digit.
    """
    activations = _activations(document)
    stretches = stretches_of(document)
    speakers = list(dict.fromkeys(each.speaker for each in stretches))
    if len(speakers) < 2:
        return []
    times = _times(stretches, duration_seconds)
    costs = _shared_out(cost_units, [times[each] for each in speakers]) if times else {}
    last = stretches[-1].speaker
    return [
        Share(
            assistant_id=each.id,
            assistant_name=each.name,
            assistant_version=activations.get(each),
            duration_us=times.get(each),
            cost_units=costs.get(at),
            is_last=each == last,
        )
        for at, each in enumerate(speakers)
    ]


def stretches_of(document: Mapping[str, Any]) -> list[Stretch]:
    """Who had the call from when on, as the messages say it; else in the order of activations."""
    activations = _activations(document)
    spoken: list[Stretch] = []
    handed_over: list[int | None] = []
    for message in messages_of(document):
        start = _start_of(message)
        speaker = _speaker(message, activations)
        if speaker is not None and (not spoken or spoken[-1].speaker != speaker):
            spoken.append(Stretch(speaker, start if spoken else 0))
        if _hands_over(message):
            handed_over.append(start)
    if spoken:
        return spoken
    in_order = _in_order(document)
    starts = [0, *handed_over] if len(handed_over) == len(in_order) - 1 else [None] * len(in_order)
    return [Stretch(each, start) for each, start in zip(in_order, starts, strict=True)]


def _start_of(message: Any) -> int | None:
    match message:
        case {"secondsFromStart": seconds}:
            return _microseconds(seconds)
        case _:
            return None


def _speaker(message: Any, activations: Mapping[Speaker, str | None]) -> Speaker | None:
    match message:
        case {"role": "bot" | "assistant"}:
            told = Speaker(
                _text(message.get("assistantId"), 64), _text(message.get("assistantName"), 200)
            )
        case _:
            return None
    if told == (None, None):
        return None
    # One assistant, though a message may tell its name alone.
    same = [each for each in activations if _is_same(each, told)]
    return same[0] if same else told


def _is_same(one: Speaker, other: Speaker) -> bool:
    if one.id is not None and other.id is not None:
        return one.id == other.id
    return one.name is not None and one.name == other.name


def _activations(document: Mapping[str, Any]) -> dict[Speaker, str | None]:
    """The version of each assistant, as it was when it first came into the call."""
    versions: dict[Speaker, str | None] = {}
    for who, version in _activated(document):
        versions.setdefault(who, version)
    return versions


def _in_order(document: Mapping[str, Any]) -> list[Speaker]:
    in_order: list[Speaker] = []
    for who, _ in _activated(document):
        if not in_order or in_order[-1] != who:
            in_order.append(who)
    return in_order


def _activated(document: Mapping[str, Any]) -> Iterator[tuple[Speaker, str | None]]:
    match document:
        case {"artifact": {"assistantActivations": [*told]}}:
            pass
        case _:
            return
    for each in told:
        match each:
            case {"assistantId": _} | {"assistantName": _}:
                who = Speaker(
                    _text(each.get("assistantId"), 64), _text(each.get("assistantName"), 200)
                )
                if who != (None, None):
                    yield who, _text(each.get("assistantVersion"), 32)
            case _:
                pass


def _hands_over(message: Any) -> bool:
    match message:
        case {"role": "tool_call_result", "name": str(name)}:
            return name.startswith(("handoff", "transferCall", "transfer_call"))
        case _:
            return False


def _times(stretches: Sequence[Stretch], duration_seconds: float | None) -> dict[Speaker, int]:
    """Microseconds by speaker; nothing where some are not known."""
    end = _microseconds(duration_seconds)
    starts = [each.start_us for each in stretches]
    if end is None or any(start is None for start in starts):
        return {}
    times: dict[Speaker, int] = {}
    reached = 0
    for at, each in enumerate(stretches):
        following = starts[at + 1] if at + 1 < len(starts) else end
        until = min(max(reached, following or 0), end)
        times[each.speaker] = times.get(each.speaker, 0) + until - reached
        reached = until
    return times


def _shared_out(whole: int | None, times: Sequence[int]) -> dict[int, int]:
    """By time, and what cannot be divided to those that lose most by rounding."""
    total = sum(times)
    if whole is None or total == 0:
        return {}
    shares = {at: whole * each // total for at, each in enumerate(times)}
    by_loss = sorted(shares, key=lambda at: (-(whole * times[at] % total), at))
    for at in by_loss[: whole - sum(shares.values())]:
        shares[at] += 1
    return shares


def _microseconds(seconds: Any) -> int | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    return math.floor(seconds * SECOND + 0.5) if 0 <= seconds <= LONGEST_CALL else None


def _text(value: Any, longest: int) -> str | None:
    return value[:longest] or None if isinstance(value, str) else None
