"""What the features of the client need of it: requests that come back as typed answers."""

import re
from typing import Protocol, TypeVar

from pydantic import BaseModel

from mission_control.api.jobs.schemas import JobRead
from mission_control.client.errors import ApiProblemError

ID = re.compile(r"[A-Za-z0-9_-]{1,100}")

ModelT = TypeVar("ModelT", bound=BaseModel)


class Requests(Protocol):
    """Each raises ApiProblemError when the API refuses, ApiUnreachableError when it is away."""

    def get(self, path: str, model: type[ModelT], **query: object) -> ModelT:
        """Query parameters that are None are left out."""
        ...

    def post(self, path: str, body: BaseModel | None, model: type[ModelT]) -> ModelT: ...

    def put(self, path: str, body: BaseModel, model: type[ModelT]) -> ModelT: ...

    def delete(self, path: str) -> None: ...

    def start(self, path: str, request: BaseModel | None, key: str | None = None) -> JobRead:
        """Ask for long work. Safe to repeat: it carries an idempotency key, `key` or its own."""
        ...


def part(value: object) -> str:
    """An id as a part of a path. Servers take an escaped slash for a real one, so none is sent."""
    if not ID.fullmatch(str(value)):
        raise ApiProblemError(404, "not_found", "There is nothing with this id.")
    return str(value)
