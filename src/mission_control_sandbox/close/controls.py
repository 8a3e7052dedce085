"""Our own routes: failures and changes on demand, and what was counted."""

from random import Random

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mission_control_sandbox.close.errors import RefusalError
from mission_control_sandbox.close.limits import Limit
from mission_control_sandbox.close.random_changes import RandomChanges
from mission_control_sandbox.close.requests import of
from mission_control_sandbox.server import Controls, as_json

CONTROLS = Controls(lambda problems: RefusalError(400, {"errors": problems}))
# Ten silent frames of MPEG-1 layer III, 128 kbit/s: a quarter of a second that any player takes.
SILENCE = (b"\xff\xfb\x90\x64" + bytes(413)) * 10


def routes() -> list[Route]:
    return [
        *CONTROLS.routes(),
        Route("/sandbox/totals", _totals),
        Route("/sandbox/recordings/{name}", _stored_recording),
        Route("/sandbox/rate-limit", _set_rate_limit, methods=["POST"]),
        Route("/sandbox/change", _change, methods=["POST"]),
        Route("/sandbox/live", _set_live, methods=["POST"]),
    ]


class _Changes(BaseModel):
    model_config = ConfigDict(extra="forbid")

    leads: int = Field(default=0, ge=0, le=5000)
    contacts: int = Field(default=0, ge=0, le=5000)
    calls: int = Field(default=0, ge=0, le=5000)
    delete: int = Field(default=0, ge=0, le=5000)
    merge: int = Field(default=0, ge=0, le=5000)
    seed: int = 0


class _Pace(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seconds: float = Field(ge=0, le=3600)


async def _totals(request: Request) -> Response:
    stand_in = of(request)
    told = {"delivered": stand_in.webhooks.delivered, "given_up": stand_in.webhooks.given_up}
    kept = {
        "today": stand_in.store.world.today.isoformat(),
        "rate_limited": stand_in.limits.refused,
    }
    return as_json(stand_in.store.totals() | kept | {"webhooks": told})


async def _set_rate_limit(request: Request) -> Response:
    """A `null` lifts the limit."""
    body = await request.body()
    limit = None if body.strip() in (b"", b"null") else await CONTROLS.read(request, Limit)
    of(request).limits.limit = limit
    return as_json(limit.model_dump() if limit else None)


async def _change(request: Request) -> Response:
    wanted = (await CONTROLS.read(request, _Changes)).model_dump()
    changes = RandomChanges(of(request).changes, Random(wanted.pop("seed")))  # noqa: S311  # no secret
    return as_json(changes.change(**wanted))


async def _set_live(request: Request) -> Response:
    pace = await CONTROLS.read(request, _Pace)
    of(request).live.start(pace.seconds)
    return as_json(pace.model_dump())


async def _stored_recording(request: Request) -> Response:
    """As a storage provider does, it refuses a second credential beside the address."""
    if "authorization" in request.headers:
        refusal = "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
        return Response(refusal, 400, media_type="application/xml")
    return Response(SILENCE, media_type="audio/mpeg")
