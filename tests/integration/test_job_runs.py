"""A worker does a job: to a named end, once, whoever dies or interferes meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from mission_control.api.jobs import work as jobs_work
from mission_control.api.jobs.errors import LeaseLostError
from mission_control.api.jobs.job_run import LEASE, JobRun, directory_of
from mission_control.api.jobs.work import MAX_ATTEMPTS_WITHOUT_PROGRESS, claim, run_job
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.errors import ConflictError
from mission_control.core.lease_owners import this_host
from mission_control.core.words import JobKind, JobStatus, Queue
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork
from mission_control.integrations.errors import SuperOptiXError
from tests.builders import a_job, an_agent
from tests.services import HANG_SECONDS

Doing = Callable[[JobRun], Awaitable[None]]


class Work:
    """Does what a test wants done, and notes how it ended."""

    def __init__(self, do: Doing | None = None) -> None:
        self.do = do
        self.runs: list[JobRun] = []
        self.endings: list[Any] = []

    async def run(self, job: JobRun) -> None:
        self.runs.append(job)
        if self.do is not None:
            await self.do(job)

    async def completed(self, uow: UnitOfWork) -> None:
        assert isinstance(uow, UnitOfWork)
        self.endings.append("completed")

    async def failed(self, uow: UnitOfWork, error: dict[str, Any]) -> None:
        assert isinstance(uow, UnitOfWork)
        self.endings.append(error)

    async def cancelled(self, uow: UnitOfWork) -> None:
        assert isinstance(uow, UnitOfWork)
        self.endings.append("cancelled")


def failing(error: BaseException) -> Doing:
    async def fail(_: JobRun) -> None:
        raise error

    return fail


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_work, "CANCEL_POLL_SECONDS", 0.01)
    monkeypatch.setattr(jobs_work, "RENEW_SECONDS", 0.02)


async def a_stored_job(resources: Resources, **columns: Any) -> UUID:
    async with resources.unit_of_work() as uow:
        return (await a_job(uow, await an_agent(uow), **columns)).id


async def job_of(resources: Resources, job_id: UUID) -> Job:
    async with resources.unit_of_work(readonly=True) as uow:
        return await uow.jobs.get(job_id)


async def now_has(resources: Resources, job_id: UUID, **columns: Any) -> None:
    async with resources.unit_of_work() as uow:
        job = await uow.jobs.get(job_id)
        for name, value in columns.items():
            setattr(job, name, value)


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while not await true():
            await asyncio.sleep(0.01)


class TestEnding:
    async def test_what_was_done_is_completed_and_keeps_nothing(self, resources: Resources) -> None:
        async def keep(job: JobRun) -> None:
            (job.directory / "journal").write_text("paid for")
            async with job.step() as uow:
                await job.note_progress(uow, got_on=True, done=1)

        job_id = await a_stored_job(resources, parameters={"n": 1}, exclusive_key="search:ada")
        await run_job(resources, job_id, work := Work(keep))
        job = await job_of(resources, job_id)
        assert work.endings == ["completed"]
        assert (job.status, job.error, job.progress) == (JobStatus.COMPLETED, None, {"done": 1})
        assert (job.lease_owner, job.lease_expires_at, job.exclusive_key) == (None, None, None)
        assert not directory_of(resources.settings, job_id).exists()
        [run] = work.runs
        assert (run.id, run.agent_id, run.parameters) == (job_id, "ada", {"n": 1})

    async def test_a_refusal_is_told_as_it_was_named(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources)
        error = ConflictError("It is taken. Nothing was changed.", by="bob")
        await run_job(resources, job_id, work := Work(failing(error)))
        job = await job_of(resources, job_id)
        assert job.status is JobStatus.FAILED
        assert job.error == error.described()
        assert work.endings == [error.described()]

    async def test_what_nobody_foresaw_gives_away_nothing(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources)
        await run_job(resources, job_id, work := Work(failing(ZeroDivisionError("sk-secret"))))
        job = await job_of(resources, job_id)
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert "the worker's log has the details" in job.error["detail"]
        assert "secret" not in str(job.error)
        assert work.endings == [job.error]

    async def test_what_is_over_is_not_done_again(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources)
        for work in (Work(), again := Work()):
            await run_job(resources, job_id, work)
        assert (again.runs, again.endings) == ([], [])


class TestAnEngineThatDies:
    async def test_is_given_another_attempt_with_what_was_paid_for(
        self, resources: Resources
    ) -> None:
        async def crash(job: JobRun) -> None:
            (job.directory / "journal").write_text("paid for")
            raise SuperOptiXError("The engine died.", kind="crashed")

        asked = utc_now() - timedelta(hours=1)
        job_id = await a_stored_job(resources, queued_at=asked)
        await run_job(resources, job_id, work := Work(crash))
        job = await job_of(resources, job_id)
        assert work.endings == []
        assert (job.status, job.lease_owner, job.lease_expires_at) == (JobStatus.QUEUED, None, None)
        assert job.queued_at > asked
        assert (directory_of(resources.settings, job_id) / "journal").exists()
        [message] = await resources.redis.lrange(Queue.ENGINE, 0, -1)
        assert str(job_id) in str(message)

    async def test_but_not_for_ever(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources, attempts=MAX_ATTEMPTS_WITHOUT_PROGRESS - 2)
        work = Work(failing(SuperOptiXError("The engine died.", kind="crashed")))
        await run_job(resources, job_id, work)
        assert (await job_of(resources, job_id)).status is JobStatus.QUEUED
        await run_job(resources, job_id, work)
        job = await job_of(resources, job_id)
        assert job.status is JobStatus.FAILED
        assert job.error is not None
        assert job.error["kind"] == "crashed"

    async def test_any_other_failure_of_it_ends_the_job(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources)
        await run_job(resources, job_id, Work(failing(SuperOptiXError("No key.", kind="auth"))))
        assert (await job_of(resources, job_id)).status is JobStatus.FAILED

    async def test_a_job_that_never_gets_on_is_given_up_and_says_after_how_many_starts(
        self, resources: Resources
    ) -> None:
        job_id = await a_stored_job(resources, attempts=MAX_ATTEMPTS_WITHOUT_PROGRESS)
        await run_job(resources, job_id, work := Work())
        job = await job_of(resources, job_id)
        assert work.runs == []
        assert job.error is not None
        assert job.error["code"] == "job_gave_up"
        assert f"started {MAX_ATTEMPTS_WITHOUT_PROGRESS} times" in job.error["detail"]

    async def test_the_last_attempt_is_made(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources, attempts=MAX_ATTEMPTS_WITHOUT_PROGRESS - 1)
        await run_job(resources, job_id, Work())
        assert (await job_of(resources, job_id)).status is JobStatus.COMPLETED


class TestCancelled:
    async def test_before_it_began_nothing_is_done(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources, cancel_requested_at=utc_now())
        await run_job(resources, job_id, work := Work())
        assert (work.runs, work.endings) == ([], ["cancelled"])
        assert (await job_of(resources, job_id)).status is JobStatus.CANCELLED

    async def test_while_it_runs_its_work_ends(self, resources: Resources) -> None:
        ended = asyncio.Event()

        async def work_on(job: JobRun) -> None:
            await now_has(resources, job.id, cancel_requested_at=utc_now())
            try:
                await asyncio.sleep(HANG_SECONDS)
            finally:
                ended.set()

        job_id = await a_stored_job(resources)
        await run_job(resources, job_id, work := Work(work_on))
        assert ended.is_set()
        assert work.endings == ["cancelled"]
        assert (await job_of(resources, job_id)).status is JobStatus.CANCELLED

    @pytest.mark.parametrize(
        ("attempts", "status"), [(0, JobStatus.CANCELLED), (1, JobStatus.COMPLETED)]
    )
    async def test_a_deployment_can_be_called_off_before_it_has_begun_alone(
        self, resources: Resources, attempts: int, status: JobStatus
    ) -> None:
        async def take_a_while(_: JobRun) -> None:
            await asyncio.sleep(0.1)  # it is looked for meanwhile

        columns = {"kind": JobKind.DEPLOY, "attempts": attempts}
        job_id = await a_stored_job(resources, cancel_requested_at=utc_now(), **columns)
        await run_job(resources, job_id, Work(take_a_while))
        assert (await job_of(resources, job_id)).status is status


class TestTheLease:
    async def test_names_this_process_and_lasts(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources)
        before = utc_now()
        job = await claim(resources, job_id)
        assert job is not None
        assert (job.status, job.attempts) == (JobStatus.RUNNING, 1)
        assert (job.lease_owner or "").startswith(this_host())
        assert job.lease_expires_at is not None
        assert before + LEASE <= job.lease_expires_at <= utc_now() + LEASE
        assert await claim(resources, job_id) is None

    @pytest.mark.parametrize(
        ("owner", "seconds", "is_free"),
        [
            (f"{this_host()}:999999:x", 60, True),
            ("elsewhere/1:999999:x", 60, False),
            ("elsewhere/1:999999:x", -1, True),
        ],
    )
    async def test_of_one_that_is_gone_is_free(
        self, resources: Resources, owner: str, seconds: int, is_free: bool
    ) -> None:
        runs_out = utc_now() + timedelta(seconds=seconds)
        held = {"status": JobStatus.RUNNING, "lease_owner": owner, "lease_expires_at": runs_out}
        job_id = await a_stored_job(resources, **held)
        assert (await claim(resources, job_id) is not None) == is_free

    async def test_is_renewed_while_the_work_goes_on(self, resources: Resources) -> None:
        async def lease_of(job: JobRun) -> datetime:
            found = (await job_of(resources, job.id)).lease_expires_at
            assert found is not None
            return found

        async def work_on(job: JobRun) -> None:
            for _ in range(2):
                last = await lease_of(job)

                async def is_renewed(last: datetime = last) -> bool:
                    return await lease_of(job) > last

                await until(is_renewed)

        job_id = await a_stored_job(resources)
        await run_job(resources, job_id, work := Work(work_on))
        assert work.endings == ["completed"]

    async def test_whoever_loses_it_stops_and_ends_nothing(self, resources: Resources) -> None:
        ended = asyncio.Event()

        async def work_on(job: JobRun) -> None:
            assert job.directory.exists()
            await now_has(resources, job.id, lease_owner="elsewhere/1:1:x")
            try:
                await asyncio.sleep(HANG_SECONDS)
            finally:
                ended.set()

        job_id = await a_stored_job(resources)
        await run_job(resources, job_id, work := Work(work_on))
        assert ended.is_set()
        job = await job_of(resources, job_id)
        assert work.endings == []
        assert (job.status, job.lease_owner) == (JobStatus.RUNNING, "elsewhere/1:1:x")
        assert directory_of(resources.settings, job_id).exists()

    async def test_what_ends_after_it_was_lost_is_not_stored(self, resources: Resources) -> None:
        async def lose(job: JobRun) -> None:
            await now_has(resources, job.id, lease_owner="elsewhere/1:1:x")
            raise ConflictError("It is taken.")

        job_id = await a_stored_job(resources)
        await run_job(resources, job_id, work := Work(lose))
        assert work.endings == []
        assert (await job_of(resources, job_id)).status is JobStatus.RUNNING

    async def test_with_a_database_that_is_away_it_runs_out_and_the_job_goes_on_elsewhere(
        self, resources: Resources
    ) -> None:
        job_id = await a_stored_job(resources)
        away = failing(DatabaseUnavailableError("The database is away."))
        await run_job(resources, job_id, work := Work(away))
        job = await job_of(resources, job_id)
        assert work.endings == []
        assert (job.status, job.error) == (JobStatus.RUNNING, None)

    async def test_a_database_that_is_away_when_it_is_renewed_interrupts_nothing(
        self, resources: Resources, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked = asyncio.Event()

        async def away(_: JobRun) -> None:
            looked.set()
            raise DatabaseUnavailableError("The database is away.")

        async def work_on(_: JobRun) -> None:
            await looked.wait()
            await asyncio.sleep(0.05)

        monkeypatch.setattr(JobRun, "renew", away)
        job_id = await a_stored_job(resources)
        await run_job(resources, job_id, work := Work(work_on))
        assert work.endings == ["completed"]

    async def test_a_lost_one_is_named(self, resources: Resources) -> None:
        job_id = await a_stored_job(resources)
        job = await claim(resources, job_id)
        assert job is not None
        with pytest.raises(LeaseLostError, match="Another worker has taken this job over"):
            await JobRun(job, owner="somebody:1:x", resources=resources).renew()
