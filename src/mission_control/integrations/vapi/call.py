"""A Vapi call as JSON: what we rely on in it, and what of it may be stored.

Everything may be missing, and nothing is trusted to have the type that the reference says: a call
that we cannot read in part is still a call.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Literal, Self, cast

from pydantic import JsonValue

from mission_control.core.phone_numbers import e164
from mission_control.core.storable import storable_text
from mission_control.core.words import CallEnding
from mission_control.integrations.vapi.assistant import JsonObject

Speaker = Literal["agent", "caller", "tool"]

ENDED_STATUSES = frozenset({"ended", "not-found"})
DIRECTIONS = {
    "inboundPhoneCall": "inbound",
    "outboundPhoneCall": "outbound",
    "webCall": "web",
    "vapi.websocketCall": "websocket",
}
SPEAKERS: dict[str, Speaker] = {"bot": "agent", "assistant": "agent", "user": "caller"}
LARGEST_COST_USD = 1_000_000
LONGEST_TEXT = 200
DEEPEST = 40  # levels of JSON that are stored

# The first that is found in the reason decides. Vapi has 627 reasons and adds more.
ENDINGS: tuple[tuple[re.Pattern[str], CallEnding], ...] = tuple(
    (re.compile(pattern), ending)
    for pattern, ending in (
        (r"^(customer-busy|customer-did-not-answer|customer-did-not-give)", CallEnding.NOT_REACHED),
        (r"misdialed|hungup-before-call-connect|^vonage-rejected$", CallEnding.NOT_REACHED),
        (r"^call\.forwarding\.", CallEnding.NOT_REACHED),
        (r"^voicemail|voicemail$", CallEnding.VOICEMAIL),
        (r"returned-forwarding-phone-number$", CallEnding.TRANSFERRED),
        (r"error|failed|not-valid|not-found|invalid|shutdown", CallEnding.ERROR),
        (r"^assistant-(request|join)-|timed-out-joining|closed-websocket", CallEnding.ERROR),
        (r"bypass-enabled|vonage-disconnected", CallEnding.ERROR),
        (r"forwarded-call|hook-executed-transfer|transferred", CallEnding.TRANSFERRED),
        (r"^silence-", CallEnding.SILENCE),
        (r"^exceeded-max-duration|max-duration", CallEnding.TIME_LIMIT),
        (r"^customer-", CallEnding.CUSTOMER),
        (r"^call\.in-progress\.(twilio|sip)-completed-call$|^vonage-completed$", CallEnding.CUSTOMER),
        (r"^assistant-(ended|said)", CallEnding.ASSISTANT),
        (r"^manually-canceled$|^call\.(ringing|ending)\.hook-executed-say$", CallEnding.ASSISTANT),
        (r"^pipeline-", CallEnding.ERROR),
    )
)  # fmt: skip

# Configuration of what made the call: it holds prompts, tools and their secrets, and is kept
# where it belongs. `monitor` lets whoever has it listen in on and steer a running call.
CONFIGURATION = frozenset({
    "assistant", "assistantOverrides", "squad", "squadOverrides", "workflow", "workflowOverrides",
    "phoneNumber", "transport", "monitor", "artifactPlan", "server", "model", "tools",
})  # fmt: skip
KEPT_OVERRIDES = ("metadata", "variableValues")
# A repetition of the messages with the prompt in it; and what a filter took out of the call.
NEVER_STORED = frozenset(
    {"messagesOpenAIFormatted", "originalMessage", "originalTranscript", "headers"}
)
SECRET_NAME = re.compile(
    r"secret(?!ar)|passw|credential|authori[sz]ation|api[-_]?key|private[-_]?key|token$|^twilio"
    r"|^presigned|signature$",
    re.IGNORECASE,
)
EXPIRING_LINK = re.compile(
    r"https?://\S*[?&](X-Amz-|X-Goog-|Signature=|sig=|token=)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said, or one thing a tool was asked or answered. Seconds, where Vapi says them."""

    speaker: Speaker
    text: str
    at_seconds: float | None = None
    duration_seconds: float | None = None
    latency_seconds: float | None = None  # from the caller's last word to the agent's first


@dataclass(frozen=True, slots=True, kw_only=True)
class VapiCall:
    """The parts we rely on. None where Vapi does not say, or says it in a way we do not know."""

    id: str | None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    assistant_id: str | None = None
    assistant_name: str | None = None
    assistant_version: str | None = None
    direction: str | None = None
    status: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None
    ended_reason: str | None = None
    ending: CallEnding | None = None  # None: not ended
    cost_usd: Decimal | None = None
    cost_breakdown: Mapping[str, Decimal]
    customer_number: str | None = None  # E.164 where it says its country
    customer_name: str | None = None
    lead_id: str | None = None
    contact_id: str | None = None
    transcript: str | None = None
    summary: str | None = None
    analysis: JsonObject
    success_evaluation: str | None = None
    success: bool | None = None  # only where the rubric says yes or no
    turns: tuple[Turn, ...] = ()

    @classmethod
    def of(cls, raw: JsonObject) -> Self:
        """Read a call of `GET /call`, or one that we stored. Never raises."""
        artifact, analysis = _object(raw, "artifact"), _object(raw, "analysis")
        customer = _object(raw, "customer")
        metadata = _object(_object(raw, "assistantOverrides"), "metadata")
        breakdown = _breakdown(_object(raw, "costBreakdown"))
        started_at, ended_at = _time(raw, "startedAt"), _time(raw, "endedAt")
        reason = _text(raw, "endedReason")
        evaluation = _plain(analysis.get("successEvaluation"))
        messages = artifact.get("messages") or raw.get("messages")
        return cls(
            id=_id(raw, "id"),
            created_at=_time(raw, "createdAt"),
            updated_at=_time(raw, "updatedAt"),
            assistant_id=_id(raw, "assistantId") or _id(_object(raw, "assistant"), "id"),
            assistant_name=_text(_object(raw, "assistant"), "name"),
            assistant_version=_version(raw, artifact),
            direction=_direction(raw),
            status=_text(raw, "status", 32),
            started_at=started_at,
            ended_at=ended_at,
            duration_seconds=_between(started_at, ended_at),
            ended_reason=reason,
            ending=_ending(_text(raw, "status", 32), ended_at, reason),
            cost_usd=_usd(raw.get("cost")) if "cost" in raw else breakdown.get("total"),
            cost_breakdown=breakdown,
            customer_number=_number(customer),
            customer_name=_text(customer, "name"),
            lead_id=_id(metadata, "close_lead_id"),
            contact_id=_id(metadata, "close_contact_id"),
            transcript=_long(artifact.get("transcript")) or _long(raw.get("transcript")),
            summary=_long(analysis.get("summary")) or _long(raw.get("summary")),
            analysis=analysis,
            success_evaluation=evaluation,
            success=_yes_or_no(evaluation),
            turns=tuple(_turns(messages)),
        )

    @property
    def has_content(self) -> bool:
        return bool(self.transcript or self.turns)


def bucket(reason: str | None) -> CallEnding:
    """What kind of ending this reason is."""
    if not reason:
        return CallEnding.OTHER
    return next((ending for pattern, ending in ENDINGS if pattern.search(reason)), CallEnding.OTHER)


# ---------------------------------------------------------------- webhooks


def call_of_message(message: JsonObject) -> JsonObject:
    """The call that a server message tells of, as `GET /call` would show it at that moment.

    `updatedAt` is when the message was made: the call inside one is often older than the message.
    """
    call = dict(_object(message, "call"))
    if "id" not in call and isinstance(message.get("callId"), str):
        call["id"] = message["callId"]
    call |= {key: message[key] for key in TOLD_BESIDE_THE_CALL if message.get(key) is not None}
    match message.get("type"):
        case "end-of-call-report":
            call["status"] = "ended"
        case "status-update":
            call["status"] = message.get("status")
        case _:
            pass
    moment = _moment(message.get("timestamp"))
    if moment is not None:
        call["updatedAt"] = moment.isoformat()
    return call


TOLD_BESIDE_THE_CALL = (
    "assistant", "assistantVersion", "customer", "endedReason", "startedAt", "endedAt", "cost",
    "costs", "costBreakdown", "analysis", "artifact", "compliance", "destination", "summary",
    "transcript",
)  # fmt: skip


# ---------------------------------------------------------------- storing


def storable(raw: JsonObject) -> JsonObject:
    """The call without secrets, without the configuration of what made it, and without what expires.

    Texts lose U+0000 and halves of characters, which no database takes.
    """
    kept = {key: value for key, value in raw.items() if key not in CONFIGURATION}
    overrides = _object(raw, "assistantOverrides")
    if told := {key: overrides[key] for key in KEPT_OVERRIDES if key in overrides}:
        kept["assistantOverrides"] = told
    stored = cast("JsonObject", _clean(kept, 0))
    artifact = dict(_object(stored, "artifact"))
    # Older calls say beside the artifact what newer ones say in it; the transcript has its own place.
    beside, _ = stored.pop("messages", None), stored.pop("transcript", None)
    within, _ = artifact.pop("messages", None), artifact.pop("transcript", None)
    messages = within or beside
    if isinstance(messages, list):
        artifact["messages"] = [message for message in messages if not _is_system(message)]
    return {**stored, "artifact": artifact} if artifact else stored


def _is_system(message: JsonValue) -> bool:
    """The assistant's own prompt, repeated in each of its calls."""
    return isinstance(message, dict) and message.get("role") == "system"


def _clean(value: JsonValue, depth: int) -> JsonValue:
    if depth > DEEPEST:
        return None
    if isinstance(value, str):
        return "[expired link]" if EXPIRING_LINK.search(value) else storable_text(value)
    if isinstance(value, list):
        return [_clean(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {
            storable_text(key): _clean(one, depth + 1)
            for key, one in value.items()
            if key not in NEVER_STORED and not SECRET_NAME.search(key)
        }
    if isinstance(value, float) and not isfinite(value):
        return None  # `1e400` is JSON, and no database's number
    return value


# ---------------------------------------------------------------- turns


def _turns(messages: JsonValue) -> Iterator[Turn]:
    asked_at: float | None = None  # when the caller's last words ended, ms since the epoch
    for message in messages if isinstance(messages, list) else []:
        if not isinstance(message, dict):
            continue
        role = message.get("role")
        if _calls_tools(message):
            # What stands beside the calls of tools was never spoken.
            yield from _tool_calls(message)
        elif role == "tool_call_result":
            yield Turn("tool", _long(message.get("result")) or "", _seconds(message))
        elif isinstance(role, str) and role in SPEAKERS:
            text = _long(message.get("message")) or _long(message.get("content"))
            if text is None:
                continue
            is_caller = SPEAKERS[role] == "caller"
            latency = None if is_caller else _gap(asked_at, _figure(message.get("time")))
            asked_at = _end(message) if is_caller else None
            yield Turn(SPEAKERS[role], text, _seconds(message), _duration(message), latency)


def _calls_tools(message: JsonObject) -> bool:
    return message.get("role") == "tool_calls" or bool(
        message.get("toolCalls") or message.get("tool_calls")
    )


def _tool_calls(message: JsonObject) -> Iterator[Turn]:
    calls = message.get("toolCalls") or message.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = _object(call, "function") if isinstance(call, dict) else {}
        name = _text(function, "name") or "a tool"
        arguments = function.get("arguments")
        said = arguments if isinstance(arguments, str) else ""
        yield Turn("tool", storable_text(f"{name}({said})"), _seconds(message))


def _seconds(message: JsonObject) -> float | None:
    return _figure(message.get("secondsFromStart"))


def _duration(message: JsonObject) -> float | None:
    """Vapi's reference says seconds; real calls have milliseconds. The two times decide."""
    between = _gap(_figure(message.get("time")), _figure(message.get("endTime")))
    if between is not None:
        return between
    duration = _figure(message.get("duration"))
    return None if duration is None else round(duration / 1000, 3)


def _end(message: JsonObject) -> float | None:
    end, start = _figure(message.get("endTime")), _figure(message.get("time"))
    if end is not None or start is None:
        return end
    return start + (_figure(message.get("duration")) or 0)


def _gap(start: float | None, end: float | None) -> float | None:
    """Seconds between two moments in milliseconds; None where they make no sense."""
    if start is None or end is None or not 0 <= end - start < 3_600_000 * 24:
        return None
    return round((end - start) / 1000, 3)


# ---------------------------------------------------------------- parts


def _direction(raw: JsonObject) -> str | None:
    kind = _text(raw, "type", 32)
    return None if kind is None else DIRECTIONS.get(kind, kind)


def _version(raw: JsonObject, artifact: JsonObject) -> str | None:
    told = _plain(raw.get("assistantVersion"))
    if told is None:
        activations = artifact.get("assistantActivations")
        first = activations[0] if isinstance(activations, list) and activations else None
        told = _plain(first.get("assistantVersion")) if isinstance(first, dict) else None
    return None if told is None else told[:32]


def _ending(status: str | None, ended_at: datetime | None, reason: str | None) -> CallEnding | None:
    has_ended = status in ENDED_STATUSES or ended_at is not None
    return bucket(reason) if has_ended else None


def _number(customer: JsonObject) -> str | None:
    written = _text(customer, "number", 64)
    return e164(written) or (written[:32] if written else None)


def _usd(value: JsonValue) -> Decimal | None:
    """A number's shortest text is what Vapi wrote; a sum that no call costs is no sum."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= LARGEST_COST_USD:  # NaN is not either
        return None
    return Decimal(repr(value)).quantize(Decimal("0.00000001"))


def _breakdown(given: JsonObject) -> dict[str, Decimal]:
    """USD by part; counts of tokens and characters are no money."""
    parts = {key: _usd(value) for key, value in given.items() if not key.startswith(("llm", "tts"))}
    parts |= {key: _usd(given.get(key)) for key in ("llm", "tts")}
    analysis = _object(given, "analysisCostBreakdown")
    parts |= {
        f"analysis.{key}": _usd(value)
        for key, value in analysis.items()
        if not key.endswith("Tokens")
    }
    return {storable_text(key): value for key, value in parts.items() if value is not None}


def _yes_or_no(evaluation: str | None) -> bool | None:
    return {"true": True, "false": False}.get((evaluation or "").strip().lower())


def _between(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None or end < start:
        return None
    return round((end - start).total_seconds(), 3)


def _object(value: JsonObject, key: str) -> JsonObject:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _long(value: JsonValue) -> str | None:
    """A text of any length, or None when there is nothing in it."""
    return storable_text(value) or None if isinstance(value, str) else None


def _text(value: JsonObject, key: str, longest: int = LONGEST_TEXT) -> str | None:
    found = _long(value.get(key))
    return found[:longest] if found else None


def _plain(value: JsonValue) -> str | None:
    """What a rubric answers with may be a text, a number or a boolean."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value) if abs(value) < 1e15 else None
    found = _long(value)
    return found[:LONGEST_TEXT] if found else None


def _id(value: JsonObject, key: str) -> str | None:
    found = value.get(key)
    if not isinstance(found, str) or not re.fullmatch(r"[\x21-\x7e]{1,64}", found):
        return None
    return found


def _figure(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e15 else None  # NaN is not less than anything


def _time(value: JsonObject, key: str) -> datetime | None:
    found = value.get(key)
    if not isinstance(found, str):
        return _moment(found)
    try:
        at = datetime.fromisoformat(found)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return _believable(at)


def _moment(value: JsonValue) -> datetime | None:
    """Milliseconds since the epoch."""
    figure = _figure(value)
    if figure is None or not 0 < figure < 4e12:
        return None
    return _believable(datetime.fromtimestamp(round(figure) / 1000, UTC))


def _believable(at: datetime) -> datetime | None:
    return at if 1990 <= at.year < 2200 else None
