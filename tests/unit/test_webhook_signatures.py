"""Every way in which a webhook can prove who sent it, and none in which it cannot."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mission_control.core.setting_values import WebhookSignature
from mission_control.integrations.webhook_signatures import (
    Delivery,
    carries_token,
    is_signed,
    is_signed_by_close,
)

SECRET = "a-long-secret"  # noqa: S105
BODY = '{"message": {"type": "hang", "note": "{timestamp} – é"}}'.encode()
URL = "https://console.example.org/webhooks/vapi"


def a_delivery(headers: dict[str, str], body: bytes = BODY) -> Delivery:
    return Delivery(
        method="POST",
        urls=["http://127.0.0.1/webhooks/vapi", URL],
        headers=list(headers.items()),
        body=body,
    )


def digest(payload: bytes, algorithm: str = "sha256", key: bytes = SECRET.encode()) -> bytes:
    return hmac.digest(key, payload, algorithm)


class TestToken:
    @pytest.mark.parametrize(
        "headers",
        [
            {"Authorization": f"Bearer {SECRET}"},
            {"authorization": f"bearer {SECRET}"},
            {"X-Vapi-Secret": SECRET},
            {"X-Anything": SECRET},
            {"X-Anything": f"Bearer {SECRET}"},
        ],
    )
    def test_in_any_header_with_and_without_prefix(self, headers: dict[str, str]) -> None:
        assert carries_token(a_delivery({"host": "x", **headers, "accept": "*/*"}), SECRET)

    @pytest.mark.parametrize(
        "value", ["", "Bearer", "Bearer ", SECRET[:-1], SECRET + "x", f"Basic {SECRET}", SECRET.upper()]
    )  # fmt: skip
    def test_nothing_else(self, value: str) -> None:
        assert not carries_token(a_delivery({"Authorization": value}), SECRET)


SIGNED: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"x-signature": digest(b"123." + BODY).hex(), "x-timestamp": "123"}),
    ({"algorithm": "sha1"},
     {"x-signature": digest(b"123." + BODY, "sha1").hex(), "x-timestamp": "123"}),
    ({"algorithm": "sha512", "signatureEncoding": "base64"},
     {"x-signature": base64.b64encode(digest(b"9." + BODY, "sha512")).decode(), "x-timestamp": "9"}),
    ({"includeTimestamp": False}, {"x-signature": digest(BODY).hex()}),
    ({"payloadFormat": "{body}", "includeTimestamp": False, "signatureHeader": "X-Hub-Signature-256",
      "signaturePrefix": "sha256="}, {"x-hub-signature-256": f"sha256={digest(BODY).hex()}"}),
    ({"payloadFormat": "{method}|{url}|{timestamp}|{body}", "timestampHeader": "X-When"},
     {"x-signature": digest(f"POST|{URL}|5|".encode() + BODY).hex().upper(), "x-when": "5"}),
    ({"payloadFormat": "{svix-id}.{timestamp}.{body}", "messageIdHeader": "svix-id",
      "timestampHeader": "svix-timestamp", "signatureHeader": "svix-signature",
      "signaturePrefix": "v1,", "signatureEncoding": "base64"},
     {"svix-id": "msg_1", "svix-timestamp": "7", "svix-signature": "v1,AAAA v1,"
      + base64.b64encode(digest(b"msg_1.7." + BODY)).decode()}),
]  # fmt: skip


class TestSignature:
    @pytest.mark.parametrize(("options", "headers"), SIGNED)
    def test_every_documented_form(self, options: dict[str, Any], headers: dict[str, str]) -> None:
        how = WebhookSignature.model_validate(options)
        assert is_signed(a_delivery(headers), SECRET, how)
        assert not is_signed(a_delivery(headers), SECRET + "x", how)
        assert not is_signed(a_delivery(headers, BODY + b" "), SECRET, how)
        assert not is_signed(a_delivery({}), SECRET, how)

    def test_a_timestamp_is_signed_too(self) -> None:
        headers = {"x-signature": digest(b"123." + BODY).hex(), "x-timestamp": "124"}
        assert not is_signed(a_delivery(headers), SECRET, WebhookSignature())

    def test_a_secret_may_be_base64(self) -> None:
        key, how = b"\x00\xffkey", WebhookSignature(secret_is_base64=True, include_timestamp=False)
        headers = {"x-signature": digest(BODY, key=key).hex()}
        written = base64.b64encode(key).decode()
        assert is_signed(a_delivery(headers), written, how)
        assert is_signed(a_delivery(headers), f"whsec_{written}", how)
        with pytest.raises(ValueError, match=r"base64|padding|character"):
            is_signed(a_delivery(headers), "no base64!", how)

    @pytest.mark.parametrize("signature", ["", "zz", "ab" * 10_000, "é", "sha256=00"])
    def test_nonsense_is_no_signature(self, signature: str) -> None:
        headers = {"x-signature": signature, "x-timestamp": "1"}
        assert not is_signed(a_delivery(headers), SECRET, WebhookSignature())


class TestClose:
    KEY = "058bfb6a3d8cfdc4da7c3be5901b16ae11da982b46a25fb2cd7016e97a140a1c"
    AT = 1_544_271_440
    BODY = b'{"event":{"id":"ev_test"},"subscription_id":"whsub_test"}'
    HASH = "8ba1610df0384f28e05e87692a2505b2e88006424f9a32f8d2852008bc710c9d"

    def signed(self, *, after: timedelta = timedelta(0), **changes: str) -> bool:
        headers = {"close-sig-hash": self.HASH, "close-sig-timestamp": str(self.AT), **changes}
        now = datetime.fromtimestamp(self.AT, UTC) + after
        return is_signed_by_close(a_delivery(headers, self.BODY), self.KEY, now=now)

    def test_the_known_vector(self) -> None:
        assert self.signed()

    def test_close_repeats_for_three_days(self) -> None:
        assert self.signed(after=timedelta(hours=72))
        assert not self.signed(after=timedelta(hours=74))
        assert not self.signed(after=timedelta(minutes=-6))

    @pytest.mark.parametrize(
        "changes",
        [
            {"close-sig-hash": "00" * 32},
            {"close-sig-hash": "no hex"},
            {"close-sig-hash": ""},
            {"close-sig-timestamp": "1544271441"},
            {"close-sig-timestamp": ""},
            {"close-sig-timestamp": "soon"},
        ],
    )
    def test_nothing_else(self, changes: dict[str, Any]) -> None:
        assert not self.signed(**changes)

    def test_the_key_is_hexadecimal(self) -> None:
        with pytest.raises(ValueError, match="hex"):
            is_signed_by_close(a_delivery({}), "no hex", now=datetime.now(UTC))


def test_the_vector_is_what_it_says() -> None:
    key = bytes.fromhex(TestClose.KEY)
    signed = hmac.new(key, str(TestClose.AT).encode() + TestClose.BODY, hashlib.sha256).hexdigest()
    assert signed == TestClose.HASH
