"""An agent's live events, as a client watches them: over lost connections, each event once."""

import json
import time
from collections.abc import Generator
from typing import Any, Literal, cast
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from mission_control.client.errors import ApiProblemError, unreachable
from mission_control.client.requests import part

CONNECT_TIMEOUT = 3.0
PATIENCE = 30.0  # how long a watch outlasts an API that restarts
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
LARGEST_MESSAGE = 64 * 1024 * 1024

# Close codes of the API's sockets after which coming back would not help.
SOCKET_REFUSALS = {4003: 403, 4004: 404}

WatchKind = Literal["optimize", "evaluate"]


def watch(
    base_url: str, kind: WatchKind, agent_id: str, after: str | None
) -> Generator[dict[str, Any]]:
    """See `ApiClient.watch`."""
    lost_at: float | None = None
    pause = FIRST_PAUSE
    has_been_there = False
    while True:
        try:
            with _socket(base_url, kind, agent_id, after) as socket:
                for text in socket:
                    message = cast("dict[str, Any]", json.loads(text))
                    after = str(message["id"])
                    lost_at, pause, has_been_there = None, FIRST_PAUSE, True
                    yield message
        except ConnectionClosed as closed:
            _raise_refusal(closed)
        except (OSError, WebSocketException, TimeoutError):
            if not has_been_there:
                raise unreachable(base_url) from None
        lost_at = lost_at or time.monotonic()
        if time.monotonic() - lost_at > PATIENCE:
            raise unreachable(base_url)
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def _socket(base_url: str, kind: WatchKind, agent_id: str, after: str | None) -> ClientConnection:
    query = f"?{urlencode({'after': after})}" if after else ""
    address = f"ws{base_url.removeprefix('http')}/ws/{kind}/{part(agent_id)}{query}"
    try:
        return connect(
            address,
            open_timeout=CONNECT_TIMEOUT,
            close_timeout=1,
            max_size=LARGEST_MESSAGE,
            compression=None,
            proxy=None,
        )
    except InvalidStatus as refusal:
        status = refusal.response.status_code
        raise ApiProblemError(
            status, "socket_refused", f"The API refuses to be watched (HTTP {status})."
        ) from None


def _raise_refusal(closed: ConnectionClosed) -> None:
    """Raise ApiProblemError when the socket was closed for a reason that will not pass."""
    code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")
    if code in SOCKET_REFUSALS:
        detail = {
            4003: "The API takes no watchers from this page's origin.",
            4004: "There is no agent with this id.",
        }[code]
        raise ApiProblemError(SOCKET_REFUSALS[code], reason or "socket_refused", detail) from None
