"""Close's client: reads everything, changes leads, and never repeats a change blindly."""

import asyncio
import base64
from collections.abc import Mapping
from typing import ClassVar

import structlog
from pydantic import JsonValue, SecretStr

from mission_control.integrations.close.errors import LeadUpdateUnconfirmedError
from mission_control.integrations.close.fields import LeadChange, change_of, has_custom
from mission_control.integrations.close.objects import JsonObject
from mission_control.integrations.close.reader import CloseReader
from mission_control.integrations.errors import (
    IntegrationAmbiguousError,
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationError,
)
from mission_control.integrations.http.connections import open_http

log = structlog.get_logger(__name__)

READ_BACK_ATTEMPTS = 3


def open_close(base_url: str, key: SecretStr) -> "CloseClient":
    """A client with its own connections; close it with `aclose()` or `async with`.

    Raises:
        IntegrationCredentialsError: The key cannot be sent in a header.
        IntegrationMisconfiguredError: The base URL is not a URL.
    """
    token = key.get_secret_value().strip()
    if not token or not token.isascii() or not token.isprintable() or set(token) & {" ", ":"}:
        raise IntegrationCredentialsError(
            "The Close API key is empty or has characters no key has. Set CLOSE_API_KEY again.",
            vendor=CloseClient.vendor,
        )
    # The key is the user name, and there is no password; Close's own examples end in a colon.
    basic = base64.b64encode(f"{token}:".encode()).decode()
    http = open_http(
        base_url.rstrip("/").removesuffix("/api/v1"),
        vendor=CloseClient.vendor,
        setting="CLOSE_BASE_URL",
        # Without it a day begins where Close thinks that the key's user lives.
        headers={"Authorization": f"Basic {basic}", "x-tz-offset": "0"},
    )
    return CloseClient(http)


class CloseClient(CloseReader):
    """Things travel as the JSON that Close sent: what we do not know is never lost.

    Every method may raise the `IntegrationError`s of `integrations.errors`.
    """

    read_back_pause_seconds: ClassVar[float] = 0.5

    async def update_lead(self, lead_id: str, data: Mapping[str, JsonValue]) -> JsonObject:
        """Change what `data` names, and answer with the whole lead as Close has it then.

        `data` has Close's own keys (`name`, `status_id`, …), literal `custom.cf_…` keys, and
        `custom`, a dict by id or name of the field. None unsets. A field that holds several values
        takes `{"add": v}`, `{"remove": v}` or `{"replace": [v, …]}`, and nothing else.

        Raises:
            NotAcceptableError: One of `close_errors`; nothing was sent.
            LeadUpdateUnconfirmedError: No answer came, and the lead does not show the change.
        """
        fields = await self.custom_fields() if has_custom(data) else []
        change = change_of(data, fields)
        path = self._path("lead", lead_id)
        try:
            lead = self._lead(await self._write("PUT", path, change.patch), lead_id)
        except (IntegrationAmbiguousError, IntegrationContractError) as error:
            log.warning("close_update_unclear", lead_id=lead_id, code=error.code)
            lead = await self._read_back(lead_id, change)
        log.info("close_lead_updated", lead_id=lead_id, fields=sorted(change.patch))
        return lead

    async def _read_back(self, lead_id: str, change: LeadChange) -> JsonObject:
        """The lead as soon as it shows the change; Close may show an older one for a while."""
        for attempt in range(READ_BACK_ATTEMPTS):
            await asyncio.sleep(self.read_back_pause_seconds * attempt)
            try:
                lead = self._lead(await self._read_once(self._path("lead", lead_id)), lead_id)
            except IntegrationError as error:
                raise LeadUpdateUnconfirmedError(lead_id) from error
            if change.is_in(lead):
                return lead
        raise LeadUpdateUnconfirmedError(lead_id)
