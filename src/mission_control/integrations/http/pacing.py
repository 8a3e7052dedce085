"""Keeps several requests in flight within what a vendor says it allows."""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import httpx2
from pydantic import JsonValue

NUMBER = r"\s*[=:]\s*\"?(\d{1,9}(?:\.\d{1,6})?)"
LONGEST_JITTER_SECONDS = 0.25


class PauseTooLongError(Exception):
    """The vendor wants us to wait for longer than anybody would."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Quota:
    """What one answer says is left. Any part may be missing; `reset` is in seconds from now."""

    remaining: int | None = None
    reset: float | None = None

    @classmethod
    def of(cls, response: httpx2.Response) -> "Quota":
        """From `RateLimit: limit=100, remaining=50, reset=0.6`, however it is separated and cased."""
        said = ", ".join(response.headers.get_list("RateLimit"))
        remaining = _number("remaining", said, response.headers)
        return cls(
            remaining=None if remaining is None else int(remaining),
            reset=_number("reset", said, response.headers),
        )


class Pace:
    """What a group of endpoints allows at the moment. All who use it slow down together."""

    def __init__(self, longest_pause_seconds: float) -> None:
        self._longest = longest_pause_seconds
        self._free_at = 0.0
        self._in_flight = 0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait until it is allowed to ask. Raises PauseTooLongError."""
        while (pause := self._free_at - time.monotonic()) > 0:
            if pause > self._longest:
                raise PauseTooLongError(pause)
            # Not all at the same instant: the window's first request would find them all.
            await asyncio.sleep(pause + random.uniform(0, min(pause, LONGEST_JITTER_SECONDS)))  # noqa: S311
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def observe(self, quota: Quota) -> None:
        """Hold everybody back when those in flight will use up what is left."""
        if quota.remaining is None or quota.reset is None:
            return
        others = self._in_flight - 1
        if quota.remaining - others <= 0:
            self.hold(quota.reset)

    def hold(self, seconds: float) -> None:
        self._free_at = max(self._free_at, time.monotonic() + seconds)


def reset_in_body(content: bytes) -> float | None:
    """Seconds until the window ends, from the body of an older 429: `{"error": {"rate_reset": …}}`."""
    try:
        body = cast("JsonValue", json.loads(content))
    except ValueError:
        return None
    inner = body.get("error") if isinstance(body, dict) else None
    for each in (inner, body):
        given = each.get("rate_reset") if isinstance(each, dict) else None
        if isinstance(given, int | float | str) and re.fullmatch(r"\d{1,9}(\.\d+)?", str(given)):
            return float(given)
    return None


def _number(name: str, said: str, headers: Mapping[str, str]) -> float | None:
    named = re.search(rf"\b{name}{NUMBER}", said, re.IGNORECASE)
    text = named[1] if named else headers.get(f"X-Rate-Limit-{name}", "").strip()
    return float(text) if re.fullmatch(r"\d{1,9}(\.\d+)?", text) else None
