"""Errors as RFC 9457 problem documents. The only place that pairs errors with statuses."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from mission_control.core.errors import (
    ConflictError,
    MalformedError,
    MissionControlError,
    NotAcceptableError,
    NotFoundError,
    NotReadyError,
    UnauthenticatedError,
    UnsupportedMediaError,
    summary,
)
from mission_control.integrations.errors import IntegrationError, IntegrationRateLimitedError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_FIELDS = 100  # named in one refusal
TOO_LARGE = HTTPStatus(413)
UNPROCESSABLE = HTTPStatus(422)
# Python 3.13 renamed these two; the words that we answer with are of RFC 9110 on every Python.
RENAMED = {TOO_LARGE: "Content Too Large", UNPROCESSABLE: "Unprocessable Content"}

# Refusals that no feature has raised: code and detail.
INVALID_PAYLOAD = (
    "invalid_payload", "The request does not have the expected shape; nothing was changed.",
)  # fmt: skip
CONTENT_TOO_LARGE = (
    "content_too_large",
    "The body is larger than anything that is taken here; nothing was changed.",
)
HOST_UNKNOWN = (
    "host_unknown",
    "This installation does not go by the name in `Host`; nothing was read or changed. Call it by "
    "MC_HOST or, on this machine, 127.0.0.1.",
)
INTERNAL = (
    "internal",
    "Something unexpected happened and nothing was stored. The API's log has the details.",
)

STATUS_OF: dict[type[MissionControlError], HTTPStatus] = {
    MalformedError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    NotAcceptableError: UNPROCESSABLE,
    UnsupportedMediaError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    IntegrationRateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    IntegrationError: HTTPStatus.FAILED_DEPENDENCY,
    MissionControlError: HTTPStatus.INTERNAL_SERVER_ERROR,
}

RETRY_AFTER = {"description": "Seconds.", "required": True, "schema": {"type": "string"}}
CHALLENGE = {"description": "`Bearer`.", "required": True, "schema": {"type": "string"}}
HEADERS_OF: dict[HTTPStatus, dict[str, Any]] = {
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": RETRY_AFTER},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": CHALLENGE},
}


class Problem(BaseModel):
    """What happened, what was kept and what to do next; `code` is for programs."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["/problems/not_found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no agent with this id."])
    code: str = Field(examples=["not_found"])


class InvalidField(BaseModel):
    field: str
    message: str


class InvalidProblem(Problem):
    """A request of the wrong shape, field by field."""

    errors: list[InvalidField]


def title_of(status: HTTPStatus) -> str:
    return RENAMED.get(status, status.phrase)


def status_of(error: type[MissionControlError]) -> HTTPStatus:
    return next(STATUS_OF[cls] for cls in error.__mro__ if cls in STATUS_OF)


def refusals(*errors: type[MissionControlError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route: its own errors by status, each with an example."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        add_refusal(documented, status_of(error), error.code, summary(error), error=error)
    return documented


def add_refusal(
    responses: dict[Any, dict[str, Any]],
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    error: type[MissionControlError] | None = None,
) -> None:
    """Add one refusal with its example to the OpenAPI `responses` of a route."""
    entry = responses.setdefault(
        str(status.value), {"description": title_of(status), "content": {}}
    )
    content = entry["content"].setdefault(
        MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
    )
    example: dict[str, Any] = {
        "type": f"/problems/{code}",
        "title": title_of(status),
        "status": status.value,
        "detail": detail,
        "code": code,
    }
    if status.value == 422:
        field = error.field if error and issubclass(error, NotAcceptableError) else "limit"
        example["errors"] = [{"field": field, "message": detail}]
    content.setdefault("examples", {})[code] = {"value": example}
    if headers := HEADERS_OF.get(status):
        entry["headers"] = headers


class _ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE

    def render(self, content: Any) -> bytes:
        # ASCII: half of an emoji that we were sent cannot be quoted in any other way.
        return json.dumps(content, allow_nan=False).encode("ascii")


def problem(
    status: HTTPStatus,
    *,
    code: str,
    detail: str,
    headers: dict[str, str] | None = None,
    fields: Mapping[str, object] | None = None,
) -> JSONResponse:
    return _ProblemResponse(
        status_code=status,
        headers=headers,
        content=jsonable_encoder(
            {
                **(fields or {}),
                "type": f"/problems/{code}",
                "title": title_of(status),
                "status": status.value,
                "detail": detail,
                "code": code,
            }
        ),
    )


def too_large() -> JSONResponse:
    return problem(TOO_LARGE, code=CONTENT_TOO_LARGE[0], detail=CONTENT_TOO_LARGE[1])


def not_json() -> JSONResponse:
    return problem(
        HTTPStatus.BAD_REQUEST,
        code=MalformedError.code,
        detail="The body is not JSON; nothing was changed.",
    )


def host_unknown() -> JSONResponse:
    return problem(HTTPStatus.BAD_REQUEST, code=HOST_UNKNOWN[0], detail=HOST_UNKNOWN[1])


async def _on_our_error(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, MissionControlError)
    status = status_of(type(exc))
    log.info("request_refused", code=exc.code, status=status.value)
    headers = None
    if isinstance(exc, IntegrationRateLimitedError):
        headers = {"Retry-After": str(max(1, round(exc.retry_after)))}
    if isinstance(exc, UnauthenticatedError):
        headers = {"WWW-Authenticate": "Bearer"}
    return problem(status, code=exc.code, detail=exc.message, headers=headers, fields=exc.fields)


async def _on_bad_payload(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)
    found = exc.errors()
    if any(error["type"] == "json_invalid" for error in found):
        return not_json()
    # A body can be wrong in as many places as it has characters.
    errors = [_where_and_what(error) for error in found[:MOST_FIELDS]]
    if len(found) > MOST_FIELDS:
        errors.append({"field": "body", "message": f"{len(found) - MOST_FIELDS:,} more."})
    return problem(
        UNPROCESSABLE,
        code=INVALID_PAYLOAD[0],
        detail=INVALID_PAYLOAD[1],
        fields={"errors": errors},
    )


def _where_and_what(error: dict[str, Any]) -> dict[str, str]:
    where: Sequence[Any] = error["loc"]
    inside = where[1:] if len(where) > 1 else where
    message = str(error["msg"]).removeprefix("Value error, ")
    return {"field": ".".join(map(str, inside)), "message": message}


async def _on_http_error(request: Request, exc: Exception) -> JSONResponse:
    """What FastAPI and Starlette refuse themselves: an address, a method, a body."""
    assert isinstance(exc, HTTPException)
    status = HTTPStatus(exc.status_code)
    if status == TOO_LARGE:
        return too_large()
    if status == HTTPStatus.BAD_REQUEST:  # bytes that are no text, or nested without end
        return not_json()
    code = title_of(status).lower().replace(" ", "_").replace("-", "_")
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        methods = ", ".join(methods_at(request))
        detail = f"This address takes {methods}; nothing was changed."
        return problem(status, code=code, detail=detail, headers={"Allow": methods})
    detail = str(exc.detail)
    if status == HTTPStatus.NOT_FOUND and detail == status.phrase:
        detail = "There is nothing at this address; /openapi.json lists all that there is."
    return problem(status, code=code, detail=detail, headers=dict(exc.headers or {}))


def methods_at(request: Request) -> list[str]:
    """All methods of the address, not only those of the first route that has it."""
    app: FastAPI = request.app
    routes = [route for route in iter_route_contexts(app.routes) if route.methods]
    path = request.scope["path"]
    found = next((each.path for each in routes if each.path_regex.match(path)), None)
    return sorted(
        {method for each in routes if each.path == found for method in each.methods or ()}
    )


async def _on_anything_else(_: Request, exc: Exception) -> JSONResponse:
    log.error("request_failed_unexpectedly", exc_info=exc)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code=INTERNAL[0],
        detail=INTERNAL[1],
    )


def install(app: FastAPI) -> None:
    app.add_exception_handler(MissionControlError, _on_our_error)
    app.add_exception_handler(RequestValidationError, _on_bad_payload)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_anything_else)
