"""A stand-in for Vapi's assistants, written from Vapi's reference and never from our client.

`/assistant` behaves as the vendor's does, whitelist and whole-object PATCH included. Everything
under `/sandbox` is ours: what was asked, failures on demand, and a way back to the start.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mission_control.sandbox.vapi.assistants import Assistant, seeded_assistants
from mission_control.sandbox.vapi.faults import Fault, PlannedFaults, apply_fault
from mission_control.sandbox.vapi.store import Assistants, RefusalError, StandInError

LONGEST_LOG = 10_000
OPEN_PATHS = ("/sandbox", "/health")
INVALID_KEY = (
    "Invalid Key. Hot tip, you may be using the private key instead of the public key, "
    "or vice versa."
)


@dataclass
class StandIn:
    assistants: Assistants
    api_key: str | None = None
    faults: PlannedFaults = field(default_factory=PlannedFaults)
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def note(self, scope: Scope) -> None:
        query = scope["query_string"].decode("latin-1")
        self.requests.append({"method": scope["method"], "path": scope["path"], "query": query})
        del self.requests[:-LONGEST_LOG]

    def reset(self) -> None:
        self.assistants.reset()
        self.faults.waiting.clear()
        self.requests.clear()


def create_app(
    *,
    assistants: Sequence[Assistant] | None = None,
    data_file: Path | None = None,
    agents_dir: Path | None = None,
    api_key: str | None = None,
    whitelist: bool = True,
) -> Starlette:
    """The stand-in as an ASGI application.

    Args:
        assistants: What it has from the start; left out: REMUS, GENESIS and SCOUT.
        data_file: Where assistants outlive the process; left out: nowhere.
        agents_dir: The playbooks whose prompts the seeds carry; left out: `agents/`.
        api_key: The only key it takes; left out: any.
        whitelist: False plays a Vapi newer than our reference: unknown fields are taken.
    """
    seeds = seeded_assistants(agents_dir) if assistants is None else assistants
    stand_in = StandIn(Assistants(seeds, data_file, whitelist=whitelist), api_key)
    app = Starlette(
        routes=_routes(),
        middleware=[Middleware(_Gateway, stand_in=stand_in)],
        exception_handlers={RefusalError: _refused, HTTPException: _unknown_route},
    )
    app.state.stand_in = stand_in
    return app


def serve(*, port: int, host: str = "127.0.0.1", data_file: Path | None = None) -> None:
    """Run until stopped."""
    uvicorn.run(
        create_app(data_file=data_file),
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        # A client that reuses a connection while the server gives it up loses a request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        server_header=False,
    )


# ---------------------------------------------------------------- what every request goes through


class _Gateway:
    """Log, planned failures, Cloudflare's check of the User-Agent, then the key."""

    def __init__(self, app: ASGIApp, stand_in: StandIn) -> None:
        self._app = app
        self._stand_in = stand_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-stand-in"] = "true"
            await send(message)

        if scope["type"] != "http" or scope["path"].startswith(OPEN_PATHS):
            await self._app(scope, receive, send_marked)
            return
        self._stand_in.note(scope)
        fault = self._stand_in.faults.take(scope["method"], scope["path"])
        if fault is None:
            await self._checked(scope, receive, send_marked)
        else:
            forget = self._stand_in.assistants.forget
            await apply_fault(fault, self._checked, scope, receive, send_marked, forget=forget)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope))
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Response | None:
        if not headers.get("user-agent"):
            return PlainTextResponse("error code: 1010", status_code=403)
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if not key:
            return _json(RefusalError(401, "Missing Authorization Header.").body, 401)
        if scheme.lower() != "bearer" or self._stand_in.api_key not in (None, key):
            return _json(RefusalError(401, INVALID_KEY).body, 401)
        return None


# ---------------------------------------------------------------- the vendor's routes


async def _list(request: Request) -> Response:
    return _json(_of(request).assistants.page(request.query_params))


async def _create(request: Request) -> Response:
    return _json(_of(request).assistants.create(await _body(request)), 201)


async def _get(request: Request) -> Response:
    return _json(_of(request).assistants.get(request.path_params["id"]))


async def _update(request: Request) -> Response:
    body = await _body(request)
    return _json(_of(request).assistants.update(request.path_params["id"], body))


async def _delete(request: Request) -> Response:
    return _json(_of(request).assistants.delete(request.path_params["id"]))


# ---------------------------------------------------------------- our own routes


async def _health(_request: Request) -> Response:
    return _json({"status": "ok"})


async def _requests(request: Request) -> Response:
    return _json({"requests": _of(request).requests})


async def _plan_fault(request: Request) -> Response:
    try:
        fault = Fault.model_validate_json(await request.body())
    except ValidationError as exc:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in exc.errors()]
        raise RefusalError(400, problems) from None
    _of(request).faults.waiting.append(fault)
    return _json(fault.model_dump(), 201)


async def _reset(request: Request) -> Response:
    _of(request).reset()
    return _json({"status": "reset"})


def _routes() -> list[Route]:
    return [
        Route("/assistant", _list, methods=["GET"]),
        Route("/assistant", _create, methods=["POST"]),
        Route("/assistant/{id}", _get, methods=["GET"]),
        Route("/assistant/{id}", _update, methods=["PATCH"]),
        Route("/assistant/{id}", _delete, methods=["DELETE"]),
        Route("/health", _health, methods=["GET"]),
        Route("/sandbox/requests", _requests, methods=["GET"]),
        Route("/sandbox/faults", _plan_fault, methods=["POST"]),
        Route("/sandbox/reset", _reset, methods=["POST"]),
    ]


async def _refused(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RefusalError)
    return _json(exc.body, exc.status)


async def _unknown_route(request: Request, _exc: Exception) -> Response:
    refusal = RefusalError(404, f"Cannot {request.method} {request.url.path}")
    return _json(refusal.body, 404)


def _of(request: Request) -> StandIn:
    return cast("StandIn", request.app.state.stand_in)


async def _body(request: Request) -> Assistant:
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise RefusalError(400, "Unexpected token in JSON") from None
    if not isinstance(body, dict):
        raise RefusalError(400, "Expected an object")
    return cast("Assistant", body)


def _json(content: object, status: int = 200) -> Response:
    # ASCII: a text cut in the middle of an emoji is legal JSON and not legal UTF-8.
    return Response(json.dumps(content), status_code=status, media_type="application/json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-file", type=Path)
    options = parser.parse_args()
    try:
        serve(port=options.port, data_file=options.data_file)
    except StandInError as error:
        parser.exit(2, f"{error.message}\n")


if __name__ == "__main__":
    main()
