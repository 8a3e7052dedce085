"""Walking Vapi's lists: every item once, whatever shares an instant, however times are rounded."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mission_control.integrations.errors import IntegrationContractError
from mission_control.integrations.vapi.pages import LARGEST_PAGE_SIZE, Bounds, paginate

START = datetime(2026, 5, 4, 14, 2, 11, tzinfo=UTC)


class Listing:
    """A list as Vapi has it: stored to the microsecond, shown to the millisecond."""

    def __init__(self, times: list[datetime], *, newest_first: bool = True) -> None:
        self.items = [(f"c{index}", at) for index, at in enumerate(times)]
        self.items.sort(key=lambda item: item[1], reverse=newest_first)
        self.requests = 0

    async def __call__(self, limit: int, bounds: Bounds) -> list[dict[str, Any]]:
        self.requests += 1
        latest = datetime.fromisoformat(bounds.get("createdAtLe", "9999-01-01T00:00:00+00:00"))
        earliest = datetime.fromisoformat(bounds.get("createdAtGe", "0001-01-01T00:00:00+00:00"))
        inside = [(key, at) for key, at in self.items if earliest <= at <= latest]
        return [
            {"id": key, "createdAt": at.isoformat(timespec="milliseconds").replace("+00:00", "Z")}
            for key, at in inside[:limit]
        ]


async def walked(listing: Listing, page_size: int, **bounds: str) -> list[str]:
    pages = paginate(listing, page_size=page_size, bounds=bounds)
    return [str(item["id"]) async for page in pages for item in page]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("page_size", [100, 1000])
async def test_thousands_with_equal_times_come_once(page_size: int, newest_first: bool) -> None:
    draw = random.Random(7)
    times = [START + timedelta(milliseconds=draw.randrange(40)) for _ in range(3_210)]
    listing = Listing(times, newest_first=newest_first)
    found = await walked(listing, page_size)
    assert len(found) == len(set(found)) == 3_210


async def test_what_is_shown_as_one_millisecond_is_not_one() -> None:
    times = [START + timedelta(microseconds=100 * step) for step in range(2_500)]
    found = await walked(Listing(times), 100)
    assert len(found) == len(set(found)) == 2_500


async def test_nearly_a_thousand_at_one_instant_do_not_end_the_walk() -> None:
    times = [START] * 998 + [START + timedelta(seconds=step) for step in range(-300, 300)]
    assert len(await walked(Listing(times), 100)) == 1_598


async def test_more_at_one_instant_than_can_be_read_is_an_error_and_not_a_loss() -> None:
    with pytest.raises(IntegrationContractError, match="one instant"):
        await walked(Listing([START] * (LARGEST_PAGE_SIZE + 1)), 100)


async def test_the_overlap_stays_within_what_was_asked_for() -> None:
    times = [START + timedelta(milliseconds=step) for step in range(50)]
    bound = (START + timedelta(milliseconds=20)).isoformat(timespec="milliseconds")
    found = await walked(Listing(times), 1, createdAtLe=bound)
    assert found == [f"c{index}" for index in range(20, -1, -1)]


async def test_a_list_in_no_order_is_an_error() -> None:
    listing = Listing([START + timedelta(seconds=step) for step in range(10)])
    random.Random(1).shuffle(listing.items)
    with pytest.raises(IntegrationContractError, match="order"):
        await walked(listing, 5)


async def test_a_short_first_page_is_one_request() -> None:
    listing = Listing([START] * 7)
    assert len(await walked(listing, 100)) == 7
    assert listing.requests == 1


@pytest.mark.parametrize("written", [None, 3, "yesterday", "2026-05-04T14:02:11"])
async def test_an_item_without_a_time_is_an_error(written: object) -> None:
    async def fetch(limit: int, bounds: Bounds) -> list[Any]:
        return [{"id": f"c{index}", "createdAt": written} for index in range(limit)]

    with pytest.raises(IntegrationContractError, match="time"):
        _ = [page async for page in paginate(fetch, page_size=3, bounds={})]
