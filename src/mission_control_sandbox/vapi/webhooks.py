"""Server messages: what Vapi tells about a call while it goes on."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Literal
from uuid import uuid4

import httpx2
import structlog
from pydantic import BaseModel, ConfigDict, Field

from mission_control.core.clock import utc_now
from mission_control_sandbox.vapi.call_json import OPENAI_ROLES, Json
from mission_control_sandbox.vapi.webhook_credentials import Credential, Wire
from mission_control_sandbox.world.conversations import Turn

log = structlog.get_logger(__name__)

DEFAULT_MESSAGES = (
    "conversation-update",
    "end-of-call-report",
    "function-call",
    "hang",
    "speech-update",
    "status-update",
    "tool-calls",
    "transfer-destination-request",
    "handoff-destination-request",
    "user-interrupted",
    "assistant.started",
)
AT_ONCE = 16
ONLY_FINAL = 'transcript[transcriptType="final"]'


class Backoff(Wire):
    """Without one, what is not delivered is lost."""

    type: Literal["fixed", "exponential"] = "fixed"
    max_retries: int = Field(default=0, ge=0, le=10)
    base_delay_seconds: float = Field(default=1, ge=0, le=10)
    excluded_status_codes: list[int] = Field(default_factory=list[int])

    def delay(self, attempt: int) -> float:
        return self.base_delay_seconds * (2**attempt if self.type == "exponential" else 1)


class Destination(Wire):
    """Where webhooks go. `every_type` sends what the assistant did not select as well."""

    url: str | None = None
    credential: Credential = Credential()
    timeout_seconds: float = Field(default=20, ge=1, le=300)
    backoff_plan: Backoff = Backoff()
    every_type: bool = False


class Replay(BaseModel):
    """What to send again. Shares are between 0 and 1; a lost message is not sent at all."""

    model_config = ConfigDict(extra="forbid")

    ids: list[str] | None = None
    count: int = Field(default=100, ge=1, le=36_000)
    types: list[str] = Field(default_factory=lambda: ["status-update", "end-of-call-report"])
    duplicate: float = Field(default=0, ge=0, le=1)
    lose: float = Field(default=0, ge=0, le=1)
    shuffle: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Message:
    """A server message about a call. `body` is what stands under `message`."""

    call_id: str
    body: Json

    @property
    def type(self) -> str:
        return str(self.body["type"])


@dataclass
class Webhooks:
    """Delivers messages to the one destination. Nothing is ever sent to an assistant's own server."""

    destination: Destination = field(default_factory=Destination)
    transport: httpx2.AsyncBaseTransport | None = None
    statuses: Counter[str] = field(default_factory=Counter[str])
    _http: httpx2.AsyncClient | None = None

    def __post_init__(self) -> None:
        self._first = self.destination

    def reset(self) -> None:
        self.destination = self._first
        self.statuses.clear()

    async def deliver(self, messages: Sequence[Message]) -> Counter[str]:
        """Sends these, several at once, in this order. How many were answered with which status."""
        if self.destination.url is None or not messages:
            return Counter()
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(message: Message) -> str:
            async with gate:
                return await self._send(message)

        answers = Counter(await asyncio.gather(*(one(message) for message in messages)))
        self.statuses += answers
        return answers

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()

    def _client(self) -> httpx2.AsyncClient:
        """One for all messages: making one takes longer than using it."""
        if self._http is None:
            self._http = httpx2.AsyncClient(transport=self.transport, trust_env=False)
        return self._http

    async def _send(self, message: Message) -> str:
        backoff, attempt = self.destination.backoff_plan, 0
        while True:
            status = await self._attempt(message)
            excluded = status.isdecimal() and int(status) in backoff.excluded_status_codes
            if status.startswith("2") or excluded or attempt >= backoff.max_retries:
                return status
            await asyncio.sleep(backoff.delay(attempt))
            attempt += 1

    async def _attempt(self, message: Message) -> str:
        url = self.destination.url or ""
        body = json.dumps({"message": message.body}).encode()
        headers = {
            "content-type": "application/json",
            "user-agent": "vapi-stand-in",
            "x-call-id": message.call_id,
            **self.destination.credential.headers(
                url=url, body=body, at=utc_now(), message_id=f"msg_{uuid4().hex}"
            ),
        }
        try:
            answer = await self._client().post(
                url, content=body, headers=headers, timeout=self.destination.timeout_seconds
            )
        except httpx2.HTTPError as exc:
            log.info("webhook.undelivered", message=message.type, reason=type(exc).__name__)
            return type(exc).__name__
        return str(answer.status_code)


# ---------------------------------------------------------------- what is told


def selected(message: Message, assistant: Mapping[str, Any] | None) -> bool:
    """Whether the assistant wants this message. What it lists replaces the default whole."""
    wanted = (assistant or {}).get("serverMessages") or DEFAULT_MESSAGES
    final = message.body.get("transcriptType") == "final"
    return message.type in wanted or (final and ONLY_FINAL in wanted)


def status_update(call: Json, base: Json, at: datetime) -> Message:
    told = {"type": "status-update", "status": call["status"], **_at(at)}
    if call["status"] == "ended":
        told |= {"endedReason": call["endedReason"], "artifact": call.get("artifact", {})}
    return _message(call, base, told)


def started(call: Json, base: Json, at: datetime) -> Message:
    return _message(call, base, {"type": "assistant.started", **_at(at)})


def spoken(
    call: Json, base: Json, turns: Sequence[Turn], number: int, begun: datetime
) -> list[Message]:
    """What is told about one turn: that it started, its text, that it stopped, and all so far."""
    turn = turns[number]
    role = OPENAI_ROLES[turn.speaker]
    start, end = (begun + timedelta(seconds=moment) for moment in (turn.start, turn.end))
    speech = {"type": "speech-update", "role": role, "turn": number}
    words = {"type": "transcript", "role": role, "transcriptType": "final", "transcript": turn.text}
    said = turns[: number + 1]
    update = {
        "type": "conversation-update",
        "messages": [
            one for one in call["artifact"]["messages"] if one["time"] <= end.timestamp() * 1000
        ],
        "messagesOpenAIFormatted": [
            {"role": OPENAI_ROLES[one.speaker], "content": one.text} for one in said
        ],
    }
    return [
        _message(call, base, {**speech, "status": "started", **_at(start)}),
        _message(call, base, {**words, **_at(end)}),
        _message(call, base, {**speech, "status": "stopped", **_at(end)}),
        _message(call, base, {**update, **_at(end)}),
    ]


def hang(call: Json, base: Json, at: datetime) -> Message:
    """The assistant did not answer for seconds."""
    return _message(call, base, {"type": "hang", **_at(at)})


def end_of_call_report(call: Json, base: Json, at: datetime) -> Message:
    names = ("startedAt", "endedAt", "cost", "costs", "costBreakdown", "endedReason")
    made = call.get("artifact", {})
    told: Json = {
        "type": "end-of-call-report",
        **{name: call[name] for name in names if name in call},
        "artifact": made,
        "analysis": call.get("analysis", {}),
        **{name: made[name] for name in ("transcript", "messages", "recordingUrl") if name in made},
        **_at(at),
    }
    if "startedAt" in call:
        began, ended = (datetime.fromisoformat(call[name]) for name in ("startedAt", "endedAt"))
        told["durationMs"] = round((ended - began).total_seconds() * 1000)
        told["durationSeconds"] = told["durationMs"] / 1000
    return _message(call, base, told)


def whole_story(call: Json, base: Json, turns: Sequence[Turn]) -> Iterator[Message]:
    """Everything that is told about a call that is over, in order, each as it was known then."""
    created, updated = (datetime.fromisoformat(call[name]) for name in ("createdAt", "updatedAt"))
    going_on = {name: value for name, value in call.items() if name not in _KNOWN_AT_THE_END}
    yield status_update({**going_on, "status": "queued"}, base, created)
    ended = datetime.fromisoformat(call.get("endedAt", call["updatedAt"]))
    if "startedAt" in call:
        going_on["status"] = "in-progress"
        begun = datetime.fromisoformat(call["startedAt"])
        yield status_update(going_on, base, begun)
        yield started(going_on, base, begun)
        if "transcript" in call.get("artifact", {}):
            for number in range(len(turns)):
                yield from spoken(going_on, base, turns, number, begun)
        if call["endedReason"] == "silence-timed-out":
            yield hang(going_on, base, ended)
    yield status_update(call, base, ended)
    yield end_of_call_report(call, base, updated)


def base_of(call: Json, assistant: Json | None, phone_number: Json | None) -> Json:
    """What every message about a call carries: whole configurations, with what is secret in them."""
    base: Json = {
        "assistantVersion": call.get("assistantVersion"),
        "customer": call.get("customer"),
    }
    if assistant is not None:
        base["assistant"] = assistant
    if phone_number is not None:
        base["phoneNumber"] = phone_number
    return base


def arranged(messages: Sequence[Message], asked: Replay) -> tuple[list[Message], list[Message]]:
    """(What is sent, what is lost), by the seed."""
    random = Random(asked.seed)  # noqa: S311  # repeatable is what it has to be
    lost = [message for message in messages if random.random() < asked.lose]
    gone = {id(message) for message in lost}
    kept = [message for message in messages if id(message) not in gone]
    sent = kept + [message for message in kept if random.random() < asked.duplicate]
    if asked.shuffle:
        random.shuffle(sent)
    return sent, lost


def _message(call: Json, base: Json, told: Json) -> Message:
    shown = {name: value for name, value in call.items() if name not in _HEAVY}
    return Message(call["id"], {**told, **base, "call": shown})


def _at(at: datetime) -> Json:
    return {"timestamp": round(at.timestamp() * 1000)}


_HEAVY = frozenset({"artifact", "analysis", "costs", "costBreakdown"})
_KNOWN_AT_THE_END = frozenset(
    {"endedAt", "endedReason", "cost", "costs", "costBreakdown", "analysis"}
)
