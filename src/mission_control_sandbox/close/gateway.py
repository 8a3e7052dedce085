"""What stands before Close's routes: the rate limit, the key, and GET in the place of POST."""

import base64
import binascii
import json
from typing import Any, cast
from urllib.parse import urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mission_control_sandbox.close.stand_in import StandIn
from mission_control_sandbox.server import Gateway, as_json


class CloseGateway(Gateway):
    def __init__(self, app: ASGIApp, stand_in: StandIn) -> None:
        super().__init__(app, stand_in)
        self._stand_in = stand_in
        self.describe = _describe

    async def admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        key = _key(headers)
        if key is None or self._stand_in.api_key not in (None, key):
            await _unauthorized(scope, receive, send)
            return
        verdict = self._stand_in.limits.ask(scope["method"], scope["path"], key)

        async def send_limited(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(verdict.headers)
            await send(message)

        if not verdict.allowed:
            await as_json(verdict.body, 429)(scope, receive, send_limited)
            return
        if headers.get("x-http-method-override", "").upper() == "GET":
            scope, receive = await _as_get(scope, receive)
        await self.app(scope, receive, send_limited)


def _key(headers: Headers) -> str | None:
    """The API key: the user name of Basic authentication whose password is empty."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key if key and colon and not password else None


async def _unauthorized(scope: Scope, receive: Receive, send: Send) -> None:
    answer = as_json({"error": "Unauthorized"}, 401)
    answer.headers["www-authenticate"] = 'Basic realm="Close API"'
    await answer(scope, receive, send)


async def _as_get(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """A POST that stands for a GET whose address would be too long."""
    try:
        body = json.loads(await Request(scope, receive).body())
        given = cast("dict[str, Any]", body["_params"])
        query = urlencode({name: _as_text(value) for name, value in given.items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        query = ""
    return {**scope, "method": "GET", "query_string": query.encode()}, _nothing


def _as_text(value: object) -> str:
    return (
        ",".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    )


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _describe(status: int) -> object:
    """What Close says of a status that nobody wrote a text for."""
    if status == 429:
        said = {"message": "API call count exceeded for this period", "rate_reset": 1.0}
        return {"error": {**said, "rate_limit": 160, "rate_window": 8, "rate_limit_type": "key"}}
    return {"error": "Internal server error" if status >= 500 else "Refused on demand"}
