"""A stand-in for Vapi, written from Vapi's reference and never from our client.

The vendor's routes behave as the vendor's do, whitelist and whole-object PATCH included. Everything
under `/sandbox` is ours: what was asked, failures and webhooks on demand, a way back to the start.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import httpx2
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mission_control_sandbox.server import Gateway, as_json, serve_app, world_options
from mission_control_sandbox.vapi import controls, routes
from mission_control_sandbox.vapi.assistants import Assistant, seeded_assistants
from mission_control_sandbox.vapi.refusals import RefusalError, VapiStandInError
from mission_control_sandbox.vapi.stand_in import StandIn, build
from mission_control_sandbox.vapi.webhook_credentials import Credential
from mission_control_sandbox.vapi.webhooks import Destination, Webhooks
from mission_control_sandbox.world.people import PEOPLE

INVALID_KEY = (
    "Invalid Key. Hot tip, you may be using the private key instead of the public key, "
    "or vice versa."
)


def create_app(
    *,
    assistants: Sequence[Assistant] | None = None,
    data_file: Path | None = None,
    agents_dir: Path | None = None,
    api_key: str | None = None,
    whitelist: bool = True,
    people: int = PEOPLE,
    today: date | None = None,
    live: float | None = None,
    pace: float = 1.0,
    webhooks: Destination | None = None,
    webhook_transport: httpx2.AsyncBaseTransport | None = None,
) -> Starlette:
    """The stand-in as an ASGI application.

    Args:
        assistants: What it has from the start; left out: REMUS, GENESIS and SCOUT.
        data_file: Where changes outlive the process; left out: nowhere.
        agents_dir: The playbooks whose prompts the seeds carry; left out: `agents/`.
        api_key: The only key it takes; left out: any.
        whitelist: False plays a Vapi newer than our reference: unknown fields are taken.
        people: The size of the world; a person has about 1.24 calls at Vapi.
        today: The day before which the world's calls took place; left out: that of the first start.
        live: A new call arrives this often, in seconds.
        pace: How much faster than life new calls go; a call lasts as long as its words take.
        webhooks: Where new calls are reported to; left out: nowhere.
        webhook_transport: How; left out: over the network.
    """
    stand_in = build(
        seeded_assistants(agents_dir) if assistants is None else assistants,
        data_file=data_file,
        whitelist=whitelist,
        people=people,
        today=today,
        webhooks=Webhooks(webhooks or Destination(), webhook_transport),
        pace=pace,
        api_key=api_key,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        stand_in.exchange.live(live)
        yield
        await stand_in.exchange.close()

    app = Starlette(
        routes=[*routes.routes(), *controls.routes()],
        middleware=[Middleware(_Gateway, stand_in=stand_in)],
        exception_handlers={RefusalError: _refused, HTTPException: _unknown_route},
        lifespan=lifespan,
    )
    app.state.stand_in = stand_in
    return app


def serve(
    *,
    port: int,
    host: str = "127.0.0.1",
    data_file: Path | None = None,
    people: int = PEOPLE,
    today: date | None = None,
    live: float | None = None,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
) -> None:
    """Run until stopped. `webhook_secret` is sent as a bearer token."""
    credential = Credential(type="bearer", token=webhook_secret) if webhook_secret else Credential()
    destination = Destination(url=webhook_url, credential=credential)
    app = create_app(
        data_file=data_file, people=people, today=today, live=live, webhooks=destination
    )
    serve_app(app, port=port, host=host)


class _Gateway(Gateway):
    """Cloudflare's check of the User-Agent, then the key."""

    def __init__(self, app: ASGIApp, stand_in: StandIn) -> None:
        super().__init__(app, stand_in)
        self._stand_in = stand_in

    async def admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(Headers(scope=scope))
        await (refusal or self.app)(scope, receive, send)

    def forget(self, path: str, field_name: str) -> None:
        self._stand_in.assistants.forget(path, field_name)

    def _refusal(self, headers: Headers) -> Response | None:
        if not headers.get("user-agent"):
            return PlainTextResponse("error code: 1010", status_code=403)
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if not key:
            return as_json(RefusalError(401, "Missing Authorization Header.").body, 401)
        if scheme.lower() != "bearer" or self._stand_in.api_key not in (None, key):
            return as_json(RefusalError(401, INVALID_KEY).body, 401)
        return None


async def _refused(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RefusalError)
    return as_json(exc.body, exc.status)


async def _unknown_route(request: Request, _exc: Exception) -> Response:
    refusal = RefusalError(404, f"Cannot {request.method} {request.url.path}")
    return as_json(refusal.body, 404)


def main() -> None:
    parser = world_options(__doc__)
    parser.add_argument("--webhook-url")
    parser.add_argument("--webhook-secret")
    options = parser.parse_args()
    try:
        serve(**vars(options))
    except VapiStandInError as error:
        parser.exit(2, f"{error.message}\n")


if __name__ == "__main__":
    main()
