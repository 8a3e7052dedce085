"""Subscriptions, and the signed deliveries of what happened to those who subscribed."""

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import httpx2
import structlog

from mission_control.core.clock import utc_now
from mission_control_sandbox.close.errors import RefusalError, invalid_field, not_found
from mission_control_sandbox.close.events import Event
from mission_control_sandbox.close.journal import Journal, Line
from mission_control_sandbox.close.records import Record, timestamp

log = structlog.get_logger(__name__)

MOST_SUBSCRIPTIONS = 40
PAUSES = (0.0, 0.3, 1.0, 3.0)  # seconds before each attempt; the vendor tries for three days
TIMEOUT_SECONDS = 10.0
AT_ONCE = 8


def signature(signature_key: str, at: str, body: bytes) -> str:
    """`close-sig-hash` of a body sent at this time (Unix seconds, as text)."""
    message = at.encode() + body
    return hmac.new(bytes.fromhex(signature_key), message, hashlib.sha256).hexdigest()


@dataclass
class Webhooks:
    """Who wants to be told. Deliveries run beside the requests, and are tried a few times."""

    journal: Journal
    now: Callable[[], datetime] = utc_now
    transport: httpx2.AsyncBaseTransport | None = None
    subscriptions: dict[str, Record] = field(default_factory=dict[str, Record])
    delivered: int = 0
    given_up: int = 0
    _running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    # ------------------------------------------------------------ subscriptions

    def page(self) -> list[Record]:
        return [_shown(one) for one in self.subscriptions.values()]

    def get(self, subscription_id: str) -> Record:
        return _shown(self._found(subscription_id))

    def create(self, body: Mapping[str, Any]) -> Record:
        """The answer carries the signature key, which no other answer does."""
        if len(self.subscriptions) >= MOST_SUBSCRIPTIONS:
            raise RefusalError(400, {"errors": ["Too many webhook subscriptions."]})
        at = timestamp(self.now())
        made = {
            "id": f"whsub_{secrets.token_hex(11)}",
            "status": "active",
            "signature_key": secrets.token_hex(32),
            "verify_ssl": True,
            "date_created": at,
            "date_updated": at,
            "url": None,
            "events": None,
        }
        return self._keep(_patched(made, body))

    def update(self, subscription_id: str, body: Mapping[str, Any]) -> Record:
        after = _patched(self._found(subscription_id), body)
        return _shown(self._keep({**after, "date_updated": timestamp(self.now())}))

    def delete(self, subscription_id: str) -> None:
        self._found(subscription_id)
        del self.subscriptions[subscription_id]
        self.journal.note({"kind": "webhook", "id": subscription_id, "webhook": None})

    def restore(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if line.get("kind") == "webhook":
                self.subscriptions.pop(line["id"], None)
                if line["webhook"] is not None:
                    self.subscriptions[line["id"]] = line["webhook"]

    def lines(self) -> list[Line]:
        return [
            {"kind": "webhook", "id": subscription_id, "webhook": one}
            for subscription_id, one in self.subscriptions.items()
        ]

    def _keep(self, subscription: Record) -> Record:
        self.subscriptions[subscription["id"]] = subscription
        line = {"kind": "webhook", "id": subscription["id"], "webhook": subscription}
        self.journal.note(line)
        return subscription

    def _found(self, subscription_id: str) -> Record:
        if subscription_id not in self.subscriptions:
            raise not_found("WebhookSubscription")
        return self.subscriptions[subscription_id]

    # ------------------------------------------------------------ deliveries

    def tell(self, event: Event) -> None:
        """Start a delivery to everybody who wants this event; needs a running loop if anybody does."""
        for subscription in self.subscriptions.values():
            if subscription["status"] == "active" and _wants(subscription, event):
                body = {"event": event, "subscription_id": subscription["id"]}
                task = asyncio.get_running_loop().create_task(
                    self._deliver(subscription, json.dumps(body).encode())
                )
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def settled(self) -> None:
        """Until every delivery is over, one way or the other."""
        while self._running:
            await asyncio.gather(*self._running)

    async def _deliver(self, subscription: Record, body: bytes) -> None:
        async with self._slots:
            for pause in PAUSES:
                await asyncio.sleep(pause)
                if await self._sent(subscription, body):
                    self.delivered += 1
                    return
        self.given_up += 1
        log.warning("close_stand_in.webhook_given_up", subscription=subscription["id"])

    async def _sent(self, subscription: Record, body: bytes) -> bool:
        at = str(int(self.now().timestamp()))
        headers = {
            "content-type": "application/json",
            "close-sig-timestamp": at,
            "close-sig-hash": signature(subscription["signature_key"], at, body),
        }
        try:
            async with httpx2.AsyncClient(
                transport=self.transport, timeout=TIMEOUT_SECONDS, trust_env=False
            ) as http:
                answer = await http.post(subscription["url"], content=body, headers=headers)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return False
        return answer.is_success


def _shown(subscription: Record) -> Record:
    return {key: value for key, value in subscription.items() if key != "signature_key"}


def _patched(before: Record, body: Mapping[str, Any]) -> Record:
    names = ("url", "events", "verify_ssl", "status")
    after = before | {name: body[name] for name in names if name in body}
    if not isinstance(after["url"], str) or not after["url"].startswith(("http://", "https://")):
        raise invalid_field("url", "Invalid URL.")
    if after["status"] not in ("active", "paused"):
        raise invalid_field("status", "Not a valid choice.")
    events = after["events"]
    if not isinstance(events, list) or not all(_is_event(one) for one in cast("list[Any]", events)):
        raise invalid_field("events", "Every event needs an object_type and an action.")
    if body.get("event_filter") or any("extra_filter" in one for one in cast("list[Any]", events)):
        raise invalid_field("events", "The stand-in does not filter webhooks by their content.")
    return after


def _is_event(one: object) -> bool:
    if not isinstance(one, dict):
        return False
    given = cast("Record", one)
    return bool(given.get("object_type")) and bool(given.get("action"))


def _wants(subscription: Record, event: Event) -> bool:
    return any(
        one["object_type"] == event["object_type"] and one["action"] == event["action"]
        for one in subscription["events"]
    )
