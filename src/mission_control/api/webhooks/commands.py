"""Webhooks: believed as far as their signature goes, and stored before they are answered."""

import asyncio
import json
from collections.abc import Sequence
from typing import NoReturn, cast

import structlog
from pydantic import JsonValue

from mission_control.api.calls import queries as calls
from mission_control.api.leads import queries as leads
from mission_control.api.resources import Resources
from mission_control.api.webhooks.errors import (
    WebhookMalformedError,
    WebhookNotConfiguredError,
    WebhookNotUnderstoodError,
    WebhookUnauthenticatedError,
    WebhookWantsAnswerError,
)
from mission_control.core.clock import utc_now
from mission_control.core.settings import Settings
from mission_control.data.unit_of_work import DatabaseUnavailableError
from mission_control.integrations.vapi.assistant import JsonObject
from mission_control.integrations.webhook_signatures import (
    Delivery,
    carries_token,
    is_signed,
    is_signed_by_close,
)

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 100
# Vapi waits for what these shall lead to; a mere acknowledgement would end the call.
WANT_AN_ANSWER = frozenset({
    "assistant-request", "call.endpointing.request", "campaign.predial",
    "handoff-destination-request", "knowledge-base-request", "tool-calls",
    "transfer-destination-request", "voice-request",
})  # fmt: skip

Waiting = tuple[JsonObject, "asyncio.Future[bool]"]


class Inbox:
    """Messages on their way into the database.

    One that comes alone is stored at once. Those that come while others are being stored share the
    next transaction, so that a burst is answered as quickly as a single one.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._waiting: list[Waiting] = []
        self._storing: asyncio.Future[None] | None = None

    async def take(self, message: JsonObject) -> bool:
        """Return once it is stored. False: it says nothing that is kept."""
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, stored))
        if self._storing is None or self._storing.done():
            self._storing = asyncio.ensure_future(self._store())
        return await stored

    async def _store(self) -> None:
        while self._waiting:
            together = self._waiting[:MOST_AT_ONCE]
            del self._waiting[:MOST_AT_ONCE]
            await self._store_together(together)

    async def _store_together(self, messages: Sequence[Waiting]) -> None:
        try:
            async with self._resources.unit_of_work() as uow:
                taken = await calls.take_vapi_messages(uow, [message for message, _ in messages])
        except DatabaseUnavailableError as error:
            _refuse(messages, error)
        except Exception as error:  # noqa: BLE001  # its sender is told
            if len(messages) == 1:
                _refuse(messages, error)
            else:
                for each in messages:  # one that cannot be stored takes no other with it
                    await self._store_together([each])
        else:
            for (_, stored), is_kept in zip(messages, taken, strict=True):
                if not stored.done():  # its sender may have left
                    stored.set_result(is_kept)


def _refuse(messages: Sequence[Waiting], error: Exception) -> None:
    for _, stored in messages:
        if not stored.done():
            stored.set_exception(error)


async def take_vapi_webhook(inbox: Inbox, settings: Settings, delivery: Delivery) -> bool:
    """Store what Vapi tells. False: it is authentic, and tells nothing that is kept here."""
    _authenticate_vapi(settings, delivery)
    match _json(delivery.body):
        case {"message": {"type": str(kind), **rest}}:
            message: JsonObject = {"type": kind, **rest}
        case _:
            raise WebhookNotUnderstoodError("Vapi", "`message.type`")
    if kind in WANT_AN_ANSWER:
        log.warning("webhook_wants_answer", kind=kind)
        raise WebhookWantsAnswerError(kind)
    return kind in calls.TELLING and await inbox.take(message)


async def take_close_webhook(resources: Resources, delivery: Delivery) -> None:
    """Hand the event on to the leads."""
    _authenticate_close(resources.settings, delivery)
    match _json(delivery.body):
        case {"event": dict(event)}:
            await leads.take_close_event(resources, cast("JsonObject", event))
        case _:
            raise WebhookNotUnderstoodError("Close", "`event`")


def _authenticate_vapi(settings: Settings, delivery: Delivery) -> None:
    secret = settings.vapi_webhook_key
    if secret is None or not secret.get_secret_value():
        raise WebhookNotConfiguredError("Vapi", "VAPI_WEBHOOK_SECRET")
    is_authentic = carries_token(delivery, secret.get_secret_value())
    if settings.vapi_webhook_hmac is not None:
        try:
            is_authentic |= is_signed(
                delivery, secret.get_secret_value(), settings.vapi_webhook_hmac
            )
        except ValueError:
            raise WebhookNotConfiguredError(
                "Vapi", "VAPI_WEBHOOK_SECRET", found="is not base64, as VAPI_WEBHOOK_HMAC says"
            ) from None
    if not is_authentic:
        _turn_away("Vapi", "VAPI_WEBHOOK_SECRET and VAPI_WEBHOOK_HMAC")


def _authenticate_close(settings: Settings, delivery: Delivery) -> None:
    key = settings.close_webhook_key
    if key is None or not key.get_secret_value():
        raise WebhookNotConfiguredError("Close", "CLOSE_WEBHOOK_KEY")
    try:
        is_authentic = is_signed_by_close(delivery, key.get_secret_value(), now=utc_now())
    except ValueError:
        raise WebhookNotConfiguredError(
            "Close", "CLOSE_WEBHOOK_KEY", found="is not hexadecimal, as Close's signature keys are"
        ) from None
    if not is_authentic:
        _turn_away("Close", "CLOSE_WEBHOOK_KEY")


def _turn_away(sender: str, setting: str) -> NoReturn:
    log.warning("webhook_unauthenticated", sender=sender)
    raise WebhookUnauthenticatedError(sender, setting)


def _json(body: bytes) -> JsonValue:
    try:
        return cast("JsonValue", json.loads(body, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        raise WebhookMalformedError from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
