"""Failures on demand: what a network, a gateway and a busy vendor do to a request."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_HANG_SECONDS = 600.0
CUT_SHORT = b'{"id":"'
GATEWAY_PAGE = "<html><head><title>{0} Bad Gateway</title></head><body>cloudflare</body></html>"

Kind = Literal["status", "html", "text403", "hang", "drop", "slow", "rate_limit", "forget"]
Describe = Callable[[int], object]


class Fault(BaseModel):
    """One planned failure. `after` means that the request is carried out first, and its answer lost.

    `status` and `rate_limit` answer with `body` (JSON, or a string as plain text) and `headers`;
    left out, the body is the vendor's own. `forget` loses the field at `field` (`model.toolIds`)
    once a write has been carried out.
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
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
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


def nest_error(status: int) -> object:
    """How a NestJS server, as Vapi is, describes a status that nobody wrote a text for."""
    message = "Rate limit exceeded" if status == 429 else "Internal server error"
    return {"message": message, "statusCode": status}


async def apply_fault(
    fault: Fault,
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    forget: Callable[[str, str], None] | None = None,
    describe: Describe = nest_error,
) -> None:
    """Answer this request as the fault says.

    `forget` loses the field at a path, for the kind of that name. `describe` gives the vendor's own
    JSON body for a status, where the fault names none.
    """
    if fault.when == "after" and fault.kind not in ("slow", "forget"):
        await app(scope, receive, _nowhere)
    match fault.kind:
        case "slow":
            await asyncio.sleep(fault.seconds)
            await app(scope, receive, send)
        case "forget":
            await app(scope, receive, send)
            if forget is not None:
                forget(scope["path"], fault.field or "")
        case "hang":
            await _until_gone(receive)
        case "drop":
            await _start(send, 200, "application/json", length=len(CUT_SHORT) + 1)
            await send({"type": "http.response.body", "body": CUT_SHORT, "more_body": True})
        case "html":
            status = fault.status if fault.status != 503 else 502
            await _answer(send, status, "text/html", GATEWAY_PAGE.format(status).encode())
        case "text403":
            await _answer(send, 403, "text/plain; charset=utf-8", b"error code: 1010")
        case "rate_limit":
            extra = {"retry-after": fault.retry_after} if fault.retry_after is not None else {}
            await _describe(send, 429, fault, describe, extra)
        case "status":
            await _describe(send, fault.status, fault, describe, {})


async def _describe(
    send: Send, status: int, fault: Fault, describe: Describe, extra: Mapping[str, str]
) -> None:
    headers = {**extra, **fault.headers}
    if isinstance(fault.body, str):
        await _answer(send, status, "text/plain; charset=utf-8", fault.body.encode(), headers)
        return
    content = describe(status) if fault.body is None else fault.body
    await _answer(send, status, "application/json", json.dumps(content).encode(), headers)


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
    extra: Mapping[str, str] | None = None,
) -> None:
    await _start(send, status, content_type, length=len(body), extra=extra)
    await send({"type": "http.response.body", "body": body})


async def _start(
    send: Send,
    status: int,
    content_type: str,
    *,
    length: int,
    extra: Mapping[str, str] | None = None,
) -> None:
    headers = {"content-type": content_type, "content-length": str(length), **(extra or {})}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in headers.items()
            ],
        }
    )
