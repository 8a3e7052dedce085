"""The request path every HTTP integration shares: one error mapping, and retries for reads only."""

import asyncio
import json
import random
import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from importlib.metadata import version
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


class HttpIntegration:
    """Talks to one vendor. Holds no database; never repeats a write; logs no body and no key."""

    vendor: ClassVar[str]
    # From the first byte sent to the last byte received, however slowly they trickle.
    request_timeout_seconds: ClassVar[float] = 60.0
    retry_base_seconds: ClassVar[float] = 0.5

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self._http = http

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _read(self, path: str, *, params: QueryParams | None = None) -> JsonValue:
        """GET, asked up to three times while the vendor is busy or away."""
        for attempt in count(1):
            try:
                return await self._request("GET", path, params=params)
            except (IntegrationUnavailableError, IntegrationRateLimitedError) as error:
                pause = self._pause_before_retry(error, attempt)
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError  # count() does not end

    async def _write(self, method: str, path: str, body: JsonValue) -> JsonValue:
        """Send once. An unclear outcome is an `IntegrationAmbiguousError`, for the caller to resolve."""
        return await self._request(method, path, body=body)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: QueryParams | None = None,
        body: JsonValue = None,
    ) -> JsonValue:
        started = time.monotonic()
        try:
            async with asyncio.timeout(self.request_timeout_seconds):
                response = await self._http.request(
                    method, path, params=params, content=_encode(body), headers=_headers(body)
                )
        except (httpx2.RequestError, TimeoutError) as exc:
            error = self._transport_error(exc, method)
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
        if not response.is_success:
            raise self._refusal(response)
        return self._decode(response)

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
        self, exc: httpx2.RequestError | TimeoutError, method: str
    ) -> IntegrationError:
        reason = type(exc).__name__
        match exc:
            case httpx2.UnsupportedProtocol():
                return IntegrationMisconfiguredError(
                    f"The base URL of {self.vendor} must start with http:// or https://. "
                    "Nothing was sent.",
                    vendor=self.vendor,
                )
            case _ if method != "GET" and not isinstance(exc, NEVER_SENT):
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

    def _refusal(self, response: httpx2.Response) -> IntegrationError:
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
                return IntegrationRateLimitedError(
                    f"{self.vendor} asked us to slow down. Nothing was changed; try again later.",
                    retry_after=_retry_after_seconds(response),
                    **where,
                )
            case _ if status >= 500 or status == 408:
                return self._failing(response, where)
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

    def _failing(self, response: httpx2.Response, where: dict[str, object]) -> IntegrationError:
        if response.request.method == "GET":
            return IntegrationUnavailableError(
                f"{self.vendor} is failing ({response.status_code}). Try again later.", **where
            )
        # A gateway says 502 or 504 while the server behind it goes on working.
        return IntegrationAmbiguousError(
            f"{self.vendor} failed ({response.status_code}) after a change was sent. "
            "It may or may not have been made: look before repeating it.",
            **where,
        )

    def _said(self, response: httpx2.Response) -> str:
        """What the vendor wrote, for the end of a sentence: `: name must be shorter than …`."""
        key = self._http.headers.get("Authorization", "").rpartition(" ")[2]
        text = _message_in(response)
        if key:
            text = text.replace(key, "[redacted]")
        text = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip().rstrip(".")
        if len(text) > LONGEST_VENDOR_MESSAGE:
            text = text[:LONGEST_VENDOR_MESSAGE] + "…"
        return f": {text}" if text else ""

    def _pause_before_retry(self, error: IntegrationError, attempt: int) -> float | None:
        """Seconds, or None when asking again is pointless."""
        if attempt >= READ_ATTEMPTS:
            return None
        jitter = random.uniform(0, self.retry_base_seconds * 2**attempt)  # noqa: S311 not a secret
        if not isinstance(error, IntegrationRateLimitedError):
            return jitter
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


def _message_in(response: httpx2.Response) -> str:
    """NestJS style: `message` is a text or a list of texts. HTML says nothing to a person."""
    try:
        body = cast("JsonValue", json.loads(response.content))
    except ValueError:
        return "" if "<" in response.text else response.text
    message = body.get("message") or body.get("error") if isinstance(body, dict) else None
    if isinstance(message, list):
        return "; ".join(str(one) for one in message)
    return message if isinstance(message, str) else ""


def _retry_after_seconds(response: httpx2.Response) -> float:
    """Retry-After is a number of seconds or a date."""
    given = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", given):
        return float(given)
    try:
        at = parsedate_to_datetime(given)
    except ValueError:
        return RATE_LIMIT_PAUSE_SECONDS
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - utc_now()).total_seconds())
