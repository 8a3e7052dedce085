"""What the routes of the stand-in have in common: reading a body, finding the parts."""

import json
from typing import Any, cast

from starlette.requests import Request

from mission_control_sandbox.vapi.refusals import RefusalError
from mission_control_sandbox.vapi.stand_in import StandIn


def of(request: Request) -> StandIn:
    return cast("StandIn", request.app.state.stand_in)


def here(request: Request) -> str:
    """The id in the path."""
    return cast("str", request.path_params["id"])


async def body_of(request: Request, *, optional: bool = False) -> dict[str, Any]:
    raw = await request.body()
    if optional and not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise RefusalError(400, "Unexpected token in JSON") from None
    if not isinstance(body, dict):
        raise RefusalError(400, "Expected an object")
    return cast("dict[str, Any]", body)
