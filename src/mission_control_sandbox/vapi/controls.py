"""Our own routes: what was asked, failures and webhooks on demand, and a way back to the start."""

import asyncio

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mission_control_sandbox.server import Controls, as_json
from mission_control_sandbox.vapi import artifacts
from mission_control_sandbox.vapi.calls import FILTERS
from mission_control_sandbox.vapi.queries import read_query
from mission_control_sandbox.vapi.refusals import RefusalError
from mission_control_sandbox.vapi.requests import here, of
from mission_control_sandbox.vapi.webhooks import Destination, Replay
from mission_control_sandbox.world import conversations

CONTROLS = Controls(lambda problems: RefusalError(400, problems))


class Live(BaseModel):
    """How often a new call arrives; None: no more of them. `pace` is how much faster than life."""

    model_config = ConfigDict(extra="forbid")

    every_seconds: float | None = Field(default=None, ge=0.01, le=86_400)
    pace: float | None = Field(default=None, gt=0, le=1000)


def routes() -> list[Route]:
    return [
        *CONTROLS.routes(),
        Route("/sandbox/world", _world),
        Route("/sandbox/totals", _totals),
        Route("/sandbox/live", _live, methods=["POST"]),
        Route("/sandbox/webhooks", _webhooks),
        Route("/sandbox/webhooks", _set_webhooks, methods=["POST"]),
        Route("/sandbox/webhooks/replay", _replay, methods=["POST"]),
        Route("/sandbox/artifacts/{id}/{name}", _artifact),
    ]


async def _world(request: Request) -> Response:
    calls = of(request).calls
    return as_json(
        {
            "today": calls.today.isoformat(),
            "people": calls.people,
            "calls": len(conversations.vapi_indices(calls.people)),
            "placed": len(calls.placed),
        }
    )


async def _totals(request: Request) -> Response:
    """Of all calls that are over; the filters are those of `/call`. Seconds for a full world."""
    query = read_query(request.query_params, also=FILTERS)
    totals = await asyncio.to_thread(of(request).calls.totals, query)
    return as_json(
        {
            "count": totals.count,
            "cost": f"{totals.cost_units / 10_000:.4f}",
            "by_assistant": totals.by_assistant,
        }
    )


async def _live(request: Request) -> Response:
    live, exchange = await CONTROLS.read(request, Live), of(request).exchange
    exchange.pace = live.pace or exchange.pace
    exchange.live(live.every_seconds)
    return as_json({"every_seconds": live.every_seconds, "pace": exchange.pace})


async def _webhooks(request: Request) -> Response:
    hooks = of(request).webhooks
    return as_json({"url": hooks.destination.url, "statuses": dict(hooks.statuses)})


async def _set_webhooks(request: Request) -> Response:
    of(request).webhooks.destination = await CONTROLS.read(request, Destination)
    return await _webhooks(request)


async def _replay(request: Request) -> Response:
    return as_json(await of(request).exchange.replay(await CONTROLS.read(request, Replay)))


async def _artifact(request: Request) -> Response:
    placed = of(request).calls.content(here(request))
    content, media_type = artifacts.artifact(placed, request.path_params["name"])
    return Response(content, media_type=media_type)
