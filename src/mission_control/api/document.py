"""Makes the OpenAPI document tell all that a request can be answered with."""

import json
from collections.abc import Iterator
from copy import deepcopy
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from mission_control.api.problems import (
    CONTENT_TOO_LARGE,
    HOST_UNKNOWN,
    INTERNAL,
    INVALID_PAYLOAD,
    MEDIA_TYPE,
    TOO_LARGE,
    UNPROCESSABLE,
    InvalidField,
    InvalidProblem,
    Problem,
    add_refusal,
    status_of,
)
from mission_control.api.requests import (
    KeyRepeatedError,
    NotJsonError,
    NumberTooLargeError,
    QueryParameterRepeatedError,
    QueryParameterUnknownError,
    TextNotUnicodeError,
)
from mission_control.core.errors import UnsupportedMediaError, summary

OF_EVERY_REQUEST = (QueryParameterUnknownError, QueryParameterRepeatedError)
OF_EVERY_BODY = (
    NotJsonError, KeyRepeatedError, UnsupportedMediaError, TextNotUnicodeError, NumberTooLargeError,
)  # fmt: skip
LOCATION = {
    "Location": {
        "description": "Where it is from now on.",
        "required": True,
        "schema": {
            "type": "string",
            "examples": ["/api/jobs/0199f3a2-0000-7000-8000-000000000000"],
        },
    }
}


def install(app: FastAPI) -> None:
    """Let `app.openapi()` be complete; the document is made once, when it is first asked for."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            # A copy: routes share what they declare.
            made = deepcopy(describe())
            complete(made)
            app.openapi_schema = made
        return app.openapi_schema

    app.openapi = openapi


def as_text(document: dict[str, Any]) -> str:
    """The document as it is committed: what was declared first comes first, but names are sorted."""
    ordered = {**document, "paths": dict(sorted(document["paths"].items()))}
    return json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"


def complete(document: dict[str, Any]) -> None:
    """Add what holds for all routes: problems in the place of FastAPI's errors, and headers."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for model in (Problem, InvalidField, InvalidProblem):
        described = model.model_json_schema(ref_template="#/components/schemas/{model}")
        described.pop("$defs", None)
        schemas[model.__name__] = described
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    for path, operation in operations(document):
        responses: dict[str, Any] = operation["responses"]
        _take_out_what_fastapi_says(responses)
        if path.startswith("/webhooks/"):  # they read for themselves
            add_refusal(responses, TOO_LARGE, *CONTENT_TOO_LARGE)
        else:
            _add_common(responses, has_body="requestBody" in operation)
        add_refusal(responses, HTTPStatus.BAD_REQUEST, *HOST_UNKNOWN)
        add_refusal(responses, HTTPStatus.INTERNAL_SERVER_ERROR, *INTERNAL)
        _finish(responses)
        operation["responses"] = dict(sorted(responses.items()))
    document["components"]["examples"] = dict(sorted(_hoist_examples(document).items()))
    document["components"]["schemas"] = dict(sorted(schemas.items()))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _hoist_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Write each refusal once, and let the operations refer to it."""
    found: dict[str, Any] = {}
    for _, operation in operations(document):
        for response in operation["responses"].values():
            refusal = response.get("content", {}).get(MEDIA_TYPE, {"examples": {}})
            for code, example in refusal["examples"].items():
                found[code] = example
                refusal["examples"][code] = {"$ref": f"#/components/examples/{code}"}
    return found


def _take_out_what_fastapi_says(responses: dict[str, Any]) -> None:
    content: dict[str, Any] = responses.get("422", {}).get("content", {})
    if content.pop("application/json", None) is not None and not content:
        del responses["422"]


def _add_common(responses: dict[str, Any], *, has_body: bool) -> None:
    add_refusal(responses, UNPROCESSABLE, *INVALID_PAYLOAD)
    errors = [*OF_EVERY_REQUEST, *(OF_EVERY_BODY if has_body else ())]
    for error in errors:
        add_refusal(responses, status_of(error), error.code, summary(error), error=error)
    if has_body:
        add_refusal(responses, TOO_LARGE, *CONTENT_TOO_LARGE)


def _finish(responses: dict[str, Any]) -> None:
    if "422" in responses:
        refusal = responses["422"]["content"][MEDIA_TYPE]
        refusal["schema"] = {"$ref": "#/components/schemas/InvalidProblem"}
        responses["422"]["description"] = "Not acceptable; nothing was changed."
    for status in {"201", "202"} & responses.keys():
        if _is_job_or_agent(responses[status]):
            responses[status]["headers"] = LOCATION


def _is_job_or_agent(response: dict[str, Any]) -> bool:
    schema: dict[str, str] = response["content"]["application/json"]["schema"]
    return schema.get("$ref", "").rsplit("/", 1)[-1] in {"JobRead", "AgentDetail"}
