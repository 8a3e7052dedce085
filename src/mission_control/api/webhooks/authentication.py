"""Who sent a webhook: told by token or signature, and by nothing else."""

from typing import NoReturn

import structlog

from mission_control.api.webhooks.errors import (
    WebhookNotConfiguredError,
    WebhookUnauthenticatedError,
)
from mission_control.core.clock import utc_now
from mission_control.core.settings import Settings
from mission_control.integrations.webhook_signatures import (
    Delivery,
    carries_token,
    is_signed,
    is_signed_by_close,
)

log = structlog.get_logger(__name__)


def authenticate_vapi(settings: Settings, delivery: Delivery) -> None:
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


def authenticate_close(settings: Settings, delivery: Delivery) -> None:
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
