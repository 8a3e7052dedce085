"""Failures on demand: what a network, a gateway and a busy vendor do to a request."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_HANG_SECONDS = 600.0
CUT_SHORT = b'{"id":"'

Kind = Literal["status", "html", "hang", "drop", "slow", "rate_limit", "forget"]


class Fault(BaseModel):
    """One planned failure. `after` means that the request is carried out first, and its answer lost.

    `forget` loses the field at `field` (`model.toolIds`) once a write has been carried out.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Kind
    times: int = Field(default=1, ge=1, le=10_000)
    method: str | None = None
    path: str | None = None  # the beginning of the path
    when: Literal["before", "after"] = "before"
    status: int = Field(default=503, ge=200, le=599)
    seconds: float = Field(default=1.0, ge=0, le=LONGEST_HANG_SECONDS)
    retry_after: str | None = None
    field: str | None = None

    def hits(self, method: str, path: str) -> bool:
        return (self.method in (None, method)) and path.startswith(self.path or "")


@dataclass
class PlannedFaults:
    waiting: list[Fault] = field(default_factory=list[Fault])

    def take(self, method: str, path: str) -> Fault | None:
        """The first fault for this request, used up by one."""
        found = next((fault for fault in self.waiting if fault.hits(method, path)), None)
        if found is not None:
            found.times -= 1
            self.waiting = [fault for fault in self.waiting if fault.times > 0]
        return found


async def apply_fault(
    fault: Fault,
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    forget: Callable[[str, str], None],
) -> None:
    """Answer this request as the fault says."""
    if fault.when == "after" and fault.kind not in ("slow", "forget"):
        await app(scope, receive, _nowhere)
    match fault.kind:
        case "slow":
            await asyncio.sleep(fault.seconds)
            await app(scope, receive, send)
        case "forget":
            await app(scope, receive, send)
            forget(scope["path"], fault.field or "")
        case "hang":
            await _until_gone(receive)
        case "drop":
            await _start(send, 200, "application/json", length=len(CUT_SHORT) + 1)
            await send({"type": "http.response.body", "body": CUT_SHORT, "more_body": True})
        case "html":
            page = (
                b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
            )
            await _answer(send, 502, "text/html", page)
        case "rate_limit":
            extra = {"retry-after": fault.retry_after} if fault.retry_after is not None else {}
            body = b'{"message":"Rate limit exceeded","statusCode":429}'
            await _answer(send, 429, "application/json", body, extra)
        case "status":
            body = b'{"message":"Internal server error","statusCode":%d}' % fault.status
            await _answer(send, fault.status, "application/json", body)


async def _nowhere(_message: Message) -> None:
    """Where the answer of a request goes that was carried out and then lost."""


async def _until_gone(receive: Receive) -> None:
    async with asyncio.timeout(LONGEST_HANG_SECONDS):
        while (await receive())["type"] != "http.disconnect":
            pass


async def _answer(
    send: Callable[[Message], Awaitable[None]],
    status: int,
    content_type: str,
    body: bytes,
    extra: dict[str, str] | None = None,
) -> None:
    await _start(send, status, content_type, length=len(body), extra=extra)
    await send({"type": "http.response.body", "body": body})


async def _start(
    send: Send, status: int, content_type: str, *, length: int, extra: dict[str, str] | None = None
) -> None:
    headers = {"content-type": content_type, "content-length": str(length), **(extra or {})}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
