"""What the servers of all stand-ins share: the log of requests, failures on demand, and how they run."""

import json
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TypeVar, cast

import uvicorn
from pydantic import BaseModel, ValidationError
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mission_control_sandbox.faults import Describe, Fault, PlannedFaults, apply_fault, nest_error
from mission_control_sandbox.world.people import PEOPLE

LONGEST_LOG = 10_000
# Ours, and the vendor's gateway stands before the rest.
OPEN_PATHS = ("/sandbox", "/health")
MARK = {"x-stand-in": "true"}

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(kw_only=True)
class Observed:
    """A stand-in whose requests are logged, and fail as planned."""

    faults: PlannedFaults = field(default_factory=PlannedFaults)
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def note(self, scope: Scope) -> None:
        query = scope["query_string"].decode("latin-1")
        self.requests.append({"method": scope["method"], "path": scope["path"], "query": query})
        del self.requests[:-LONGEST_LOG]

    def forget_requests(self) -> None:
        self.faults.waiting.clear()
        self.requests.clear()

    def save(self) -> None:
        """Put on disk what has changed, before an answer says so."""

    def reset(self) -> None:
        """Back to the start."""
        raise NotImplementedError


class Gateway:
    """What every request goes through: log, planned failures, then the vendor's own `admit`."""

    describe: Describe = staticmethod(nest_error)

    def __init__(self, app: ASGIApp, stand_in: Observed) -> None:
        self.app = app
        self._observed = stand_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._observed.save()
                MutableHeaders(scope=message).update(MARK)
            await send(message)

        if scope["type"] != "http" or scope["path"].startswith(OPEN_PATHS):
            await self.app(scope, receive, send_marked)
            return
        self._observed.note(scope)
        fault = self._observed.faults.take(scope["method"], scope["path"])
        if fault is None:
            await self.admit(scope, receive, send_marked)
            return
        await apply_fault(
            fault, self.admit, scope, receive, send_marked,
            forget=self.forget, describe=self.describe,
        )  # fmt: skip

    async def admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The vendor's own checks, then its routes."""
        raise NotImplementedError

    def forget(self, path: str, field_name: str) -> None:
        """Lose a field of what is stored at a path."""


@dataclass(frozen=True)
class Controls:
    """Our own routes. `refused` makes the vendor's error of what is wrong with a body."""

    refused: Callable[[list[str]], Exception]

    def routes(self) -> list[Route]:
        return [
            Route("/health", _health),
            Route("/sandbox/requests", _requests),
            Route("/sandbox/faults", self._plan_fault, methods=["POST"]),
            Route("/sandbox/reset", _reset, methods=["POST"]),
        ]

    async def read(self, request: Request, model: type[ModelT]) -> ModelT:
        try:
            return model.model_validate_json(await request.body())
        except ValidationError as exc:
            problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in exc.errors()]
            raise self.refused(problems) from None

    async def _plan_fault(self, request: Request) -> Response:
        fault = await self.read(request, Fault)
        _observed(request).faults.waiting.append(fault)
        return as_json(fault.model_dump(), 201)


async def _health(_request: Request) -> Response:
    return as_json({"status": "ok"})


async def _requests(request: Request) -> Response:
    return as_json({"requests": _observed(request).requests})


async def _reset(request: Request) -> Response:
    _observed(request).reset()
    return as_json({"status": "reset"})


def _observed(request: Request) -> Observed:
    return cast("Observed", request.app.state.stand_in)


def as_json(content: object, status: int = 200) -> Response:
    # ASCII: a text cut in the middle of an emoji is legal JSON and not legal UTF-8.
    return Response(json.dumps(content), status_code=status, media_type="application/json")


def serve_app(app: ASGIApp, *, port: int, host: str = "127.0.0.1") -> None:
    """Run until stopped."""
    uvicorn.run(
        app,
        host=host,
        port=port,
        access_log=False,
        log_level="warning",
        # A client that reuses a connection while the server gives it up loses a request.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
        server_header=False,
    )


def world_options(description: str | None) -> ArgumentParser:
    """The options of every stand-in that shows people and their calls."""
    parser = ArgumentParser(description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-file", type=Path, help="where changes outlive the process")
    parser.add_argument("--people", type=int, default=PEOPLE, help="leads from the start")
    parser.add_argument("--today", type=date.fromisoformat, help="the day the world is seen from")
    parser.add_argument("--live", type=float, metavar="SECONDS", help="something new this often")
    return parser
