"""Webhooks: believed as far as their signature goes, and stored before they are answered."""

import json
from typing import NoReturn, cast

import structlog
from pydantic import JsonValue

from mission_control.api.mirrors.close.refetch import take_close_event
from mission_control.api.mirrors.vapi.recording import CALL_STATE_MESSAGES
from mission_control.api.resources import Resources
from mission_control.api.webhooks.authentication import authenticate_close, authenticate_vapi
from mission_control.api.webhooks.batching import MessageBatch
from mission_control.api.webhooks.errors import (
    WebhookMalformedError,
    WebhookNotUnderstoodError,
    WebhookWantsAnswerError,
)
from mission_control.core.json_types import JsonObject
from mission_control.core.settings import Settings
from mission_control.integrations.webhook_signatures import (
    Delivery,
)

log = structlog.get_logger(__name__)

# Vapi waits for what these shall lead to; a mere acknowledgement would end the call.
WANT_AN_ANSWER = frozenset({
    "assistant-request", "call.endpointing.request", "campaign.predial",
    "handoff-destination-request", "knowledge-base-request", "tool-calls",
    "transfer-destination-request", "voice-request",
})  # fmt: skip


async def take_vapi_webhook(batch: MessageBatch, settings: Settings, delivery: Delivery) -> bool:
    """Store what Vapi tells. False: it is authentic, and tells nothing that is kept here."""
    authenticate_vapi(settings, delivery)
    match _json(delivery.body):
        case {"message": {"type": str(kind), **rest}}:
            message: JsonObject = {"type": kind, **rest}
        case _:
            raise WebhookNotUnderstoodError("Vapi", "`message.type`")
    if kind in WANT_AN_ANSWER:
        log.warning("webhook_wants_answer", kind=kind)
        raise WebhookWantsAnswerError(kind)
    return kind in CALL_STATE_MESSAGES and await batch.store(message)


async def take_close_webhook(resources: Resources, delivery: Delivery) -> None:
    """Hand the event on to the leads."""
    authenticate_close(resources.settings, delivery)
    match _json(delivery.body):
        case {"event": dict(event)}:
            await take_close_event(resources, cast("JsonObject", event))
        case _:
            raise WebhookNotUnderstoodError("Close", "`event`")


def _json(body: bytes) -> JsonValue:
    try:
        return cast("JsonValue", json.loads(body, parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        raise WebhookMalformedError from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
