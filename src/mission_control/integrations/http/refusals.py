"""What an answer, or the lack of one, means: one error for every way in which a vendor refuses."""

import base64
import binascii
import json
import re
from contextlib import suppress
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import cast

import httpx2
import structlog
from pydantic import JsonValue

from mission_control.core.clock import utc_now
from mission_control.integrations.errors import (
    IntegrationAmbiguousError,
    IntegrationAnswerTooLargeError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationError,
    IntegrationMisconfiguredError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationRejectedError,
    IntegrationUnavailableError,
)
from mission_control.integrations.http.pacing import Quota, reset_in_body

log = structlog.get_logger(__name__)

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


def transport_error(
    vendor: str, exc: httpx2.RequestError | TimeoutError, *, changes: bool
) -> IntegrationError:
    reason = type(exc).__name__
    match exc:
        case httpx2.UnsupportedProtocol():
            return IntegrationMisconfiguredError(
                f"The base URL of {vendor} must start with http:// or https://. Nothing was sent.",
                vendor=vendor,
            )
        case _ if changes and not isinstance(exc, NEVER_SENT):
            return IntegrationAmbiguousError(
                f"{vendor} did not answer ({reason}) after a change was sent. "
                "It may or may not have been made: look before repeating it.",
                vendor=vendor,
                reason=reason,
            )
        case _:
            return IntegrationUnavailableError(
                f"{vendor} could not be reached ({reason}). Nothing was changed; "
                "check the network and its base URL, or try again later.",
                vendor=vendor,
                reason=reason,
            )


def refusal(
    vendor: str, response: httpx2.Response, *, changes: bool, authorization: str
) -> IntegrationError:
    status = response.status_code
    log.warning(
        "integration_call_refused",
        vendor=vendor,
        method=response.request.method,
        path=response.request.url.path,
        status=status,
    )
    where: dict[str, object] = {"vendor": vendor, "status": status}
    said = _what_was_said(response, authorization)
    match status:
        case 401 | 403:
            return _credentials(vendor, response, said, where)
        case 404:
            return IntegrationNotFoundError(f"{vendor} has no such thing{said}.", **where)
        case 429:
            return slow_down(vendor, _retry_after_seconds(response), status=status)
        case _ if status >= 500 or status == 408:
            return _failing(vendor, where, changes=changes)
        case _ if status < 400:
            return IntegrationContractError(
                f"{vendor} answered {status}, a redirect. Check that its base URL is the API's.",
                **where,
            )
        case _:
            return IntegrationRejectedError(
                f"{vendor} rejected the request ({status}){said}. Nothing was changed.",
                **where,
            )


def _credentials(
    vendor: str, response: httpx2.Response, said: str, where: dict[str, object]
) -> IntegrationError:
    if CLOUDFLARE_NO_USER_AGENT in response.text:
        return IntegrationCredentialsError(
            f"{vendor}'s gateway turned the request away because it saw no acceptable "
            "User-Agent (Cloudflare 1010). The API key was not looked at: a proxy on the "
            "way may be removing the header.",
            **where,
        )
    return IntegrationCredentialsError(
        f"{vendor} refused our API key{said}. Nothing was changed; "
        "correct the key in the settings.",
        **where,
    )


def slow_down(vendor: str, seconds: float, **where: object) -> IntegrationRateLimitedError:
    return IntegrationRateLimitedError(
        f"{vendor} asked us to slow down. Nothing was changed; try again later.",
        retry_after=seconds,
        vendor=vendor,
        **where,
    )


def _failing(vendor: str, where: dict[str, object], *, changes: bool) -> IntegrationError:
    status = where["status"]
    if not changes:
        return IntegrationUnavailableError(
            f"{vendor} is failing ({status}). Try again later.", **where
        )
    # A gateway says 502 or 504 while the server behind it goes on working.
    return IntegrationAmbiguousError(
        f"{vendor} failed ({status}) after a change was sent. "
        "It may or may not have been made: look before repeating it.",
        **where,
    )


def _what_was_said(response: httpx2.Response, authorization: str) -> str:
    """What the vendor wrote, for the end of a sentence: `: name must be shorter than …`."""
    text = _message_in(response)
    for secret in _secrets_in(authorization):
        text = text.replace(secret, "[redacted]")
    text = re.sub(r"[\s\x00-\x1f\x7f\ud800-\udfff]+", " ", text).strip().rstrip(".")
    if len(text) > LONGEST_VENDOR_MESSAGE:
        text = text[:LONGEST_VENDOR_MESSAGE] + "…"
    return f": {text}" if text else ""


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


def too_large(vendor: str, most_bytes: int, *, changes: bool) -> IntegrationError:
    """An answer that was not read to its end."""
    said = f"{vendor}'s answer is larger than {most_bytes // 1_000_000} MB"
    if changes:
        return IntegrationAmbiguousError(
            f"{said}, and was not read. The change may or may not have been made: look before "
            "repeating it.",
            vendor=vendor,
        )
    return IntegrationAnswerTooLargeError(
        f"{said}, and was not read to the end; nothing of it was kept. Check that its base URL "
        "is the API's.",
        vendor=vendor,
        most_bytes=most_bytes,
    )
