"""The services that the other tests stand on are real, and new for every test."""

from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import text

from mission_control.data.engine import create_engine


@pytest.mark.parametrize("round_number", [1, 2])
def test_redis_is_empty_for_every_test(redis_url: str, round_number: int) -> None:
    with Redis.from_url(redis_url) as redis:
        assert redis.keys("*") == []
        redis.set("left behind", round_number)


@pytest.mark.parametrize("round_number", [1, 2])
async def test_database_is_new_and_migrated_for_every_test(
    database_url: str, round_number: int
) -> None:
    engine = create_engine(database_url)
    async with engine.begin() as connection:
        assert (
            await connection.execute(text("SELECT count(*) FROM alembic_version"))
        ).scalar() == 1
        await connection.execute(text("CREATE TABLE left_behind (number INTEGER)"))
    await engine.dispose()


def test_engine_environment_is_there(engine_python: Path) -> None:
    assert engine_python.is_file()
