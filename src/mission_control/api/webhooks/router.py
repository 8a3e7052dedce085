"""HTTP door of webhooks: the only routes that somebody outside may call."""

from typing import Any, cast

from fastapi import APIRouter, Request

from mission_control.api.deps import get_resources
from mission_control.api.problems import refusals
from mission_control.api.webhooks import commands
from mission_control.api.webhooks.batching import MessageBatch
from mission_control.api.webhooks.errors import (
    WebhookMalformedError,
    WebhookNotConfiguredError,
    WebhookNotUnderstoodError,
    WebhookUnauthenticatedError,
    WebhookWantsAnswerError,
)
from mission_control.api.webhooks.schemas import WebhookTaken
from mission_control.integrations.webhook_signatures import Delivery

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

OF_VAPI = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "message": {
            "type": "object",
            "required": ["type"],
            "properties": {"type": {"type": "string"}},
        }
    },
    "examples": [{"message": {"type": "status-update", "status": "ringing"}}],
}
OF_CLOSE = {
    "type": "object",
    "required": ["event"],
    "properties": {"event": {"type": "object"}},
    "examples": [{"event": {"object_type": "lead", "action": "updated", "object_id": "lead_1"}}],
}

REFUSED = (
    WebhookMalformedError,
    WebhookUnauthenticatedError,
    WebhookNotUnderstoodError,
    WebhookNotConfiguredError,
)


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    """`openapi_extra` of a route that reads its body itself: what is signed are its bytes."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post(
    "/vapi",
    summary="Take a server message of Vapi",
    responses=refusals(*REFUSED, WebhookWantsAnswerError),
    openapi_extra=_body(OF_VAPI),
)
async def take_vapi_webhook(request: Request) -> WebhookTaken:
    """A `{"message": {…}}` of Vapi, proven by token or signature, is stored before the answer.

    Repeating it changes nothing. Messages that tell of single words are acknowledged unread; those
    that ask what to do next are refused.
    """
    settings = get_resources(request).settings
    delivery = await _delivery(request, settings.mc_public_host)
    stored = await commands.take_vapi_webhook(_batch(request), settings, delivery)
    return WebhookTaken(stored=stored)


@router.post(
    "/close",
    status_code=204,
    summary="Take an event of Close",
    responses=refusals(*REFUSED),
    openapi_extra=_body(OF_CLOSE),
)
async def take_close_webhook(request: Request) -> None:
    """An `{"event": {…}}` of Close, signed with the subscription's key within the last 73 hours."""
    resources = get_resources(request)
    delivery = await _delivery(request, resources.settings.mc_public_host)
    await commands.take_close_webhook(resources, delivery)


def _batch(request: Request) -> MessageBatch:
    return cast("MessageBatch", request.app.state.message_batch)


async def _delivery(request: Request, public_host: str | None) -> Delivery:
    # A tunnel or proxy in front of us has changed scheme and host of the address that was signed.
    hosts = dict.fromkeys([public_host, request.url.netloc])
    schemes = ("https", "http")
    urls = [
        str(request.url.replace(scheme=scheme, netloc=host))
        for scheme in schemes
        for host in hosts
        if host
    ]
    return Delivery(
        method=request.method,
        urls=[*urls, request.url.path],
        headers=request.headers.items(),
        body=await request.body(),
    )
