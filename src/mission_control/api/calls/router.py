"""HTTP door of calls."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field, WithJsonSchema

from mission_control.api.calls import queries
from mission_control.api.calls.errors import CallFilterError
from mission_control.api.calls.schemas import CallDetail, CallPage, CallTotals
from mission_control.api.deps import NO_NUL, CursorQuery, Limit, OfAgent, ReadOnlyUow
from mission_control.api.problems import refusals
from mission_control.core.errors import NotFoundError
from mission_control.core.request_values import IN_DECIMALS, TRUE_OR_FALSE, Moment
from mission_control.core.words import CallEnding, CallSource
from mission_control.data.calls import CallFilter
from mission_control.data.pages import CursorError

MOST_COST = 1_000_000

router = APIRouter(prefix="/api/calls", tags=["calls"])


From = Annotated[
    Moment | None, Query(alias="from", description="Created then or later; with a zone.")
]
To = Annotated[Moment | None, Query(alias="to", description="Created before that moment.")]
Cost = Annotated[
    Annotated[
        Decimal,
        Field(ge=0, le=MOST_COST),
        IN_DECIMALS,
        WithJsonSchema({"type": "number", "minimum": 0, "maximum": MOST_COST}),
    ]
    | None,
    Query(description="USD.", examples=["0.25"]),
]
Source = Annotated[CallSource | None, Query(description="Only calls that this system keeps.")]


def _period(start: datetime | None, end: datetime | None) -> None:
    if start is not None and end is not None and start >= end:
        raise CallFilterError(
            "No call can be created in this time: `from` must be before `to`.",
            errors=[{"field": "from", "message": "It must be before `to`."}],
        )


def wanted_calls(
    agent_id: OfAgent = None,
    assistant_version: Annotated[str | None, Query(max_length=32, pattern=NO_NUL)] = None,
    source: Source = None,
    direction: Annotated[
        str | None, Query(max_length=32, pattern=NO_NUL, examples=["inbound"])
    ] = None,
    created_from: From = None,
    created_to: To = None,
    ended_reason: Annotated[str | None, Query(max_length=200, pattern=NO_NUL)] = None,
    ending: CallEnding | None = None,
    success: Annotated[bool | None, Query(), TRUE_OR_FALSE] = None,  # a query parameter
    min_cost: Cost = None,
    max_cost: Cost = None,
    lead_id: Annotated[str | None, Query(max_length=64, pattern=NO_NUL)] = None,
    text: Annotated[
        str | None,
        Query(
            min_length=2,
            max_length=200,
            pattern=NO_NUL,
            description=(
                "Words in summary, transcript or the customer's name, all of them, in any order and "
                "spelling; `word*` is any word that begins so. Or the last four digits of the "
                "customer's number, or any six."
            ),
        ),
    ] = None,
) -> CallFilter:
    _period(created_from, created_to)
    return CallFilter(
        agent_id=agent_id,
        assistant_version=assistant_version,
        source=source,
        direction=direction,
        created_from=created_from,
        created_to=created_to,
        ended_reason=ended_reason,
        ending=ending,
        success=success,
        min_cost=min_cost,
        max_cost=max_cost,
        lead_id=lead_id,
        text=text,
    )


@router.get(
    "",
    summary="List calls, newest first, each once",
    responses=refusals(CursorError, CallFilterError),
)
async def list_calls(
    uow: ReadOnlyUow,
    wanted: Annotated[CallFilter, Depends(wanted_calls)],
    limit: Limit = 50,
    cursor: CursorQuery = None,
) -> CallPage:
    return await queries.list_calls(uow, wanted, limit=limit, cursor=cursor)


@router.get(
    "/totals",
    summary="Count and add up calls, by agent and by day",
    responses=refusals(CallFilterError),
)
async def read_totals(
    uow: ReadOnlyUow,
    agent_id: OfAgent = None,
    source: Source = None,
    created_from: From = None,
    created_to: To = None,
) -> CallTotals:
    """A call that both Vapi and Close keep counts once, as Vapi tells it; with `source`, as that does."""
    _period(created_from, created_to)
    wanted = CallFilter(
        agent_id=agent_id, source=source, created_from=created_from, created_to=created_to
    )
    return await queries.totals(uow, wanted)


@router.get(
    "/{call_id}", summary="Read a call and what was said in it", responses=refusals(NotFoundError)
)
async def read_call(uow: ReadOnlyUow, call_id: UUID) -> CallDetail:
    return await queries.read_call(uow, call_id)
