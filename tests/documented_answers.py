"""Holds every answer of the API to its document, whatever a test asked for."""

import re
from http import HTTPStatus
from typing import Any

import httpx2
from fastapi import FastAPI

# Of every address, and so written down at none.
ANYWHERE = {HTTPStatus.METHOD_NOT_ALLOWED}


class DocumentedAnswers:
    """An event hook for a client: an answer that the document does not have fails its test."""

    def __init__(self, app: FastAPI) -> None:
        # What is written out comes before what has a parameter in the same place, as in routing.
        by_parameters = sorted(app.openapi()["paths"].items(), key=lambda each: each[0].count("{"))
        self._paths = [(_pattern(path), operations) for path, operations in by_parameters]

    async def __call__(self, response: httpx2.Response) -> None:
        operation = self._operation_of(response.request)
        if operation is None or response.status_code in ANYWHERE:
            return
        asked = f"{response.request.method} {response.request.url.path}"
        documented = operation["responses"].get(str(response.status_code))
        assert documented is not None, f"{asked}: {response.status_code} is documented nowhere"
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            await response.aread()
            code = response.json().get("code", response.json().get("state"))
            known = {known for media in documented["content"].values() for known in _codes(media)}
            assert not known or code in known, f"{asked}: `{code}` is none of {sorted(known)}"

    def _operation_of(self, request: httpx2.Request) -> dict[str, Any] | None:
        method, path = request.method.lower(), request.url.path
        for pattern, operations in self._paths:
            if pattern.fullmatch(path) and method in operations:
                return operations[method]
        return None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))


def _codes(media: dict[str, Any]) -> set[str]:
    return set(media.get("examples", {}))
