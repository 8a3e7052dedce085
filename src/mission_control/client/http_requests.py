"""Requests to the product's own API: sent over HTTP, and what comes back typed or as an error."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, cast
from uuid import uuid4

import httpx2
from pydantic import BaseModel, ValidationError

from mission_control.api.jobs.schemas import JobRead
from mission_control.client.errors import ApiProblemError, ApiUnreachableError, unreachable
from mission_control.client.requests import ModelT

DEFAULT_TIMEOUT = 60.0  # seconds; importing waits for a cold engine to compile
CONNECT_TIMEOUT = 3.0
# Less than uvicorn's 5 s: a connection that the server is about to give up is not used again.
KEEP_ALIVE = 4.0


class HttpRequests:
    """`Requests` over a connection of its own, which is to be closed."""

    def __init__(
        self, base_url: str, timeout: float = DEFAULT_TIMEOUT, *, name: str = "mission-control"
    ) -> None:
        """`name`: which client asks; the product records it."""
        self.base_url = base_url.rstrip("/")
        self._http = httpx2.Client(
            base_url=self.base_url,
            headers={"User-Agent": name},
            timeout=httpx2.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE),
            trust_env=False,  # a proxy has no business between two of our own processes
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def get(self, path: str, model: type[ModelT], **query: object) -> ModelT:
        given = {name: str(value) for name, value in query.items() if value is not None}
        return _read(self._send("GET", path, params=given, is_repeatable=True), model)

    def post(self, path: str, body: BaseModel | None, model: type[ModelT]) -> ModelT:
        return _read(self._send("POST", path, body=body), model)

    def put(self, path: str, body: BaseModel, model: type[ModelT]) -> ModelT:
        return _read(self._send("PUT", path, body=body), model)

    def delete(self, path: str) -> None:
        self._send("DELETE", path)

    def start(self, path: str, request: BaseModel | None, key: str | None = None) -> JobRead:
        """Ask for long work; `key` makes a second asking return the first job."""
        # With a key of its own, a request whose answer got lost can be sent again.
        headers = {"Idempotency-Key": key or uuid4().hex}
        response = self._send("POST", path, body=request, headers=headers, is_repeatable=True)
        return _read(response, JobRead)

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: BaseModel | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool = False,
    ) -> httpx2.Response:
        content = body.model_dump(mode="json", exclude_unset=True) if body is not None else {}
        request = self._http.build_request(
            method,
            path,
            params=params,
            json=content if method in {"POST", "PUT"} else None,
            headers=headers,
        )
        try:
            response = self._exchange(request)
        except _AnswerLostError:
            if not is_repeatable:
                raise
            response = self._exchange(request)
        if response.is_error:
            raise _problem(response)
        return response

    def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        try:
            return self._http.send(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            raise unreachable(self.base_url) from None
        except httpx2.TimeoutException:
            raise ApiUnreachableError(
                f"The API at {self.base_url} did not answer in time. Look at what it is doing with "
                "`mission-control doctor`, then try again."
            ) from None
        except httpx2.TransportError:
            raise _AnswerLostError(
                f"The API at {self.base_url} broke off before it had answered. Whether it did what "
                "was asked is not known; look before you ask again."
            ) from None


class _AnswerLostError(ApiUnreachableError):
    """The request was sent, and no answer came."""


def _read(response: httpx2.Response, model: type[ModelT]) -> ModelT:
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        raise ApiUnreachableError(
            f"What answers at {response.url.host}:{response.url.port} is not this version of the "
            "Mission Control API. Correct the address, or restart the product after an update."
        ) from None


def _problem(response: httpx2.Response) -> ApiProblemError:
    try:
        found = response.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        found = {}
    document = cast("dict[str, Any]", found)
    fields = {
        name: value
        for name, value in document.items()
        if name not in {"type", "title", "status", "detail", "code"}
    }
    return ApiProblemError(
        response.status_code,
        str(document.get("code", f"http_{response.status_code}")),
        str(document.get("detail", f"The API answered HTTP {response.status_code}.")),
        fields,
    )
