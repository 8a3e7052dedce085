"""Writers of one process on SQLite: in the order in which they came, whatever becomes of one of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from mission_control.data import engine as engines
from mission_control.data.engine import create_engine, create_sessions

Sessions = async_sessionmaker[AsyncSession]


@pytest.fixture
async def sessions(tmp_path: Path) -> AsyncIterator[Sessions]:
    engine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'line.db'}")
    made = create_sessions(engine)
    async with made() as session:
        await session.execute(text("CREATE TABLE arrivals (number INTEGER)"))
        await session.commit()
    yield made
    await engine.dispose()


async def _write(sessions: Sessions, number: int, *, seconds: float = 0.01) -> None:
    async with sessions() as session:
        await session.execute(text("INSERT INTO arrivals VALUES (:number)"), {"number": number})
        await asyncio.sleep(seconds)
        await session.commit()


async def _written(sessions: Sessions) -> list[int]:
    async with sessions() as session:
        await session.connection(execution_options={"readonly": True})
        return list(await session.scalars(text("SELECT number FROM arrivals ORDER BY rowid")))


async def test_nobody_is_overtaken(sessions: Sessions) -> None:
    """Three who write without a pause let a fourth in when it is its turn."""
    stop = asyncio.Event()

    async def write_on(number: int) -> None:
        while not stop.is_set():
            await _write(sessions, number, seconds=0.005)

    busy = [asyncio.ensure_future(write_on(number)) for number in range(3)]
    while len(await _written(sessions)) < 3:
        await asyncio.sleep(0.01)
    for _ in range(5):
        before = len(await _written(sessions))
        await _write(sessions, 9)
        overtaken_by = (await _written(sessions)).index(9, before) - before
        # Those in line before it, those that came while its connection was made ready, and chance.
        assert overtaken_by <= 9
    stop.set()
    await asyncio.gather(*busy)


async def test_one_that_is_cancelled_leaves_the_line(sessions: Sessions) -> None:
    holding = asyncio.ensure_future(_write(sessions, 1, seconds=60))
    await asyncio.sleep(0.05)
    waiting = asyncio.ensure_future(_write(sessions, 2))
    behind = asyncio.ensure_future(_write(sessions, 3))
    await asyncio.sleep(0.05)
    waiting.cancel()
    holding.cancel()
    await asyncio.gather(holding, waiting, return_exceptions=True)
    await behind
    assert await _written(sessions) == [3]


async def test_one_that_fails_leaves_the_line(sessions: Sessions) -> None:
    async def failing() -> None:
        async with sessions() as session:
            await session.execute(text("INSERT INTO arrivals VALUES (1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    await _write(sessions, 2)
    assert await _written(sessions) == [2]


async def test_waiting_has_an_end(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.05)
    holding = asyncio.ensure_future(_write(sessions, 1, seconds=0.5))
    await asyncio.sleep(0.05)
    with pytest.raises(engines.exc.TimeoutError, match="locked"):
        await _write(sessions, 2)
    await holding
    assert await _written(sessions) == [1]


async def test_readers_do_not_stand_in_line(sessions: Sessions) -> None:
    holding = asyncio.ensure_future(_write(sessions, 1, seconds=0.3))
    await asyncio.sleep(0.05)
    assert await _written(sessions) == []
    assert not holding.done()
    await holding
