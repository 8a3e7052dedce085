"""The data layer on the real SQLite and the real PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import inspect, text
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from mission_control.core.clock import utc_now
from mission_control.core.errors import NotFoundError
from mission_control.core.events import Event
from mission_control.core.words import AgentType, JobStatus
from mission_control.data import migrate
from mission_control.data.agents import Agent
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.jobs import Job
from mission_control.data.pages import Cursor, CursorError
from mission_control.data.tables import Base
from mission_control.data.unit_of_work import (
    DatabaseUnavailableError,
    MigrationsMissingError,
    UnitOfWork,
    WrittenMeanwhileError,
)
from tests.builders import Happened, a_job, a_version, an_agent, an_evaluation
from tests.services import HANG_SECONDS

LEASE = timedelta(seconds=30)
Unit = Callable[..., UnitOfWork]


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(database_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return create_sessions(engine)


@pytest.fixture
def unit(sessions: async_sessionmaker[AsyncSession]) -> Unit:
    return partial(UnitOfWork, sessions)


class TestMigrations:
    def test_down_and_up_again(self, database_url: str) -> None:
        migrate.downgrade(database_url)
        migrate.upgrade(database_url)
        migrate.check(database_url)

    def test_tables_and_migrations_agree(self, database_url: str) -> None:
        migrate.check(database_url)

    async def test_twice_is_once(self, database_url: str, engine: AsyncEngine) -> None:
        await asyncio.to_thread(migrate.upgrade, database_url)
        async with engine.connect() as connection:
            revision = await connection.run_sync(migrate.revision_of)
        assert revision == migrate.newest_revision()

    async def test_every_foreign_key_has_an_index(self, engine: AsyncEngine) -> None:
        async with engine.connect() as connection:
            missing = await connection.run_sync(lambda sync: _unindexed_keys(inspect(sync)))
        assert missing == []


def _unindexed_keys(inspector: Any) -> list[str]:
    return [
        f"{table}.{key['constrained_columns'][0]}"
        for table in Base.metadata.tables
        for key in inspector.get_foreign_keys(table)
        if key["constrained_columns"][0] not in _leading_columns(inspector, table)
    ]


def _leading_columns(inspector: Any, table: str) -> set[str]:
    found = [*inspector.get_indexes(table), *inspector.get_unique_constraints(table)]
    primary = inspector.get_pk_constraint(table)["constrained_columns"][:1]
    return {each["column_names"][0] for each in found} | {*primary}


class TestTablesThatAreNotThere:
    async def test_are_migrations_that_are_missing(self, database_url: str, unit: Unit) -> None:
        await asyncio.to_thread(migrate.downgrade, database_url)
        for readonly in (True, False):
            with pytest.raises(MigrationsMissingError, match="mission-control migrate"):
                async with unit(readonly=readonly) as uow:
                    await uow.agents.count()
        with pytest.raises(MigrationsMissingError):
            async with unit() as uow:
                uow.agents.add(Agent(id="ada", name="ADA", type=AgentType.STANDALONE))

    async def test_a_mistake_of_ours_is_not_called_that(
        self, unit: Unit, engine: AsyncEngine
    ) -> None:
        async with engine.connect() as connection:
            postgres = connection.dialect.name == "postgresql"
        with pytest.raises(ProgrammingError if postgres else DatabaseUnavailableError) as raised:
            async with unit(readonly=True) as uow:
                await uow._session.execute(text("SELEKT 1"))  # pyright: ignore[reportPrivateUsage]
        assert not isinstance(raised.value, MigrationsMissingError)


class TestUnitOfWork:
    async def test_events_are_stored_with_what_they_tell_of_in_order(self, unit: Unit) -> None:
        async with unit() as uow:
            await an_agent(uow)
            uow.publish(Event(channel="c", data=Happened(number=1)))
            uow.publish(Event(channel="d", data=Happened(number=2)))
        async with unit(readonly=True) as uow:
            waiting = await uow.outbox.after(0, limit=9)
        assert [each.channel for each in waiting] == ["c", "d"]
        assert [json.loads(each.body)["data"]["number"] for each in waiting] == [1, 2]  # fmt: skip
        assert waiting[0].id < waiting[1].id

    async def test_an_error_stores_no_event(self, unit: Unit) -> None:
        woken: list[str] = []

        async def wake() -> None:
            woken.append("relay")

        async def fail_half_way() -> None:
            async with unit(wake_relay=wake) as uow:
                await an_agent(uow)
                uow.publish(Event(channel="c", data=Happened()))
                raise RuntimeError

        with pytest.raises(RuntimeError):
            await fail_half_way()
        async with unit(readonly=True) as uow:
            assert await uow.agents.find("ada") is None
            assert await uow.outbox.after(0, limit=9) == []
        assert woken == []

    async def test_the_relay_is_woken_first_and_then_the_hooks_follow_in_order(
        self, unit: Unit
    ) -> None:
        happened: list[str] = []

        async def seen_from_outside(name: str) -> None:
            async with unit(readonly=True) as uow:
                happened.append(f"{name}: {(await uow.agents.find('ada')) is not None}")

        async def fail() -> None:
            await seen_from_outside("failing")
            raise ConnectionError

        wake = partial(seen_from_outside, "relay")
        async with unit(wake_relay=wake) as uow:
            await an_agent(uow)
            uow.after_commit(fail)
            uow.publish(Event(channel="c", data=Happened()))
            uow.after_commit(partial(seen_from_outside, "last"))
            assert happened == []
        assert happened == ["relay: True", "failing: True", "last: True"]

    async def test_without_events_nobody_is_woken(self, unit: Unit) -> None:
        woken: list[str] = []

        async def wake() -> None:
            woken.append("relay")

        async with unit(wake_relay=wake) as uow:
            await an_agent(uow)
        assert woken == []

    async def test_a_failing_hook_does_not_undo_the_commit(self, unit: Unit) -> None:
        async def fail() -> None:
            raise ConnectionError

        async with unit() as uow:
            await an_agent(uow)
            uow.after_commit(fail)
        async with unit(readonly=True) as uow:
            assert (await uow.agents.get("ada")).name == "ADA"

    async def test_what_was_read_stays_readable(self, unit: Unit) -> None:
        async with unit() as uow:
            await an_agent(uow)
        async with unit(readonly=True) as uow:
            agent = await uow.agents.get("ada")
        assert agent.name == "ADA"
        assert agent.created_at.tzinfo is not None

    async def test_readonly_writes_nothing(self, unit: Unit) -> None:
        async with unit(readonly=True) as uow:
            await an_agent(uow)
        async with unit(readonly=True) as uow:
            assert await uow.agents.find("ada") is None

    async def test_readers_do_not_wait_for_a_writer(self, unit: Unit) -> None:
        async with unit() as writer:
            await an_agent(writer)
            async with asyncio.timeout(HANG_SECONDS), unit(readonly=True) as reader:
                assert await reader.agents.count() == 0


class TestForeignKeys:
    async def test_are_enforced(self, unit: Unit, engine: AsyncEngine) -> None:
        with pytest.raises((IntegrityError, WrittenMeanwhileError)):
            async with unit() as uow:
                uow.jobs.add(Job(kind="evaluate", agent_id="nobody", parameters={}))

    async def test_an_agent_takes_its_rows_with_it(self, unit: Unit, engine: AsyncEngine) -> None:
        async with unit() as uow:
            agent = await an_agent(uow)
            version = await a_version(uow, agent)
            await an_evaluation(uow, version, await a_job(uow, agent))
        async with unit() as uow:
            await uow.agents.delete(await uow.agents.get("ada"))
        async with engine.connect() as connection:
            for table in ("agent_versions", "jobs", "evaluations"):
                rows = await connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
                assert rows == 0, table


class TestPages:
    async def test_walks_every_row_once_while_rows_are_written(self, unit: Unit) -> None:
        moment = utc_now()
        async with unit() as uow:
            for n in range(25):
                # Many share one instant: the id decides between them.
                await an_agent(uow, f"a{n:02}", created_at=moment + timedelta(seconds=n // 5))
        seen: list[str] = []
        cursor = None
        while True:
            async with unit() as uow:
                page = await uow.agents.page(limit=4, cursor=cursor, status=None, agent_type=None)
                await an_agent(uow, f"new{len(seen):02}", created_at=moment + timedelta(hours=1))
            seen += [agent.id for agent in page.items]
            if page.next_cursor is None:
                break
            cursor = Cursor.decode(page.next_cursor, Agent)
        expected = sorted((f"a{n:02}" for n in range(25)), key=lambda i: (int(i[1:]) // 5, i))
        assert seen == expected[::-1]

    async def test_pages_by_uuid_too(self, unit: Unit) -> None:
        async with unit() as uow:
            agent = await an_agent(uow)
            made = {(await a_job(uow, agent)).id for _ in range(7)}
        seen: list[UUID] = []
        cursor = None
        for _ in range(4):
            async with unit(readonly=True) as uow:
                page = await uow.jobs.page(
                    limit=2, cursor=cursor, agent_id="ada", kind=None, status=None
                )
            seen += [job.id for job in page.items]
            cursor = Cursor.decode(page.next_cursor, Job)
        assert len(seen) == 7
        assert set(seen) == made

    @pytest.mark.parametrize("garbage", ["", "x", "W10", "WyJ4IiwgMV0", "e30", "WyIyMDI2IiwxLDJd"])
    def test_garbage_is_refused(self, garbage: str) -> None:
        with pytest.raises(CursorError):
            Cursor.decode(garbage, Agent)


class TestLeases:
    async def test_one_of_ten_gets_the_job(self, unit: Unit) -> None:
        async with unit() as uow:
            job = await a_job(uow)

        async def claim(owner: str) -> bool:
            async with unit() as uow:
                return await uow.jobs.claim(job.id, owner=owner, lease=LEASE)

        won = await asyncio.gather(*(claim(f"w{n}") for n in range(10)))
        assert sum(won) == 1

    async def test_a_lease_that_ran_out_is_free(self, unit: Unit) -> None:
        async with unit() as uow:
            job = await a_job(uow)
        async with unit() as uow:
            assert await uow.jobs.claim(job.id, owner="a", lease=timedelta(seconds=-1))
        async with unit() as uow:
            assert await uow.jobs.claim(job.id, owner="b", lease=LEASE)
        async with unit() as uow:
            assert await uow.jobs.held_by(job.id, "a") is None
            assert await uow.jobs.renew(job.id, owner="a", lease=LEASE) is False
            assert await uow.jobs.renew(job.id, owner="b", lease=LEASE) is True

    async def test_only_the_named_dead_holder_is_overruled(self, unit: Unit) -> None:
        async with unit() as uow:
            job = await a_job(uow)
        async with unit() as uow:
            assert await uow.jobs.claim(job.id, owner="dead", lease=LEASE)
        async with unit() as uow:
            assert not await uow.jobs.claim(job.id, owner="b", lease=LEASE, dead_owner="other")
        async with unit() as uow:
            assert await uow.jobs.claim(job.id, owner="b", lease=LEASE, dead_owner="dead")

    @pytest.mark.parametrize("over", [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED])
    async def test_a_job_that_is_over_stays_over(self, unit: Unit, over: JobStatus) -> None:
        async with unit() as uow:
            job = await a_job(uow, status=over)
        async with unit() as uow:
            assert not await uow.jobs.claim(job.id, owner="a", lease=LEASE)

    async def test_exclusive_work_cannot_be_promised_twice(self, unit: Unit) -> None:
        async with unit() as uow:
            await a_job(uow, exclusive_key="optimize:ada")
        with pytest.raises(WrittenMeanwhileError):
            async with unit() as uow:
                await a_job(uow, exclusive_key="optimize:ada")

    async def test_sweeping_finds_what_nobody_works_on(self, unit: Unit) -> None:
        long_ago = utc_now() - timedelta(minutes=1)
        async with unit() as uow:
            forgotten = await a_job(uow, queued_at=long_ago)
            dropped = await a_job(uow, status=JobStatus.RUNNING, lease_expires_at=long_ago)
            await a_job(uow)
            await a_job(uow, status=JobStatus.COMPLETED, queued_at=long_ago)
        async with unit(readonly=True) as uow:
            found = await uow.jobs.abandoned(queued_before=utc_now() - timedelta(seconds=10))
        assert {job.id for job in found} == {forgotten.id, dropped.id}


class TestColumns:
    async def test_money_is_exact(self, unit: Unit) -> None:
        async with unit() as uow:
            agent = await an_agent(uow)
            version = await a_version(uow, agent)
            job = await a_job(uow, agent)
            made = await an_evaluation(uow, version, job, cost_usd=Decimal("0.10000001"))
        async with unit(readonly=True) as uow:
            assert (await uow.evaluations.get(made.id)).cost_usd == Decimal("0.10000001")

    async def test_unknown_things_are_not_found(self, unit: Unit) -> None:
        async with unit(readonly=True) as uow:
            with pytest.raises(NotFoundError):
                await uow.agents.get("nobody")
