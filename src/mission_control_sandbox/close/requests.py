"""What the routes of the stand-in have in common: reading a body, finding the parts and the author."""

import json
from datetime import timedelta
from typing import cast

from starlette.requests import Request

from mission_control_sandbox.close.errors import RefusalError
from mission_control_sandbox.close.events import Author
from mission_control_sandbox.close.records import Record
from mission_control_sandbox.close.stand_in import StandIn


def of(request: Request) -> StandIn:
    return cast("StandIn", request.app.state.stand_in)


def author(request: Request) -> Author:
    path = request.url.path
    return Author(meta={"request_method": request.method, "request_path": path})


def origin(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def offset(request: Request) -> timedelta:
    try:
        return timedelta(hours=float(request.headers.get("x-tz-offset", "0")))
    except (ValueError, OverflowError):
        return timedelta()


async def body_of(request: Request) -> Record:
    raw = await request.body()
    if raw and "json" not in request.headers.get("content-type", ""):
        raise RefusalError(415, {"error": "Unsupported media type: send application/json."})
    try:
        body = json.loads(raw)
    except ValueError:
        raise RefusalError(400, {"error": "The request body is not valid JSON."}) from None
    if not isinstance(body, dict):
        raise RefusalError(400, {"error": "The request body must be a JSON object."})
    return cast("Record", body)
