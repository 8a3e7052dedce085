"""The request path every HTTP integration shares: one error mapping, and retries for reads only."""

import asyncio
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import count
from typing import ClassVar, Self, cast

import httpx2
import structlog
from pydantic import JsonValue

from mission_control.integrations.errors import (
    IntegrationContractError,
    IntegrationError,
    IntegrationRateLimitedError,
    IntegrationUnavailableError,
)
from mission_control.integrations.http.pacing import Pace, PauseTooLongError, Quota
from mission_control.integrations.http.refusals import (
    refusal,
    slow_down,
    too_large,
    transport_error,
)

log = structlog.get_logger(__name__)

USER_AGENT = f"mission-control/{version('mission-control')}"
READ_ATTEMPTS = 3
OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})
LONGEST_RETRY_AFTER_SECONDS = 20.0

QueryParams = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `changes`: it is a write, which may have happened although no answer came."""

    method: str
    path: str
    params: QueryParams | None = None
    body: JsonValue = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    changes: bool = False


class HttpIntegration:
    """Talks to one vendor. Holds no database; never repeats a write; logs no body and no key."""

    vendor: ClassVar[str]
    # From the first byte sent to the last byte received, however slowly they trickle.
    request_timeout_seconds: ClassVar[float] = 60.0
    retry_base_seconds: ClassVar[float] = 0.5
    read_attempts: ClassVar[int] = READ_ATTEMPTS
    # Unpacked. A page of 250 calls has some 2 MB; what is far larger is no answer but an attack.
    most_bytes: ClassVar[int] = 64_000_000
    # A vendor that hangs takes its time for every attempt.
    longest_patience_seconds: ClassVar[float] = 40.0

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http
        self.requests_sent = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _read(self, path: str, *, params: QueryParams | None = None) -> JsonValue:
        """GET, asked again a few times while the vendor is busy or away."""
        return await self._patiently(Question("GET", path, params=params))

    async def _read_once(self, path: str, *, params: QueryParams | None = None) -> JsonValue:
        """GET, for those who want to know how the vendor is now."""
        return await self._request(Question("GET", path, params=params))

    async def _ask(
        self, path: str, body: JsonValue, *, headers: Mapping[str, str] | None = None
    ) -> JsonValue:
        """A POST that changes nothing: a question too long or too deep for a URL."""
        return await self._patiently(Question("POST", path, body=body, headers=headers or {}))

    async def _write(self, method: str, path: str, body: JsonValue) -> JsonValue:
        """Send once. An unclear outcome is an `IntegrationAmbiguousError`, for the caller to resolve."""
        return await self._request(Question(method, path, body=body, changes=True))

    def _pace_of(self, method: str, path: str) -> Pace | None:  # noqa: ARG002
        """What requests like this one share; None for a vendor that does not say what it allows."""
        return None

    async def _patiently(self, question: Question) -> JsonValue:
        began = time.monotonic()
        for attempt in count(1):
            try:
                return await self._request(question)
            except (IntegrationUnavailableError, IntegrationRateLimitedError) as error:
                waited = time.monotonic() - began
                pause = self._pause_before_retry(error, attempt, waited)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError  # count() does not end

    async def _request(self, question: Question) -> JsonValue:
        pace = self._pace_of(question.method, question.path)
        if pace is None:
            response = await self._send(question)
        else:
            response = await self._send_in_turn(question, pace)
        if response.is_success:
            return self._decode(response)
        error = refusal(
            self.vendor,
            response,
            changes=question.changes,
            authorization=self._http.headers.get("Authorization", ""),
        )
        if pace is not None and isinstance(error, IntegrationRateLimitedError):
            pace.hold(error.retry_after)
        raise error

    async def _send_in_turn(self, question: Question, pace: Pace) -> httpx2.Response:
        try:
            async with pace.turn():
                response = await self._send(question)
                pace.observe(Quota.of(response))
                return response
        except PauseTooLongError as pause:
            raise slow_down(self.vendor, pause.seconds) from None

    async def _send(self, question: Question) -> httpx2.Response:
        started = time.monotonic()
        self.requests_sent += 1
        method, path, body = question.method, question.path, question.body
        try:
            async with asyncio.timeout(self.request_timeout_seconds):
                request = self._http.build_request(
                    method,
                    path,
                    params=question.params,
                    content=_encode(body),
                    headers={**_headers(body), **question.headers},
                )
                response = await self._receive(request, changes=question.changes)
        except (httpx2.RequestError, TimeoutError) as exc:
            error = transport_error(self.vendor, exc, changes=question.changes)
            log.warning(
                "integration_call_failed",
                vendor=self.vendor,
                method=method,
                path=path,
                reason=type(exc).__name__,
            )
            raise error from exc
        log.debug(
            "integration_called",
            vendor=self.vendor,
            method=method,
            path=path,
            status=response.status_code,
            duration_ms=round((time.monotonic() - started) * 1000),
        )
        return response

    async def _receive(self, request: httpx2.Request, *, changes: bool) -> httpx2.Response:
        """The whole answer, unpacked, as long as it is no larger than any of theirs should be."""
        streamed = await self._http.send(request, stream=True)
        body = bytearray()
        try:
            async for chunk in streamed.aiter_bytes():
                body += chunk
                if len(body) > self.most_bytes:
                    log.warning("integration_answer_too_large", vendor=self.vendor)
                    raise too_large(self.vendor, self.most_bytes, changes=changes)
        finally:
            await streamed.aclose()
        headers = [(key, value) for key, value in streamed.headers.multi_items()
                   if key.lower() not in OF_THE_TRANSFER]  # fmt: skip
        return httpx2.Response(
            streamed.status_code, headers=headers, content=bytes(body), request=request
        )

    def _decode(self, response: httpx2.Response) -> JsonValue:
        try:
            return cast("JsonValue", json.loads(response.content, parse_constant=_refuse_constant))
        except ValueError as exc:
            raise IntegrationContractError(
                f"{self.vendor} answered {response.status_code} with something that is not JSON. "
                "Check that its base URL is the API's.",
                vendor=self.vendor,
                status=response.status_code,
            ) from exc

    def _pause_before_retry(
        self, error: IntegrationError, attempt: int, waited: float
    ) -> float | None:
        """Seconds, or None when asking again is pointless."""
        if attempt >= self.read_attempts:
            return None
        jitter = random.uniform(0, self.retry_base_seconds * 2**attempt)  # noqa: S311 not a secret
        if not isinstance(error, IntegrationRateLimitedError):
            return jitter if waited < self.longest_patience_seconds else None
        if error.retry_after > LONGEST_RETRY_AFTER_SECONDS:
            return None
        return error.retry_after + jitter


def _encode(body: JsonValue) -> bytes | None:
    # ASCII, because a text cut in the middle of an emoji is legal JSON and not legal UTF-8.
    return None if body is None else json.dumps(body, allow_nan=False).encode("ascii")


def _headers(body: JsonValue) -> dict[str, str]:
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
    return headers if body is None else {**headers, "Content-Type": "application/json"}


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(name)
