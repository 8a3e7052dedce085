"""How a webhook of Vapi's proves where it comes from: a secret, a bearer token or a signature."""

import base64
import hmac
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

STAMPED = "{timestamp}.{body}"


class Wire(BaseModel):
    """Written in Vapi's camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class Credential(Wire):
    """How a webhook proves where it comes from.

    `secret` is the legacy `X-Vapi-Secret`. The other fields are those of Vapi's bearer and HMAC
    plans; `timestamp_unit` is ours, since the reference does not say it.
    """

    type: Literal["none", "secret", "bearer", "hmac"] = "none"
    token: str = ""
    header_name: str = "Authorization"
    bearer_prefix_enabled: bool = True
    secret_key: str = ""
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    signature_header: str = "x-signature"
    timestamp_header: str = "x-timestamp"
    include_timestamp: bool = True
    payload_format: str = STAMPED
    signature_prefix: str = ""
    signature_encoding: Literal["hex", "base64"] = "hex"
    secret_is_base64: bool = False
    message_id_header: str | None = None
    timestamp_unit: Literal["s", "ms"] = "s"

    def headers(self, *, url: str, body: bytes, at: datetime, message_id: str) -> dict[str, str]:
        match self.type:
            case "none":
                return {}
            case "secret":
                return {"X-Vapi-Secret": self.token}
            case "bearer":
                prefix = "Bearer " if self.bearer_prefix_enabled else ""
                return {self.header_name: f"{prefix}{self.token}"}
            case "hmac":
                return self._signed(url=url, body=body, at=at, message_id=message_id)

    def _signed(self, *, url: str, body: bytes, at: datetime, message_id: str) -> dict[str, str]:
        seconds = at.timestamp()
        stamp = str(int(seconds * 1000) if self.timestamp_unit == "ms" else int(seconds))
        key = (
            base64.b64decode(self.secret_key) if self.secret_is_base64 else self.secret_key.encode()
        )
        digest = hmac.digest(key, self._payload(url, body, stamp, message_id), self.algorithm)
        written = (
            digest.hex() if self.signature_encoding == "hex" else base64.b64encode(digest).decode()
        )
        headers = {self.signature_header: f"{self.signature_prefix}{written}"}
        if self.include_timestamp:
            headers[self.timestamp_header] = stamp
        if self.message_id_header:
            headers[self.message_id_header] = message_id
        return headers

    def _payload(self, url: str, body: bytes, stamp: str, message_id: str) -> bytes:
        unstamped = not self.include_timestamp and self.payload_format == STAMPED
        form = "{body}" if unstamped else self.payload_format
        before, found, after = form.partition("{body}")
        names = {"timestamp": stamp, "method": "POST", "url": url, "svix-id": message_id}

        def filled(text: str) -> bytes:
            for name, value in names.items():
                text = text.replace(f"{{{name}}}", value)
            return text.encode()

        return filled(before) + (body if found else b"") + filled(after)
