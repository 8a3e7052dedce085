"""A stand-in for Close, written from Close's reference and never from our client.

`/api/v1/` behaves as the vendor's does: page limits, cursors that expire, patching PUTs, an event
log, signed webhooks. Everything under `/sandbox` is ours: what was asked, failures on demand,
changes made by other people, and a way back to the start.
"""

import argparse
import base64
import binascii
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast
from urllib.parse import urlencode

import httpx2
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mission_control.core.clock import utc_now
from mission_control_sandbox.close import lists, organization
from mission_control_sandbox.close.errors import (
    RefusalError,
    StandInError,
    invalid_field,
    not_found,
)
from mission_control_sandbox.close.events import Author
from mission_control_sandbox.close.journal import Journal, Line
from mission_control_sandbox.close.limits import Limit, RateLimits, read_limit
from mission_control_sandbox.close.paging import cut_down, envelope, wanted_fields
from mission_control_sandbox.close.random_changes import Live, RandomChanges
from mission_control_sandbox.close.records import (
    Record,
    contact_as_json,
    has_recording,
    lead_as_json,
)
from mission_control_sandbox.close.search import Search
from mission_control_sandbox.close.store import Store
from mission_control_sandbox.close.webhooks import Webhooks
from mission_control_sandbox.faults import Fault, PlannedFaults, apply_fault
from mission_control_sandbox.world.people import PEOPLE

LONGEST_LOG = 10_000
LARGEST_JOURNAL = 32_000_000
OPEN_PATHS = ("/sandbox", "/health")
# Ten silent frames of MPEG-1 layer III, 128 kbit/s: a quarter of a second that any player takes.
SILENCE = (b"\xff\xfb\x90\x64" + bytes(413)) * 10
Now = Callable[[], datetime]


@dataclass
class StandIn:
    """Everything behind the routes. `api_key` None takes any key."""

    make_store: Callable[[Callable[[], Sequence[Line]]], Store]
    journal: Journal
    webhooks: Webhooks
    limits: RateLimits
    api_key: str | None = None
    faults: PlannedFaults = field(default_factory=PlannedFaults)
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    store: Store = field(init=False)
    live: Live = field(init=False)
    declared: Limit | None = field(init=False)

    def __post_init__(self) -> None:
        self.declared = self.limits.limit
        self.webhooks.restore(self.journal.read())
        self._open()

    def _open(self) -> None:
        self.store = self.make_store(self.webhooks.lines)
        self.store.events.listeners.append(self.webhooks.tell)
        self.live = Live(RandomChanges(self.store, Random()), self.save)  # noqa: S311  # no secret

    def save(self) -> None:
        """Put on disk what has changed."""
        self.journal.flush()
        if self.journal.grown > LARGEST_JOURNAL:
            self.journal.rewrite(self.store.lines())

    def note(self, scope: Scope) -> None:
        query = scope["query_string"].decode("latin-1")
        self.requests.append({"method": scope["method"], "path": scope["path"], "query": query})
        del self.requests[:-LONGEST_LOG]

    def reset(self) -> None:
        """Back to the start: nothing changed, nobody subscribed, nothing planned."""
        self.live.stop()
        self.faults.waiting.clear()
        self.requests.clear()
        self.webhooks.subscriptions.clear()
        self.limits.limit = self.declared
        self.journal.rewrite([_header(self.store)])
        self._open()


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
        lambda kept: Store(people, first_day, journal, timedelta(seconds=lag), now, kept),
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
        routes=_routes(),
        middleware=[Middleware(_Gateway, stand_in=stand_in)],
        exception_handlers={RefusalError: _refused, HTTPException: _unknown_route},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.stand_in = stand_in
    return app


def serve(
    *,
    port: int,
    host: str = "127.0.0.1",
    data_file: Path | None = None,
    people: int = PEOPLE,
    live: float | None = None,
    **options: Any,
) -> None:
    """Run until stopped. Further options are those of `create_app`."""
    uvicorn.run(
        create_app(data_file=data_file, people=people, live=live, **options),
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
    """Log, planned failures, the rate limit, then the key. Writes are on disk before any answer."""

    def __init__(self, app: ASGIApp, stand_in: StandIn) -> None:
        self._app = app
        self._stand_in = stand_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        extra: dict[str, str] = {}

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._stand_in.save()
                MutableHeaders(scope=message).update({"x-stand-in": "true", **extra})
            await send(message)

        if scope["type"] != "http" or scope["path"].startswith(OPEN_PATHS):
            await self._app(scope, receive, send_marked)
            return
        self._stand_in.note(scope)
        fault = self._stand_in.faults.take(scope["method"], scope["path"])
        if fault is not None:
            checked = self._checked(extra)
            await apply_fault(fault, checked, scope, receive, send_marked, describe=_describe)
            return
        await self._checked(extra)(scope, receive, send_marked)

    def _checked(self, extra: dict[str, str]) -> ASGIApp:
        async def checked(scope: Scope, receive: Receive, send: Send) -> None:
            headers = Headers(scope=scope)
            key = _key(headers)
            if key is None or self._stand_in.api_key not in (None, key):
                await _unauthorized(scope, receive, send)
                return
            verdict = self._stand_in.limits.ask(scope["method"], scope["path"], key)
            extra.update(verdict.headers)
            if not verdict.allowed:
                await _json(verdict.body, 429)(scope, receive, send)
                return
            if headers.get("x-http-method-override", "").upper() == "GET":
                scope, receive = await _as_get(scope, receive)
            await self._app(scope, receive, send)

        return checked


def _key(headers: Headers) -> str | None:
    """The API key: the user name of Basic authentication whose password is empty."""
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        key, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return key if key and colon and not password else None


async def _unauthorized(scope: Scope, receive: Receive, send: Send) -> None:
    answer = _json({"error": "Unauthorized"}, 401)
    answer.headers["www-authenticate"] = 'Basic realm="Close API"'
    await answer(scope, receive, send)


async def _as_get(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """A POST that stands for a GET whose address would be too long."""
    try:
        body = json.loads(await Request(scope, receive).body())
        given = cast("dict[str, Any]", body["_params"])
        query = urlencode({name: _as_text(value) for name, value in given.items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        query = ""
    return {**scope, "method": "GET", "query_string": query.encode()}, _nothing


def _as_text(value: object) -> str:
    return (
        ",".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
    )


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _describe(status: int) -> object:
    """What Close says of a status that nobody wrote a text for."""
    if status == 429:
        said = {"message": "API call count exceeded for this period", "rate_reset": 1.0}
        return {"error": {**said, "rate_limit": 160, "rate_window": 8, "rate_limit_type": "key"}}
    return {"error": "Internal server error" if status >= 500 else "Refused on demand"}


# ---------------------------------------------------------------- who it is


async def _me(_request: Request) -> Response:
    own = {"id": organization.ORGANIZATION_ID, "name": organization.ORGANIZATION_NAME}
    return _json(organization.KEY_OWNER.as_json() | {"organizations": [own]})


async def _users(request: Request) -> Response:
    fields = wanted_fields(request.query_params)
    users = [cut_down(user.as_json(), fields) for user in organization.USERS]
    return _json(envelope(users, has_more=False))


async def _user(request: Request) -> Response:
    user = organization.USERS_BY_ID.get(request.path_params["id"])
    if user is None:
        raise not_found("User")
    return _json(user.as_json())


async def _statuses(_request: Request) -> Response:
    own = organization.ORGANIZATION_ID
    statuses = [
        {"id": status_id, "label": label, "organization_id": own}
        for status_id, label in organization.STATUS_LABELS.items()
    ]
    return _json(envelope(statuses, has_more=False))


async def _custom_fields(_request: Request) -> Response:
    fields = [one.as_json() for one in organization.CUSTOM_FIELDS]
    return _json(envelope(fields, has_more=False))


async def _custom_field(request: Request) -> Response:
    found = organization.FIELDS_BY_ID.get(request.path_params["id"])
    if found is None:
        raise not_found("CustomField")
    return _json(found.as_json())


async def _custom_field_schema(_request: Request) -> Response:
    fields = [one.as_json() for one in organization.CUSTOM_FIELDS]
    return _json({"object_type": "lead", "fields": fields})


# ---------------------------------------------------------------- leads


async def _leads(request: Request) -> Response:
    return _json(lists.leads_page(_of(request).store, request.query_params))


async def _create_lead(request: Request) -> Response:
    record = _of(request).store.create_lead(await _body(request), _author(request))
    return _json(lead_as_json(record))


async def _get_lead(request: Request) -> Response:
    record = _of(request).store.lead(request.path_params["id"])
    return _json(cut_down(lead_as_json(record), wanted_fields(request.query_params)))


async def _update_lead(request: Request) -> Response:
    body = await _body(request)
    record = _of(request).store.update_lead(request.path_params["id"], body, _author(request))
    return _json(lead_as_json(record))


async def _delete_lead(request: Request) -> Response:
    _of(request).store.delete_lead(request.path_params["id"], _author(request))
    return _json({})


async def _merge_leads(request: Request) -> Response:
    body = await _body(request)
    for name in ("source", "destination"):
        if not isinstance(body.get(name), str):
            raise invalid_field(name, "This field is required.")
    _of(request).store.merge_leads(body["source"], body["destination"], _author(request))
    return _json({})


# ---------------------------------------------------------------- contacts


async def _contacts(request: Request) -> Response:
    return _json(lists.contacts_page(_of(request).store, request.query_params))


async def _create_contact(request: Request) -> Response:
    record = _of(request).store.create_contact(await _body(request), _author(request))
    return _json(contact_as_json(record))


async def _get_contact(request: Request) -> Response:
    record = _of(request).store.contact(request.path_params["id"])
    return _json(cut_down(contact_as_json(record), wanted_fields(request.query_params)))


async def _update_contact(request: Request) -> Response:
    body = await _body(request)
    record = _of(request).store.update_contact(request.path_params["id"], body, _author(request))
    return _json(contact_as_json(record))


async def _delete_contact(request: Request) -> Response:
    _of(request).store.delete_contact(request.path_params["id"], _author(request))
    return _json({})


# ---------------------------------------------------------------- calls


async def _calls(request: Request) -> Response:
    origin = _origin(request)
    return _json(lists.calls_page(_of(request).store, request.query_params, origin=origin))


async def _log_call(request: Request) -> Response:
    record = _of(request).store.log_call(await _body(request), _author(request))
    return _json(_shown_call(request, record))


async def _get_call(request: Request) -> Response:
    return _json(_shown_call(request, _of(request).store.call(request.path_params["id"])))


async def _update_call(request: Request) -> Response:
    body = await _body(request)
    record = _of(request).store.update_call(request.path_params["id"], body, _author(request))
    return _json(_shown_call(request, record))


async def _delete_call(request: Request) -> Response:
    _of(request).store.delete_call(request.path_params["id"], _author(request))
    return _json({})


async def _recording(request: Request) -> Response:
    """Recordings lie with a storage provider, at an address that is its own permission."""
    record = _of(request).store.call(request.path_params["id"])
    if not has_recording(record):
        raise not_found("Recording")
    return RedirectResponse(f"{_origin(request)}/sandbox/recordings/{record['id']}.mp3", 302)


def _shown_call(request: Request, record: Record) -> Record:
    fields = wanted_fields(request.query_params)
    return lists.shown_call(_of(request).store, record, fields, origin=_origin(request))


# ---------------------------------------------------------------- search, events, webhooks


async def _search(request: Request) -> Response:
    body = await _body(request)
    return _json(await Search(_of(request).store, body, _offset(request)).page())


async def _events(request: Request) -> Response:
    return _json(_of(request).store.events.page(request.query_params))


async def _event(request: Request) -> Response:
    return _json(_of(request).store.events.get(request.path_params["id"]))


async def _webhooks(request: Request) -> Response:
    return _json(envelope(_of(request).webhooks.page(), has_more=False))


async def _create_webhook(request: Request) -> Response:
    made = _of(request).webhooks.create(await _body(request))
    answer = _json(made, 201)
    answer.headers["location"] = f"{_origin(request)}/api/v1/webhook/{made['id']}/"
    return answer


async def _get_webhook(request: Request) -> Response:
    return _json(_of(request).webhooks.get(request.path_params["id"]))


async def _update_webhook(request: Request) -> Response:
    body = await _body(request)
    return _json(_of(request).webhooks.update(request.path_params["id"], body))


async def _delete_webhook(request: Request) -> Response:
    _of(request).webhooks.delete(request.path_params["id"])
    return _json({})


# ---------------------------------------------------------------- our own routes


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


async def _health(_request: Request) -> Response:
    return _json({"status": "ok"})


async def _requests(request: Request) -> Response:
    return _json({"requests": _of(request).requests})


async def _totals(request: Request) -> Response:
    stand_in = _of(request)
    told = {"delivered": stand_in.webhooks.delivered, "given_up": stand_in.webhooks.given_up}
    kept = {"today": stand_in.store.today.isoformat(), "rate_limited": stand_in.limits.refused}
    return _json(stand_in.store.totals() | kept | {"webhooks": told})


async def _plan_fault(request: Request) -> Response:
    fault = _read(Fault, await request.body())
    _of(request).faults.waiting.append(fault)
    return _json(fault.model_dump(), 201)


async def _set_rate_limit(request: Request) -> Response:
    """A `null` lifts the limit."""
    body = await request.body()
    limit = None if body.strip() in (b"", b"null") else _read(Limit, body)
    _of(request).limits.limit = limit
    return _json(limit.model_dump() if limit else None)


async def _change(request: Request) -> Response:
    wanted = _read(_Changes, await request.body()).model_dump()
    changes = RandomChanges(_of(request).store, Random(wanted.pop("seed")))  # noqa: S311  # no secret
    return _json(changes.change(**wanted))


async def _set_live(request: Request) -> Response:
    pace = _read(_Pace, await request.body())
    _of(request).live.start(pace.seconds)
    return _json(pace.model_dump())


async def _reset(request: Request) -> Response:
    _of(request).reset()
    return _json({"status": "reset"})


async def _stored_recording(request: Request) -> Response:
    """As a storage provider does, it refuses a second credential beside the address."""
    if "authorization" in request.headers:
        refusal = "<Error><Code>InvalidArgument</Code><Message>Only one auth mechanism allowed</Message></Error>"
        return Response(refusal, 400, media_type="application/xml")
    return Response(SILENCE, media_type="audio/mpeg")


def _routes() -> list[Route]:
    vendor = [
        ("me/", {"GET": _me}),
        ("user/", {"GET": _users}),
        ("user/{id}/", {"GET": _user}),
        ("status/lead/", {"GET": _statuses}),
        ("custom_field/lead/", {"GET": _custom_fields}),
        ("custom_field/lead/{id}/", {"GET": _custom_field}),
        ("custom_field_schema/lead/", {"GET": _custom_field_schema}),
        ("lead/", {"GET": _leads, "POST": _create_lead}),
        ("lead/merge/", {"POST": _merge_leads}),
        ("lead/{id}/", {"GET": _get_lead, "PUT": _update_lead, "DELETE": _delete_lead}),
        ("contact/", {"GET": _contacts, "POST": _create_contact}),
        ("contact/{id}/", {"GET": _get_contact, "PUT": _update_contact, "DELETE": _delete_contact}),
        ("activity/call/", {"GET": _calls, "POST": _log_call}),
        ("activity/call/{id}/", {"GET": _get_call, "PUT": _update_call, "DELETE": _delete_call}),
        ("call/{id}/recording/", {"GET": _recording}),
        ("data/search/", {"POST": _search}),
        ("event/", {"GET": _events}),
        ("event/{id}/", {"GET": _event}),
        ("webhook/", {"GET": _webhooks, "POST": _create_webhook}),
        ("webhook/{id}/", {"GET": _get_webhook, "PUT": _update_webhook, "DELETE": _delete_webhook}),
    ]
    return [
        *(
            Route(f"/api/v1/{path}", endpoint, methods=[method])
            for path, endpoints in vendor
            for method, endpoint in endpoints.items()
        ),
        Route("/health", _health, methods=["GET"]),
        Route("/sandbox/requests", _requests, methods=["GET"]),
        Route("/sandbox/totals", _totals, methods=["GET"]),
        Route("/sandbox/recordings/{name}", _stored_recording, methods=["GET"]),
        Route("/sandbox/faults", _plan_fault, methods=["POST"]),
        Route("/sandbox/rate-limit", _set_rate_limit, methods=["POST"]),
        Route("/sandbox/change", _change, methods=["POST"]),
        Route("/sandbox/live", _set_live, methods=["POST"]),
        Route("/sandbox/reset", _reset, methods=["POST"]),
    ]


async def _refused(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RefusalError)
    return _json(exc.body, exc.status)


async def _unknown_route(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    said = "Method not allowed" if exc.status_code == 405 else "Not found"
    return _json({"error": said}, exc.status_code)


def _of(request: Request) -> StandIn:
    return cast("StandIn", request.app.state.stand_in)


def _author(request: Request) -> Author:
    path = request.url.path
    return Author(meta={"request_method": request.method, "request_path": path})


def _origin(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _offset(request: Request) -> timedelta:
    try:
        return timedelta(hours=float(request.headers.get("x-tz-offset", "0")))
    except (ValueError, OverflowError):
        return timedelta()


async def _body(request: Request) -> Record:
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


def _read(model: Any, body: bytes) -> Any:
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in exc.errors()]
        raise RefusalError(400, {"errors": problems}) from None


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content), status_code=status, media_type="application/json")


def _header(store: Store) -> Record:
    return {"stand_in": "close", "today": store.today.isoformat(), "people": store.people}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data-file", type=Path)
    parser.add_argument("--people", type=int, default=PEOPLE, help="leads from the start")
    parser.add_argument("--today", type=date.fromisoformat, help="the day the world is seen from")
    parser.add_argument("--api-key", help="the only key it takes; any if left out")
    parser.add_argument("--lag", type=float, default=0, help="seconds until lists see a write")
    parser.add_argument("--rate-limit", help="requests/seconds per group, such as 160/8")
    parser.add_argument("--live", type=float, help="seconds between other people's changes")
    options = parser.parse_args()
    try:
        serve(**vars(options))
    except (StandInError, ValueError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
