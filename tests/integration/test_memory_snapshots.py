"""What is kept of a memory server's last answer, in a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from mission_control.api.memory.snapshots import MOST_BYTES, MemorySnapshots
from mission_control.integrations.memory.items import Memory


def a_memory(at: int, *, characters: int = 10) -> Memory:
    return Memory(
        server="s", id=str(at), content="x" * characters, kind="fact", tier=1, agent=None,
        subject=None, valid_from=None, valid_to=None, recorded_at=None, expired_at=None,
        supersedes=None, source=None, score=None, parsed=True, raw=None,
    )  # fmt: skip


@pytest.fixture
async def snapshots(redis_url: str) -> AsyncIterator[MemorySnapshots]:
    redis = Redis.from_url(redis_url)
    yield MemorySnapshots(redis)
    await redis.aclose()


@pytest.mark.parametrize("more", [True, False])
async def test_that_the_server_holds_more_is_kept(snapshots: MemorySnapshots, more: bool) -> None:
    await snapshots.keep("s", [a_memory(1), a_memory(2)], more=more)
    last = await snapshots.last("s")
    assert last is not None
    assert (len(last.items), last.more) == (2, more)


async def test_what_there_is_no_room_for_is_said(snapshots: MemorySnapshots) -> None:
    large = [a_memory(at, characters=MOST_BYTES // 3) for at in range(4)]
    await snapshots.keep("s", large, more=False)
    last = await snapshots.last("s")
    assert last is not None
    assert (len(last.items), last.more) == (2, True)
