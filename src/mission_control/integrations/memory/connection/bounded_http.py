"""HTTP to a memory server: bounded answers, and failures that end one call and not the connection."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any

import httpx2

from mission_control.integrations.http.client import USER_AGENT
from mission_control.integrations.http.connections import is_loopback
from mission_control.integrations.memory.connection.wire import EXCHANGE, Exchange

NO_ANSWER = 599  # no server sends it
LONGEST_SILENCE_SECONDS = 330.0  # longer than any deadline of ours; those decide


class AnswerCutError(httpx2.StreamError):
    """The rest of an answer was not read. The MCP client makes it an error of that one call."""


class BoundedHttp(httpx2.AsyncClient):
    """Without this, one lost connection would end the whole MCP session and all its calls."""

    def __init__(self, url: str, *, headers: Mapping[str, str], max_bytes: int) -> None:
        super().__init__(
            headers={"User-Agent": USER_AGENT, **headers},
            timeout=httpx2.Timeout(LONGEST_SILENCE_SECONDS, connect=10.0, pool=10.0),
            event_hooks={"response": [self._watch]},
            # A proxy of the environment cannot know a server on this machine.
            trust_env=not is_loopback(httpx2.URL(url).host),
        )
        self._max_bytes = max_bytes

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        try:
            return await super().send(request, **options)
        except httpx2.TransportError as exc:
            _exchange_of(request).network_error = type(exc).__name__
            return httpx2.Response(NO_ANSWER, request=request)

    async def _watch(self, response: httpx2.Response) -> None:
        exchange = _exchange_of(response.request)
        exchange.status = response.status_code if response.status_code >= 300 else None
        with suppress(ValueError):
            exchange.retry_after = float(response.headers.get("Retry-After", ""))
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, self._max_bytes, exchange)


def _exchange_of(request: httpx2.Request) -> Exchange:
    """Of a POST, whose call it belongs to; the others are no answers to what was asked."""
    asked = EXCHANGE.get() if request.method == "POST" else None
    return asked or Exchange()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int, exchange: Exchange) -> None:
        self._stream = stream
        self._left = max_bytes
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                self._left -= len(chunk)
                if self._left < 0:
                    self._exchange.too_large = True
                    raise AnswerCutError("The answer is larger than allowed.")
                yield chunk
        except httpx2.TransportError as exc:
            self._exchange.network_error = type(exc).__name__
            raise AnswerCutError("The connection was lost.") from exc

    async def aclose(self) -> None:
        await self._stream.aclose()
