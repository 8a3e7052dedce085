"""A step of a job is stored by whoever holds its lease, and by nobody else."""

from datetime import timedelta
from uuid import UUID

import pytest

from mission_control.api.jobs.errors import JobCancelledError, LeaseLostError
from mission_control.api.jobs.job_run import JobRun
from mission_control.api.jobs.work import claim
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.words import JobStatus
from tests.builders import a_job, an_agent


@pytest.fixture
async def run(resources: Resources) -> JobRun:
    async with resources.unit_of_work() as uow:
        await an_agent(uow)
        job_id = (await a_job(uow)).id
    job = await claim(resources, job_id)
    assert job is not None
    return JobRun(job, owner=job.lease_owner or "", resources=resources)


async def progress_of(resources: Resources, job_id: UUID) -> dict[str, object]:
    async with resources.unit_of_work(readonly=True) as uow:
        return (await uow.jobs.get(job_id)).progress


async def store(run: JobRun) -> None:
    async with run.step() as uow:
        await run.note_progress(uow, got_on=True, done=1)


async def test_the_holder_stores_its_steps(run: JobRun, resources: Resources) -> None:
    await store(run)
    assert await progress_of(resources, run.id) == {"done": 1}


async def test_nothing_is_stored_once_another_one_has_it(run: JobRun, resources: Resources) -> None:
    async with resources.unit_of_work() as uow:
        (await uow.jobs.get(run.id)).lease_expires_at = utc_now() - timedelta(seconds=1)
    assert await claim(resources, run.id) is not None
    with pytest.raises(LeaseLostError):
        await store(run)
    with pytest.raises(LeaseLostError):
        await run.renew()
    assert await progress_of(resources, run.id) == {}


@pytest.mark.parametrize("status", [each for each in JobStatus if each is not JobStatus.RUNNING])
async def test_nothing_is_stored_unless_it_runs(
    run: JobRun, resources: Resources, status: JobStatus
) -> None:
    async with resources.unit_of_work() as uow:
        (await uow.jobs.get(run.id)).status = status
    with pytest.raises(LeaseLostError):
        await store(run)
    assert await progress_of(resources, run.id) == {}


async def test_only_one_takes_it(run: JobRun, resources: Resources) -> None:
    assert await claim(resources, run.id) is None


async def test_the_wish_to_cancel_is_seen(run: JobRun, resources: Resources) -> None:
    await run.check_cancel()
    async with resources.unit_of_work() as uow:
        (await uow.jobs.get(run.id)).cancel_requested_at = utc_now()
    with pytest.raises(JobCancelledError, match="was cancelled"):
        await run.check_cancel()


async def test_what_gets_on_may_be_started_again_as_often_as_it_takes(
    run: JobRun, resources: Resources
) -> None:
    async with resources.unit_of_work() as uow:
        (await uow.jobs.get(run.id)).attempts = 4
    async with run.step() as uow:
        await run.note_progress(uow, got_on=False, done=1)
        assert (await uow.jobs.get(run.id)).attempts == 4
        await run.note_progress(uow, got_on=True, done=2)
        assert (await uow.jobs.get(run.id)).attempts == 1
