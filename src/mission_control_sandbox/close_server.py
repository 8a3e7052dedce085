"""A stand-in for Close, written from Close's reference and never from our client.

`/api/v1/` behaves as the vendor's does: page limits, cursors that expire, patching PUTs, an event
log, signed webhooks. Everything under `/sandbox` is ours: what was asked, failures on demand,
changes made by other people, and a way back to the start.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from mission_control.core.clock import utc_now
from mission_control_sandbox.close import controls, routes
from mission_control_sandbox.close.errors import RefusalError, StandInError
from mission_control_sandbox.close.gateway import CloseGateway
from mission_control_sandbox.close.journal import Journal
from mission_control_sandbox.close.limits import RateLimits, read_limit
from mission_control_sandbox.close.stand_in import StandIn
from mission_control_sandbox.close.store import Store
from mission_control_sandbox.close.webhooks import Webhooks
from mission_control_sandbox.close.world import World
from mission_control_sandbox.server import as_json, serve_app, world_options
from mission_control_sandbox.world.people import PEOPLE

Now = Callable[[], datetime]


def create_app(
    *,
    people: int = PEOPLE,
    today: date | None = None,
    data_file: Path | None = None,
    api_key: str | None = None,
    lag: float = 0,
    rate_limit: str | None = None,
    live: float | None = None,
    now: Now = utc_now,
    webhook_transport: httpx2.AsyncBaseTransport | None = None,
) -> Starlette:
    """The stand-in as an ASGI application.

    Args:
        people: How many leads there are from the start.
        today: The day that the leads and calls are seen from; left out: the first start's.
        data_file: Where changes outlive the process; left out: nowhere.
        api_key: The only key it takes; left out: any.
        lag: Seconds until lists and searches see a write.
        rate_limit: `requests/seconds` for each group of endpoints; left out: no limit.
        live: Seconds between the changes that other people keep making; left out: none.
        now: The clock.
        webhook_transport: What carries the webhooks; left out: the network.

    Raises:
        StandInError: the data file is not one, or one of another world.
        ValueError: `rate_limit` is not in that form.
    """
    journal = Journal(data_file)
    first_day = today or now().date()
    stand_in = StandIn(
        lambda kept: Store(
            World(people, first_day), journal, timedelta(seconds=lag), now, also_kept=kept
        ),
        journal,
        Webhooks(journal, now, webhook_transport),
        RateLimits(read_limit(rate_limit) if rate_limit else None),
        api_key,
    )

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        stand_in.live.start(live or 0)
        yield
        stand_in.live.stop()

    app = Starlette(
        routes=[*routes.routes(), *controls.routes()],
        middleware=[Middleware(CloseGateway, stand_in=stand_in)],
        exception_handlers={RefusalError: _refused, HTTPException: _unknown_route},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.stand_in = stand_in
    return app


async def _refused(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RefusalError)
    return as_json(exc.body, exc.status)


async def _unknown_route(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    said = "Method not allowed" if exc.status_code == 405 else "Not found"
    return as_json({"error": said}, exc.status_code)


def serve(*, port: int, host: str = "127.0.0.1", **options: Any) -> None:
    """Run until stopped. The options are those of `create_app`."""
    serve_app(create_app(**options), port=port, host=host)


def main() -> None:
    parser = world_options(__doc__)
    parser.add_argument("--api-key", help="the only key it takes; any if left out")
    parser.add_argument("--lag", type=float, default=0, help="seconds until lists see a write")
    parser.add_argument("--rate-limit", help="requests/seconds per group, such as 160/8")
    options = parser.parse_args()
    try:
        serve(**vars(options))
    except (StandInError, ValueError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
