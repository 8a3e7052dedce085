"""A Vapi call as JSON: what we rely on in it.

Everything may be missing, and nothing is trusted to have the type that the reference says: a call
that we cannot read in part is still a call.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Self

from pydantic import JsonValue

from mission_control.core.json_types import JsonObject
from mission_control.core.phone_numbers import e164
from mission_control.core.storable import storable_text
from mission_control.core.words import CallEnding, SuccessRubric
from mission_control.integrations.vapi.json_fields import (
    figure_of,
    id_in,
    moment_of,
    object_in,
    plain_text_of,
    text_in,
    text_of,
    time_in,
)
from mission_control.integrations.vapi.rubrics import rubric_of_call
from mission_control.integrations.vapi.turns import Turn, turns_of

ENDED_STATUSES = frozenset({"ended", "not-found"})
DIRECTIONS = {
    "inboundPhoneCall": "inbound",
    "outboundPhoneCall": "outbound",
    "webCall": "web",
    "vapi.websocketCall": "websocket",
}
LARGEST_COST_USD = 1_000_000
LONGEST_CALL_SECONDS = 24 * 3600.0  # Vapi ends every call after twelve hours at the latest

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


@dataclass(frozen=True, slots=True, kw_only=True)
class VapiCall:
    """The parts we rely on. None where Vapi does not say, or says it in a way we do not know."""

    id: str | None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    assistant_id: str | None = None
    activated: tuple[str, ...] = ()  # ids of all assistants that came into it
    assistant_name: str | None = None
    assistant_version: str | None = None
    direction: str | None = None
    status: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_seconds: float | None = None  # at most `LONGEST_CALL_SECONDS`
    reported_duration_seconds: float | None = None  # as Vapi says it, however absurd
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
    structured_outputs: JsonObject
    variables: JsonObject
    metadata: JsonObject
    # As it was said, whatever the rubric; and the rubric, where the call has its assistant.
    success_evaluation: str | None = None
    success_rubric: SuccessRubric | None = None
    turns: tuple[Turn, ...] = ()

    @classmethod
    def of(cls, raw: JsonObject) -> Self:
        """Read a call of `GET /call`, or one that we stored. Never raises."""
        artifact, analysis = object_in(raw, "artifact"), object_in(raw, "analysis")
        customer = object_in(raw, "customer")
        metadata = object_in(object_in(raw, "assistantOverrides"), "metadata")
        breakdown = _breakdown(object_in(raw, "costBreakdown"))
        started_at, ended_at = time_in(raw, "startedAt"), time_in(raw, "endedAt")
        lasted = _duration(raw, started_at, ended_at)
        reason = text_in(raw, "endedReason")
        messages = artifact.get("messages") or raw.get("messages")
        return cls(
            id=id_in(raw, "id"),
            created_at=time_in(raw, "createdAt"),
            updated_at=time_in(raw, "updatedAt"),
            assistant_id=_assistant_id(raw, artifact),
            assistant_name=text_in(object_in(raw, "assistant"), "name"),
            assistant_version=_version(raw, artifact),
            activated=tuple(_activated(artifact)),
            direction=_direction(raw),
            status=text_in(raw, "status", 32),
            started_at=started_at,
            ended_at=ended_at,
            duration_seconds=None if lasted is None else min(lasted, LONGEST_CALL_SECONDS),
            reported_duration_seconds=lasted,
            ended_reason=reason,
            ending=_ending(text_in(raw, "status", 32), ended_at, reason),
            cost_usd=_cost(raw, breakdown),
            cost_breakdown=breakdown,
            customer_number=_number(customer),
            customer_name=text_in(customer, "name"),
            lead_id=id_in(metadata, "close_lead_id"),
            contact_id=id_in(metadata, "close_contact_id"),
            transcript=text_of(artifact.get("transcript")) or text_of(raw.get("transcript")),
            summary=text_of(analysis.get("summary")) or text_of(raw.get("summary")),
            analysis=analysis,
            structured_outputs=object_in(artifact, "structuredOutputs"),
            variables=_variables(raw, artifact),
            metadata=object_in(raw, "metadata") | metadata,
            success_evaluation=plain_text_of(analysis.get("successEvaluation")),
            success_rubric=rubric_of_call(raw),
            turns=tuple(turns_of(messages)),
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
    call = dict(object_in(message, "call"))
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
    moment = moment_of(message.get("timestamp"))
    if moment is not None:
        call["updatedAt"] = moment.isoformat()
    return call


TOLD_BESIDE_THE_CALL = (
    "assistant", "assistantVersion", "customer", "endedReason", "startedAt", "endedAt",
    "durationSeconds", "durationMs", "durationMinutes", "cost", "costs", "costBreakdown", "analysis", "artifact", "compliance", "destination", "summary",
    "transcript",
)  # fmt: skip


# ---------------------------------------------------------------- parts


def _direction(raw: JsonObject) -> str | None:
    kind = text_in(raw, "type", 32)
    return None if kind is None else DIRECTIONS.get(kind, kind)


def _assistant_id(raw: JsonObject, artifact: JsonObject) -> str | None:
    """Of a squad's call: the one that answered it."""
    told = id_in(raw, "assistantId") or id_in(object_in(raw, "assistant"), "id")
    return told or next(iter(_activated(artifact)), None)


def _activated(artifact: JsonObject) -> list[str]:
    """The ids of the assistants that came into the call, in order."""
    activations = artifact.get("assistantActivations")
    found = [
        id_in(each, "assistantId")
        for each in (activations if isinstance(activations, list) else [])
        if isinstance(each, dict)
    ]
    return list(dict.fromkeys(each for each in found if each is not None))


def _version(raw: JsonObject, artifact: JsonObject) -> str | None:
    told = plain_text_of(raw.get("assistantVersion"))
    if told is None:
        activations = artifact.get("assistantActivations")
        first = activations[0] if isinstance(activations, list) and activations else None
        told = plain_text_of(first.get("assistantVersion")) if isinstance(first, dict) else None
    return None if told is None else told[:32]


def _ending(status: str | None, ended_at: datetime | None, reason: str | None) -> CallEnding | None:
    has_ended = status in ENDED_STATUSES or ended_at is not None
    return bucket(reason) if has_ended else None


def _number(customer: JsonObject) -> str | None:
    written = text_in(customer, "number", 64)
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
    analysis = object_in(given, "analysisCostBreakdown")
    parts |= {
        f"analysis.{key}": _usd(value)
        for key, value in analysis.items()
        if not key.endswith("Tokens")
    }
    return {storable_text(key): value for key, value in parts.items() if value is not None}


def _variables(raw: JsonObject, artifact: JsonObject) -> JsonObject:
    """As they were given to the call, and as they were when it ended."""
    given = object_in(object_in(raw, "assistantOverrides"), "variableValues")
    return given | object_in(artifact, "variables") | object_in(artifact, "variableValues")


def _cost(raw: JsonObject, breakdown: Mapping[str, Decimal]) -> Decimal | None:
    cost = raw.get("cost")
    return breakdown.get("total") if cost is None else _usd(cost)


def _duration(
    raw: JsonObject, started_at: datetime | None, ended_at: datetime | None
) -> float | None:
    """Seconds between the call's two times; without them, as Vapi counted them."""
    if started_at is not None and ended_at is not None and ended_at >= started_at:
        return round((ended_at - started_at).total_seconds(), 3)
    for key, unit in (("durationSeconds", 1.0), ("durationMs", 0.001), ("durationMinutes", 60.0)):
        counted = figure_of(raw.get(key))
        if counted is not None and counted >= 0:
            return round(counted * unit, 3)
    return None
