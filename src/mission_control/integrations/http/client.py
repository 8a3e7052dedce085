"""The request path every HTTP integration shares: one error mapping, and retries for reads only."""

import asyncio
import base64
import binascii
import json
import random
import re
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from importlib.metadata import version
from ipaddress import ip_address
from itertools import count
from typing import ClassVar, Self, cast

import httpx2
import structlog
from pydantic import JsonValue

from mission_control.core.clock import utc_now
from mission_control.integrations.errors import (
    IntegrationAmbiguousError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationError,
    IntegrationMisconfiguredError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationRejectedError,
    IntegrationUnavailableError,
)
from mission_control.integrations.http.pacing import Pace, PauseTooLongError, Quota, reset_in_body

log = structlog.get_logger(__name__)

USER_AGENT = f"mission-control/{version('mission-control')}"
READ_ATTEMPTS = 3
LONGEST_RETRY_AFTER_SECONDS = 20.0
RATE_LIMIT_PAUSE_SECONDS = 2.0  # when the vendor does not say
LONGEST_VENDOR_MESSAGE = 300

# The request never left, so a write cannot have happened.
NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
)
CLOUDFLARE_NO_USER_AGENT = "error code: 1010"

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
        error = self._refusal(response, changes=question.changes)
        if pace is not None and isinstance(error, IntegrationRateLimitedError):
            pace.hold(error.retry_after)
        raise error

    async def _send_in_turn(self, question: Question, pace: Pace) -> httpx2.Response:
        try:
            async with pace.turn():
                response = await self._send(question)
                pace.heard(Quota.of(response))
                return response
        except PauseTooLongError as pause:
            raise self._slow_down(pause.seconds) from None

    async def _send(self, question: Question) -> httpx2.Response:
        started = time.monotonic()
        self.requests_sent += 1
        method, path, body = question.method, question.path, question.body
        try:
            async with asyncio.timeout(self.request_timeout_seconds):
                response = await self._http.request(
                    method,
                    path,
                    params=question.params,
                    content=_encode(body),
                    headers={**_headers(body), **question.headers},
                )
        except (httpx2.RequestError, TimeoutError) as exc:
            error = self._transport_error(exc, changes=question.changes)
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

    def _transport_error(
        self, exc: httpx2.RequestError | TimeoutError, *, changes: bool
    ) -> IntegrationError:
        reason = type(exc).__name__
        match exc:
            case httpx2.UnsupportedProtocol():
                return IntegrationMisconfiguredError(
                    f"The base URL of {self.vendor} must start with http:// or https://. "
                    "Nothing was sent.",
                    vendor=self.vendor,
                )
            case _ if changes and not isinstance(exc, NEVER_SENT):
                return IntegrationAmbiguousError(
                    f"{self.vendor} did not answer ({reason}) after a change was sent. "
                    "It may or may not have been made: look before repeating it.",
                    vendor=self.vendor,
                    reason=reason,
                )
            case _:
                return IntegrationUnavailableError(
                    f"{self.vendor} could not be reached ({reason}). Nothing was changed; "
                    "check the network and its base URL, or try again later.",
                    vendor=self.vendor,
                    reason=reason,
                )

    def _refusal(self, response: httpx2.Response, *, changes: bool) -> IntegrationError:
        status = response.status_code
        log.warning(
            "integration_call_refused",
            vendor=self.vendor,
            method=response.request.method,
            path=response.request.url.path,
            status=status,
        )
        where: dict[str, object] = {"vendor": self.vendor, "status": status}
        said = self._said(response)
        match status:
            case 401 | 403:
                return self._credentials(response, said, where)
            case 404:
                return IntegrationNotFoundError(f"{self.vendor} has no such thing{said}.", **where)
            case 429:
                return self._slow_down(_retry_after_seconds(response), **where)
            case _ if status >= 500 or status == 408:
                return self._failing(where, changes=changes)
            case _ if status < 400:
                return IntegrationContractError(
                    f"{self.vendor} answered {status}, a redirect. "
                    "Check that its base URL is the API's.",
                    **where,
                )
            case _:
                return IntegrationRejectedError(
                    f"{self.vendor} rejected the request ({status}){said}. Nothing was changed.",
                    **where,
                )

    def _credentials(
        self, response: httpx2.Response, said: str, where: dict[str, object]
    ) -> IntegrationError:
        if CLOUDFLARE_NO_USER_AGENT in response.text:
            return IntegrationCredentialsError(
                f"{self.vendor}'s gateway turned the request away because it saw no acceptable "
                "User-Agent (Cloudflare 1010). The API key was not looked at: a proxy on the "
                "way may be removing the header.",
                **where,
            )
        return IntegrationCredentialsError(
            f"{self.vendor} refused our API key{said}. Nothing was changed; "
            "correct the key in the settings.",
            **where,
        )

    def _slow_down(self, seconds: float, **where: object) -> IntegrationRateLimitedError:
        return IntegrationRateLimitedError(
            f"{self.vendor} asked us to slow down. Nothing was changed; try again later.",
            retry_after=seconds,
            **{"vendor": self.vendor, **where},
        )

    def _failing(self, where: dict[str, object], *, changes: bool) -> IntegrationError:
        status = where["status"]
        if not changes:
            return IntegrationUnavailableError(
                f"{self.vendor} is failing ({status}). Try again later.", **where
            )
        # A gateway says 502 or 504 while the server behind it goes on working.
        return IntegrationAmbiguousError(
            f"{self.vendor} failed ({status}) after a change was sent. "
            "It may or may not have been made: look before repeating it.",
            **where,
        )

    def _said(self, response: httpx2.Response) -> str:
        """What the vendor wrote, for the end of a sentence: `: name must be shorter than …`."""
        text = _message_in(response)
        for secret in _secrets_in(self._http.headers.get("Authorization", "")):
            text = text.replace(secret, "[redacted]")
        text = re.sub(r"[\s\x00-\x1f\x7f\ud800-\udfff]+", " ", text).strip().rstrip(".")
        if len(text) > LONGEST_VENDOR_MESSAGE:
            text = text[:LONGEST_VENDOR_MESSAGE] + "…"
        return f": {text}" if text else ""

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


def open_http(
    base_url: str, *, vendor: str, setting: str, headers: Mapping[str, str]
) -> httpx2.AsyncClient:
    """Connections to one vendor. `setting` is the name of the one that holds `base_url`.

    Raises:
        IntegrationMisconfiguredError: The base URL is not a URL.
    """
    try:
        url = httpx2.URL(base_url)
    except httpx2.InvalidURL:
        raise IntegrationMisconfiguredError(
            f"{setting} is not a URL. Correct or remove it.", vendor=vendor
        ) from None
    # A proxy of the environment cannot know our own stand-in.
    is_elsewhere = not is_loopback(url.host)
    return httpx2.AsyncClient(
        base_url=url,
        headers=dict(headers),
        timeout=httpx2.Timeout(30.0, connect=5.0, pool=5.0),
        trust_env=is_elsewhere,
        verify=trusted_authorities(trust_env=is_elsewhere),
    )


@lru_cache
def trusted_authorities(*, trust_env: bool) -> ssl.SSLContext:
    """Whose certificates are believed. Reading them takes longer than a request, so it is done once."""
    return httpx2.create_ssl_context(trust_env=trust_env)


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _encode(body: JsonValue) -> bytes | None:
    # ASCII, because a text cut in the middle of an emoji is legal JSON and not legal UTF-8.
    return None if body is None else json.dumps(body, allow_nan=False).encode("ascii")


def _headers(body: JsonValue) -> dict[str, str]:
    headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
    return headers if body is None else {**headers, "Content-Type": "application/json"}


def _refuse_constant(name: str) -> JsonValue:
    raise ValueError(name)


def _secrets_in(authorization: str) -> list[str]:
    """What must not be repeated: the credentials as sent, and the key inside a Basic one."""
    scheme, _, sent = authorization.rpartition(" ")
    secrets = [sent]
    if scheme.lower() == "basic":
        with suppress(ValueError, binascii.Error):
            secrets += base64.b64decode(sent).decode().split(":")
    return [secret for secret in secrets if secret]


def _message_in(response: httpx2.Response) -> str:
    """The vendor's words, in any of the shapes that vendors use. HTML says nothing to a person."""
    try:
        body = cast("JsonValue", json.loads(response.content))
    except ValueError:
        return "" if "<" in response.text else response.text
    if not isinstance(body, dict):
        return ""
    by_field = body.get("field-errors")
    fields = _by_field(by_field) if isinstance(by_field, dict) else []
    said = body.get("message") or body.get("error") or body.get("errors")
    return "; ".join([*_words(said), *fields])


def _words(said: JsonValue) -> list[str]:
    match said:
        case str():
            return [said]
        case list():
            return [str(one) for one in said]
        case {"message": str() as message}:
            return [message]
        case _:
            return []


def _by_field(errors: dict[str, JsonValue]) -> list[str]:
    """One text per field: `name: Required`. What is nested stays JSON."""
    return [
        f"{name}: {said if isinstance(said, str) else json.dumps(said)}"
        for name, said in errors.items()
    ]


def _retry_after_seconds(response: httpx2.Response) -> float:
    """When the window ends, if the vendor says so; else Retry-After, in seconds or as a date."""
    reset = Quota.of(response).reset
    if reset is None:
        reset = reset_in_body(response.content)
    if reset is not None:
        return reset
    given = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", given):
        return float(given)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return RATE_LIMIT_PAUSE_SECONDS
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - utc_now()).total_seconds())
