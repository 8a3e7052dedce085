"""What a route can ask for."""

from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import Depends, Header, Path, Query
from fastapi.requests import HTTPConnection

from mission_control.api.resources import Resources
from mission_control.core.request_values import IN_DIGITS
from mission_control.data.unit_of_work import UnitOfWork


def get_resources(connection: HTTPConnection) -> Resources:
    return connection.app.state.resources


async def get_uow(connection: HTTPConnection) -> AsyncGenerator[UnitOfWork]:
    async with get_resources(connection).unit_of_work() as uow:
        yield uow


async def get_readonly_uow(connection: HTTPConnection) -> AsyncGenerator[UnitOfWork]:
    async with get_resources(connection).unit_of_work(readonly=True) as uow:
        yield uow


SharedResources = Annotated[Resources, Depends(get_resources)]
# scope="function": the commit comes before the answer leaves, so a failed commit is never a 201.
Uow = Annotated[UnitOfWork, Depends(get_uow, scope="function")]
ReadOnlyUow = Annotated[UnitOfWork, Depends(get_readonly_uow, scope="function")]

SLUG = r"^[a-z][a-z0-9_-]{0,63}$"
AgentId = Annotated[str, Path(pattern=SLUG, description="Slug of the agent.", examples=["remus"])]
NO_NUL = r"^[^\x00]*$"  # PostgreSQL takes it in no text, not even to compare
OfAgent = Annotated[
    str | None, Query(pattern=SLUG, description="Only of this agent.", examples=["remus"])
]
Limit = Annotated[int, Query(ge=1, le=200, description="How many items at the most."), IN_DIGITS]
CursorQuery = Annotated[
    str | None,
    Query(
        max_length=300, pattern=r"^[A-Za-z0-9_-]+$", description="`next_cursor` of the page before."
    ),
]
CLIENTS = {
    "mission-control-console": "the console",
    "mission-control-cli": "the command line",
}


def requested_by(connection: HTTPConnection) -> str:
    """Who asks. Without sign-in that is the one local owner; by what, as far as it says so."""
    client = connection.headers.get("User-Agent", "").split("/")[0]
    return f"the local owner, by {CLIENTS.get(client, 'the API')}"


RequestedBy = Annotated[str, Depends(requested_by)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        examples=["0199f3a2-evaluate-remus"],
        description="Repeating a request with the same key returns the first job.",
    ),
]
