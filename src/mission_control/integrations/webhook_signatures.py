"""How a webhook proves who sent it: a token, or a signature over the bytes that came."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mission_control.core.setting_values import WebhookSignature

PLACEHOLDER = re.compile(r"(\{(?:timestamp|body|method|url|svix-id)\})")
SVIX_SECRET_PREFIX = "whsec_"  # noqa: S105  # what such secrets begin with
# Close repeats a delivery for 72 hours. The timestamp is signed with the body, so it proves when
# this was signed and nothing else; an hour is for queues, five minutes for clocks.
CLOSE_OLDEST = timedelta(hours=73)
CLOSE_NEWEST = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A request as it came. `urls`: every way in which its sender may have written our address."""

    method: str
    urls: Sequence[str]
    headers: Sequence[tuple[str, str]]
    body: bytes

    def header(self, name: str | None) -> str | None:
        wanted = (name or "").lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


def carries_token(delivery: Delivery, secret: str) -> bool:
    """Whether any header is the secret, alone or after `Bearer`: Vapi lets everybody name his own."""
    found = False
    for _, value in delivery.headers:
        scheme, _, rest = value.strip().partition(" ")
        token = rest.strip() if scheme.lower() == "bearer" else value.strip()
        found |= _same(token.encode(), secret.encode())  # every header, whether or not one has it
    return found


def is_signed(delivery: Delivery, secret: str, how: WebhookSignature) -> bool:
    """Whether Vapi signed this in the way that its HMAC credential says.

    Raises:
        ValueError: The secret is not base64, although it is said to be.
    """
    key = signing_key(secret, how)
    given = list(_signatures(delivery.header(how.signature_header), how))
    timestamp = delivery.header(how.timestamp_header) if how.include_timestamp else ""
    if not given or timestamp is None:
        return False
    found = False
    for url in delivery.urls if "{url}" in how.payload_format else [""]:
        payload = _payload(delivery, how, timestamp=timestamp, url=url)
        expected = hmac.new(key, payload, how.algorithm).digest()
        for signature in given:
            found |= _same(signature, expected)
    return found


def signing_key(secret: str, how: WebhookSignature) -> bytes:
    """Raises ValueError when the secret is not base64, although it is said to be."""
    if not how.secret_is_base64:
        return secret.encode()
    return base64.b64decode(secret.removeprefix(SVIX_SECRET_PREFIX), validate=True)


def is_signed_by_close(delivery: Delivery, key: str, *, now: datetime) -> bool:
    """Whether Close signed this with the key of our subscription, not too long ago.

    Raises:
        ValueError: The key is not hexadecimal, as Close's are.
    """
    timestamp = delivery.header("close-sig-timestamp") or ""
    try:
        signature = bytes.fromhex(delivery.header("close-sig-hash") or "")
    except ValueError:
        signature = b""
    signed = timestamp.encode() + delivery.body
    expected = hmac.new(bytes.fromhex(key), signed, hashlib.sha256).digest()
    return _same(signature, expected) and _is_recent(timestamp, now)


def _is_recent(timestamp: str, now: datetime) -> bool:
    if not re.fullmatch(r"[0-9]{1,11}", timestamp):
        return False
    at = datetime.fromtimestamp(int(timestamp), UTC)
    return now - CLOSE_OLDEST <= at <= now + CLOSE_NEWEST


def _signatures(header: str | None, how: WebhookSignature) -> Iterator[bytes]:
    """Svix-style headers carry several, one for each key that is valid while keys change."""
    for written in dict.fromkeys([header or "", *(header or "").split()]):
        if not written.startswith(how.signature_prefix):
            continue
        text = written.removeprefix(how.signature_prefix).strip()
        try:
            if how.signature_encoding == "hex":
                yield bytes.fromhex(text)
            else:
                yield base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            continue


def _payload(delivery: Delivery, how: WebhookSignature, *, timestamp: str, url: str) -> bytes:
    """What was signed. In one pass, so that nothing in the body is taken for a placeholder."""
    form = how.payload_format
    if not how.include_timestamp:
        form = form.replace("{timestamp}.", "")
    values = {
        "{timestamp}": timestamp.encode(),
        "{body}": delivery.body,
        "{method}": delivery.method.encode(),
        "{url}": url.encode(),
        "{svix-id}": (delivery.header(how.message_id_header or "svix-id") or "").encode(),
    }
    return b"".join(values.get(part, part.encode()) for part in PLACEHOLDER.split(form))


def _same(one: bytes, other: bytes) -> bool:
    """In constant time, whatever their lengths."""
    return hmac.compare_digest(hashlib.sha256(one).digest(), hashlib.sha256(other).digest())
