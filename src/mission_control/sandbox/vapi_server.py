"""A stand-in for Vapi's assistants, written from Vapi's reference and never from our client.

`/assistant` behaves as the vendor's does, whitelist and whole-object PATCH included. Everything
under `/sandbox` is ours: what was asked, failures on demand, and a way back to the start.
"""

import argparse
import copy
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mission_control.core.clock import utc_now
from mission_control.core.errors import MissionControlError
from mission_control.sandbox.vapi.assistants import (
    ORGANIZATION_ID,
    Assistant,
    seeded_assistants,
)
from mission_control.sandbox.vapi.faults import Fault, PlannedFaults, apply_fault
from mission_control.sandbox.vapi.reference import complaints

DEFAULT_LIMIT, LARGEST_LIMIT = 100, 1000
LONGEST_LOG = 10_000
TIME_FILTERS = {
    f"{name}{operator}": (name, operator)
    for name in ("createdAt", "updatedAt")
    for operator in ("Gt", "Lt", "Ge", "Le")
}
OPEN_PATHS = ("/sandbox", "/health")
INVALID_KEY = (
    "Invalid Key. Hot tip, you may be using the private key instead of the public key, "
    "or vice versa."
)


class StandInError(MissionControlError):
    """The stand-in cannot start as asked."""

    code = "stand_in"


class RefusalError(Exception):
    """An error in the form of NestJS, which Vapi is made with."""

    def __init__(self, status: int, message: str | list[str]) -> None:
        super().__init__(status)
        self.status = status
        self.body = {
            "message": message,
            "error": HTTPStatus(status).phrase,
            "statusCode": status,
        }


@dataclass
class Assistants:
    """What the vendor has stored. Every write is on disk before it is answered, if there is a file."""

    seeds: Sequence[Assistant]
    data_file: Path | None = None
    whitelist: bool = True
    by_id: dict[str, Assistant] = field(default_factory=dict[str, Assistant])

    def __post_init__(self) -> None:
        self._load()

    def reset(self) -> None:
        self.by_id = {one["id"]: copy.deepcopy(one) for one in self.seeds}
        self._save()

    def page(self, query: QueryParams) -> list[Assistant]:
        """Newest first. There is no page number and no total."""
        limit = _limit(query)
        found = [one for one in self.by_id.values() if _passes(one, query)]
        found.sort(key=lambda one: one["createdAt"], reverse=True)
        return found[:limit]

    def get(self, assistant_id: str) -> Assistant:
        if assistant_id not in self.by_id:
            raise RefusalError(404, f"Couldn't Get Assistant. `id` {assistant_id} Does Not Exist.")
        return self.by_id[assistant_id]

    def create(self, body: Assistant) -> Assistant:
        self._check(body)
        now = _timestamp(utc_now())
        created = {
            "id": str(uuid4()),
            "orgId": ORGANIZATION_ID,
            "createdAt": now,
            "updatedAt": now,
            "latestVersion": "v1",
            **_without_nulls(body),
        }
        self._keep_secret(created, body)
        self.by_id[created["id"]] = created
        self._save()
        return created

    def update(self, assistant_id: str, body: Assistant) -> Assistant:
        """Top-level fields replace what was there, nested objects whole; null clears a field."""
        before = self.get(assistant_id)
        self._check(body)
        after = _without_nulls({**before, **copy.deepcopy(body)}, of=body)
        self._keep_secret(after, body)
        if after != before:
            after["latestVersion"] = _next_version(before.get("latestVersion"))
        after["updatedAt"] = _timestamp(_later_than(before["updatedAt"]))
        self.by_id[assistant_id] = after
        self._save()
        return after

    def delete(self, assistant_id: str) -> Assistant:
        gone = self.get(assistant_id)
        del self.by_id[assistant_id]
        self._save()
        return gone

    def forget(self, path: str, lost_field: str) -> None:
        """Lose a nested field of the assistant at this path, as a faulty vendor might."""
        target: Any = self.by_id.get(path.rpartition("/")[2], {})
        *parents, last = lost_field.split(".")
        for name in parents:
            target = target.get(name, {})
        target.pop(last, None)
        self._save()

    def _check(self, body: Mapping[str, Any]) -> None:
        problems = complaints(body) if self.whitelist else []
        if problems:
            raise RefusalError(400, problems)

    def _keep_secret(self, stored: Assistant, body: Mapping[str, Any]) -> None:
        """The secret of an assistant's own server can be written and never read."""
        if "server" in body:
            server = cast("dict[str, Any]", body["server"] or {})
            stored["isServerUrlSecretSet"] = bool(server.get("secret"))
            if server:
                stored["server"] = {key: server[key] for key in server if key != "secret"}

    def _load(self) -> None:
        if self.data_file is None or not self.data_file.exists():
            self.reset()
            return
        try:
            stored = json.loads(self.data_file.read_text(encoding="utf-8"))
            self.by_id = {one["id"]: one for one in stored["assistants"]}
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise StandInError(
                f"{self.data_file} is not a file of this stand-in. Nothing was changed; "
                "move it away to start afresh."
            ) from exc

    def _save(self) -> None:
        if self.data_file is None:
            return
        self.data_file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"assistants": list(self.by_id.values())}, indent=1)
        # Replaced in one step, so that a crash leaves the old file or the new one.
        with tempfile.NamedTemporaryFile(
            "w", dir=self.data_file.parent, prefix=".vapi-", delete=False, encoding="utf-8"
        ) as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        Path(new.name).replace(self.data_file)


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


# ---------------------------------------------------------------- filters, versions, times


def _limit(query: QueryParams) -> int:
    unknown = [name for name in query if name not in {"limit", *TIME_FILTERS}]
    if unknown:
        raise RefusalError(400, [f"property {name} should not exist" for name in unknown])
    given = query.get("limit", str(DEFAULT_LIMIT))
    if not given.isdecimal():
        raise RefusalError(400, ["limit must be a number conforming to the specified constraints"])
    if int(given) > LARGEST_LIMIT:
        raise RefusalError(400, [f"limit must not be greater than {LARGEST_LIMIT}"])
    return int(given)


def _passes(assistant: Assistant, query: QueryParams) -> bool:
    for key, (name, operator) in TIME_FILTERS.items():
        if key in query:
            at, bound = _instant(assistant[name], key), _instant(query[key], key)
            holds = {"Gt": at > bound, "Lt": at < bound, "Ge": at >= bound, "Le": at <= bound}
            if not holds[operator]:
                return False
    return True


def _instant(text: str, key: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise RefusalError(400, [f"{key} must be a Date instance"]) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _without_nulls(assistant: Assistant, *, of: Mapping[str, Any] | None = None) -> Assistant:
    nulls = {key for key, value in (assistant if of is None else of).items() if value is None}
    return {key: value for key, value in assistant.items() if key not in nulls}


def _next_version(version: str | None) -> str | None:
    """`null` stays: that organisation has no versions yet."""
    return None if version is None else f"v{int(version[1:]) + 1}"


def _later_than(timestamp: str) -> datetime:
    return max(utc_now(), datetime.fromisoformat(timestamp) + timedelta(milliseconds=1))


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


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
