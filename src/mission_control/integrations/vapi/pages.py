"""Vapi's lists have no pages: how to walk one by creation time without losing or doubling anything."""

from collections.abc import AsyncGenerator, Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from mission_control.core.json_types import JsonObject
from mission_control.integrations.errors import IntegrationContractError

Bounds = dict[str, str]

LARGEST_PAGE_SIZE = 1000  # Vapi's own limit
# Times are shown to the millisecond; what happened later within one is asked for again.
RESOLUTION = timedelta(milliseconds=1)


class FetchPage(Protocol):
    def __call__(self, limit: int, bounds: Bounds) -> Awaitable[list[JsonObject]]:
        """One request: at most `limit` items, their `createdAt` within `bounds`."""
        ...


async def paginate(
    fetch: FetchPage, *, page_size: int, bounds: Bounds
) -> AsyncGenerator[list[JsonObject]]:
    """Every item once, page by page, in the order in which Vapi sends them.

    The pages overlap at their edge: several items may have been created at one instant.

    Raises:
        IntegrationContractError: More than 1,000 share one instant, or the list is in no order.
    """
    seen: set[str] = set()
    limit = min(page_size, LARGEST_PAGE_SIZE)
    while True:
        page = await fetch(limit, bounds)
        new = [one for one in page if _id(one) not in seen]
        seen |= {_id(one) for one in new}
        if new:
            yield new
        if len(page) < limit:
            return
        if new:
            bounds = _bounds_after(page, bounds)
        elif limit < LARGEST_PAGE_SIZE:
            limit = LARGEST_PAGE_SIZE  # more were created at one instant than fit on a page
        else:
            raise _endless()


def instant(at: datetime) -> str:
    """As Vapi reads times. Raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError("A time without a zone means nothing to Vapi.")
    return at.isoformat(timespec="milliseconds")


def _id(item: JsonObject) -> str:
    return str(item["id"])


def _bounds_after(page: Sequence[JsonObject], bounds: Bounds) -> Bounds:
    """Vapi's order is not documented: follow the one that the page shows."""
    times = [_created_at(item) for item in page]
    if times == sorted(times, reverse=True):
        latest = bounds.get("createdAtLe")
        overlap = times[-1] + RESOLUTION
        upto = overlap if latest is None else min(overlap, datetime.fromisoformat(latest))
        return {**bounds, "createdAtLe": instant(upto)}
    if times == sorted(times):
        return {**bounds, "createdAtGe": instant(times[-1])}
    raise IntegrationContractError(
        "Vapi's list is in no order of time, so it cannot be read to its end.", vendor="Vapi"
    )


def _created_at(item: JsonObject) -> datetime:
    written = item.get("createdAt")
    try:
        at = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise IntegrationContractError(
            "Vapi sent something without the time of its creation.", vendor="Vapi"
        )
    return at


def _endless() -> IntegrationContractError:
    return IntegrationContractError(
        f"More than {LARGEST_PAGE_SIZE} things at Vapi were created at one instant; "
        "its list cannot be read past them.",
        vendor="Vapi",
    )
