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
)
from mission_control.integrations.errors import IntegrationError, IntegrationRateLimitedError

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
TOO_LARGE = HTTPStatus(413)  # Python 3.13 renamed the constant

STATUS_OF: dict[type[MissionControlError], HTTPStatus] = {
    MalformedError: HTTPStatus.BAD_REQUEST,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    NotAcceptableError: HTTPStatus(422),  # Python 3.13 renamed the constant
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    IntegrationRateLimitedError: HTTPStatus.TOO_MANY_REQUESTS,
    IntegrationError: HTTPStatus.FAILED_DEPENDENCY,
    MissionControlError: HTTPStatus.INTERNAL_SERVER_ERROR,
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


def status_of(error: type[MissionControlError]) -> HTTPStatus:
    return next(STATUS_OF[cls] for cls in error.__mro__ if cls in STATUS_OF)


def refusals(*errors: type[MissionControlError]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI `responses` of a route: its own errors by status, each with an example."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        status = status_of(error)
        entry = documented.setdefault(
            status.value,
            {
                "description": status.phrase,
                "content": {
                    MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
                },
            },
        )
        entry["content"][MEDIA_TYPE]["examples"][error.code] = {
            "value": {
                "type": f"/problems/{error.code}",
                "title": status.phrase,
                "status": status.value,
                "detail": (error.__doc__ or status.phrase).strip().splitlines()[0],
                "code": error.code,
            }
        }
    return documented


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
                "title": status.phrase,
                "status": status.value,
                "detail": detail,
                "code": code,
            }
        ),
    )


def too_large() -> JSONResponse:
    return problem(
        TOO_LARGE,
        code="content_too_large",
        detail="The body is larger than anything that is taken here; nothing was changed.",
    )


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
    errors = [_where_and_what(error) for error in exc.errors()]
    if any(error["type"] == "json_invalid" for error in exc.errors()):
        return problem(
            HTTPStatus.BAD_REQUEST,
            code="malformed",
            detail="The body is not JSON.",
            fields={"errors": errors},
        )
    return problem(
        STATUS_OF[NotAcceptableError],
        code="invalid_payload",
        detail="The request does not have the expected shape; nothing was changed.",
        fields={"errors": errors},
    )


def _where_and_what(error: dict[str, Any]) -> dict[str, str]:
    where: Sequence[Any] = error["loc"]
    inside = where[1:] if len(where) > 1 else where
    return {"field": ".".join(map(str, inside)), "message": str(error["msg"])}


async def _on_http_error(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    status = HTTPStatus(exc.status_code)
    if status == TOO_LARGE:
        return too_large()
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    return problem(status, code=code, detail=str(exc.detail), headers=dict(exc.headers or {}))


async def _on_anything_else(_: Request, exc: Exception) -> JSONResponse:
    log.error("request_failed_unexpectedly", exc_info=exc)
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        code="internal",
        detail="Something unexpected happened and nothing was stored. The API's log has the details.",
    )


def document(app: FastAPI) -> None:
    """Make the OpenAPI document tell of problems wherever FastAPI would tell of its own errors."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _rewrite(describe())
        return describe()

    app.openapi = openapi


def _rewrite(schema: dict[str, Any]) -> None:
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for model in (Problem, InvalidField, InvalidProblem):
        described = model.model_json_schema(ref_template="#/components/schemas/{model}")
        described.pop("$defs", None)
        schemas[model.__name__] = described
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    for path in schema["paths"].values():
        for method in path.keys() & {"post", "put", "patch"}:
            content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            refusal = {"description": "The body is too large.", "content": content}
            path[method]["responses"].setdefault("413", refusal)
    operations = [each for path in schema["paths"].values() for each in path.values()]
    for operation in operations:
        refused: dict[str, Any] = operation["responses"].get("422", {}).get("content", {})
        if "application/json" in refused:  # FastAPI's own, not one of ours
            del refused["application/json"]
            refused.setdefault(MEDIA_TYPE, {"examples": {}})
        if MEDIA_TYPE in refused:
            refused[MEDIA_TYPE]["schema"] = {"$ref": "#/components/schemas/InvalidProblem"}
            operation["responses"]["422"]["description"] = "Not acceptable; nothing was changed."


def install(app: FastAPI) -> None:
    app.add_exception_handler(MissionControlError, _on_our_error)
    app.add_exception_handler(RequestValidationError, _on_bad_payload)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_anything_else)
