"""Recordings and logs of a call: what a signed address leads to."""

import gzip
import io
import json
import math
import wave
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlencode

from mission_control_sandbox.vapi.call_json import Placed
from mission_control_sandbox.vapi.refusals import RefusalError

RATE, SECONDS, LOUDNESS = 8_000, 0.4, 0.3
TONES = {"mono": (440,), "assistant": (523,), "customer": (349,), "stereo": (523, 349)}
ROUTES = {
    "mono-recording": "mono.wav",
    "stereo-recording": "stereo.wav",
    "customer-recording": "customer.wav",
    "assistant-recording": "assistant.wav",
    "video-recording": None,
    "pcap": None,
    "call-logs": "logs.jsonl.gz",
}
MediaType = Literal["audio/wav", "application/gzip"]


def place_of(placed: Placed, route: str, now: datetime) -> str:
    """The path and query of the signed address of an artifact. Refuses what there is not."""
    name = ROUTES[route]
    is_there = placed.has_content if route == "call-logs" else placed.is_recorded
    if name is None or not is_there:
        raise RefusalError(404, f"Couldn't Find {route} For Call {placed.call_id}.")
    signature = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
        "X-Amz-Expires": 900,
        "X-Amz-Signature": "0" * 64,
    }
    return f"/sandbox/artifacts/{placed.call_id}/{name}?{urlencode(signature)}"


def artifact(placed: Placed, name: str) -> tuple[bytes, MediaType]:
    if name not in ROUTES.values():
        raise RefusalError(404, "NoSuchKey")
    if name.endswith(".wav"):
        return wav(TONES[name.removesuffix(".wav")]), "audio/wav"
    return gzip.compress("".join(_log_lines(placed)).encode(), mtime=0), "application/gzip"


def wav(tones: tuple[int, ...]) -> bytes:
    """A short tone per channel, 16 bit."""
    frames = bytearray()
    for number in range(int(RATE * SECONDS)):
        for tone in tones:
            value = int(32_767 * LOUDNESS * math.sin(2 * math.pi * tone * number / RATE))
            frames += value.to_bytes(2, "little", signed=True)
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(len(tones))
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(frames))
    return written.getvalue()


def _log_lines(placed: Placed) -> list[str]:
    told = placed.conversation
    began = told.started_at or told.created_at
    lines = [_line(began, 0, "info", "Call started", {"callId": placed.call_id})]
    for turn in told.turns:
        body = f"{turn.speaker}: {turn.text}"
        lines.append(_line(began, turn.end, "info", body, {"category": "transcript"}))
    over = {"endedReason": told.ended_reason}
    return [*lines, _line(began, told.seconds, "info", "Call ended", over)]


def _line(began: datetime, seconds: float, level: str, body: str, more: dict[str, Any]) -> str:
    at = round((began.timestamp() + seconds) * 1e9)
    return json.dumps({"time": at, "severityText": level, "body": body, "attributes": more}) + "\n"
