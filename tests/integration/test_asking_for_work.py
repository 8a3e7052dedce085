"""What is promised to who asks for work, asks again, or wants it to end; and what the sweeper keeps."""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from mission_control.api.jobs.commands import (
    Exclusive,
    JobRequest,
    cancel,
    existing_job,
    submit,
)
from mission_control.api.jobs.errors import (
    IdempotencyKeyReusedError,
    JobAlreadyFinishedError,
    JobNotCancellableError,
)
from mission_control.api.jobs.job_run import directory_of
from mission_control.api.jobs.sweeper import NEVER_STARTED_AFTER, sweep
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.errors import ConflictError
from mission_control.core.lease_owners import this_host, this_process
from mission_control.core.words import JobKind, JobStatus, Queue
from mission_control.data.jobs import Job
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import a_job, an_agent

LONG_AGO = NEVER_STARTED_AFTER + timedelta(seconds=1)


class TakenError(ConflictError):
    code = "taken"

    def __init__(self, job_id: str) -> None:
        super().__init__("Somebody else has it.", job_id=job_id)


class Work:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.cancelled_in: list[UnitOfWork] = []

    async def cancelled(self, uow: UnitOfWork) -> None:
        self.cancelled_in.append(uow)


@pytest.fixture(autouse=True)
async def _agents(resources: Resources) -> None:
    async with resources.unit_of_work() as uow:
        await an_agent(uow, "ada")
        await an_agent(uow, "bob")


def a_request(**changes: Any) -> JobRequest:
    columns: dict[str, Any] = {
        "kind": JobKind.EVALUATE,
        "agent_id": "ada",
        "parameters": {"repetitions": 2},
        **changes,
    }
    return JobRequest(**columns)


async def asked(resources: Resources, request: JobRequest) -> UUID:
    async with resources.unit_of_work() as uow:
        return (await existing_job(uow, request) or await submit(uow, request)).id


async def job_of(resources: Resources, job_id: UUID) -> Job:
    async with resources.unit_of_work(readonly=True) as uow:
        return await uow.jobs.get(job_id)


async def a_stored_job(resources: Resources, **columns: Any) -> UUID:
    async with resources.unit_of_work() as uow:
        return (await a_job(uow, await uow.agents.get("ada"), **columns)).id


async def messages(resources: Resources, queue: Queue = Queue.ENGINE) -> list[str]:
    return [str(each) for each in await resources.redis.lrange(queue, 0, -1)]


class TestAsking:
    async def test_the_job_is_as_it_was_asked_for_and_its_worker_is_told(
        self, resources: Resources
    ) -> None:
        request = a_request(exclusive=Exclusive(key="search:ada"))
        job = await job_of(resources, job_id := await asked(resources, request))
        assert (job.kind, job.agent_id) == (JobKind.EVALUATE, "ada")
        assert (job.status, job.parameters) == (JobStatus.QUEUED, {"repetitions": 2})
        assert (job.exclusive_key, job.idempotency_key) == ("search:ada", None)
        [message] = await messages(resources)
        assert str(job_id) in message

    async def test_no_worker_is_told_of_what_was_not_stored(self, resources: Resources) -> None:
        with suppress(ZeroDivisionError):
            async with resources.unit_of_work() as uow:
                await submit(uow, a_request())
                raise ZeroDivisionError
        assert await messages(resources) == []
        async with resources.unit_of_work(readonly=True) as uow:
            assert await uow.jobs.open() == []

    async def test_without_a_key_every_request_is_a_job(self, resources: Resources) -> None:
        assert len({await asked(resources, a_request()) for _ in range(2)}) == 2

    async def test_a_key_stands_for_one_request(self, resources: Resources) -> None:
        first = await asked(resources, a_request(idempotency_key="k"))
        assert await asked(resources, a_request(idempotency_key="k")) == first
        with pytest.raises(IdempotencyKeyReusedError) as refused:
            await asked(resources, a_request(idempotency_key="k", parameters={"repetitions": 3}))
        assert refused.value.fields["job_id"] == str(first)
        assert len(await messages(resources)) == 1

    @pytest.mark.parametrize(
        "other", [{"agent_id": "bob"}, {"kind": JobKind.OPTIMIZE}, {"idempotency_key": "l"}]
    )
    async def test_the_same_key_elsewhere_is_another_request(
        self, resources: Resources, other: dict[str, Any]
    ) -> None:
        first = await asked(resources, a_request(idempotency_key="k"))
        assert await asked(resources, a_request(**{"idempotency_key": "k", **other})) != first


class TestOneAtATime:
    async def test_who_asks_meanwhile_gets_the_job_that_runs(self, resources: Resources) -> None:
        request = a_request(exclusive=Exclusive(key="sync"))
        first = await asked(resources, request)
        assert await asked(resources, request) == first

    async def test_or_is_refused_with_its_name(self, resources: Resources) -> None:
        first = await asked(resources, a_request(exclusive=Exclusive(key="search:ada")))
        again = a_request(exclusive=Exclusive(key="search:ada", refusal=TakenError))
        with pytest.raises(TakenError) as refused:
            await asked(resources, again)
        assert refused.value.fields["job_id"] == str(first)

    async def test_a_part_waits_for_the_whole(self, resources: Resources) -> None:
        whole = await asked(resources, a_request(exclusive=Exclusive(key="sync")))
        part = a_request(exclusive=Exclusive(key="sync:close", within=("other", "sync")))
        assert await asked(resources, part) == whole

    async def test_others_do_not_wait(self, resources: Resources) -> None:
        first = await asked(resources, a_request(exclusive=Exclusive(key="search:ada")))
        other = a_request(exclusive=Exclusive(key="search:bob", refusal=TakenError))
        assert await asked(resources, other) != first

    async def test_once_it_is_over_it_may_be_done_again(self, resources: Resources) -> None:
        request = a_request(exclusive=Exclusive(key="search:ada", refusal=TakenError))
        first = await asked(resources, request)
        async with resources.unit_of_work() as uow:
            (await uow.jobs.get(first)).end(JobStatus.COMPLETED)
        assert await asked(resources, request) != first


class TestCancelling:
    async def cancel(self, resources: Resources, job_id: UUID) -> Work:
        work = Work()
        async with resources.unit_of_work() as uow:
            found = await cancel(uow, resources.settings, job_id, work_of=lambda _: work)  # type: ignore[arg-type, return-value]
            assert found.id == job_id
            assert all(each is uow for each in work.cancelled_in)
        return work

    async def test_what_waits_ends_at_once_and_keeps_nothing(self, resources: Resources) -> None:
        job_id = await asked(resources, a_request(exclusive=Exclusive(key="search:ada")))
        kept = directory_of(resources.settings, job_id)
        kept.mkdir(parents=True)
        assert len((await self.cancel(resources, job_id)).cancelled_in) == 1
        job = await job_of(resources, job_id)
        assert (job.status, job.exclusive_key) == (JobStatus.CANCELLED, None)
        assert job.cancel_requested_at is not None
        assert job.finished_at is not None
        assert not kept.exists()

    async def test_what_runs_is_asked_to_end_and_its_worker_does_that(
        self, resources: Resources
    ) -> None:
        job_id = await a_stored_job(resources, status=JobStatus.RUNNING, attempts=1)
        assert (await self.cancel(resources, job_id)).cancelled_in == []
        first = (await job_of(resources, job_id)).cancel_requested_at
        await self.cancel(resources, job_id)
        job = await job_of(resources, job_id)
        assert (job.status, job.cancel_requested_at) == (JobStatus.RUNNING, first)
        assert first is not None
        assert str(job_id) in (await messages(resources))[0]

    @pytest.mark.parametrize("status", [each for each in JobStatus if each.is_over])
    async def test_what_is_over_stays_as_it_is(
        self, resources: Resources, status: JobStatus
    ) -> None:
        job_id = await a_stored_job(resources, status=status)
        with pytest.raises(JobAlreadyFinishedError) as refused:
            await self.cancel(resources, job_id)
        assert refused.value.fields == {"job_id": str(job_id), "job_status": status}
        assert (await job_of(resources, job_id)).cancel_requested_at is None

    @pytest.mark.parametrize("kind", [JobKind.DEPLOY, JobKind.ROLLBACK])
    @pytest.mark.parametrize(
        ("status", "attempts"), [("running", 0), ("running", 1), ("queued", 1)]
    )
    async def test_what_has_begun_to_change_a_target_is_finished(
        self, resources: Resources, kind: JobKind, status: str, attempts: int
    ) -> None:
        columns = {"kind": kind, "status": JobStatus(status), "attempts": attempts}
        job_id = await a_stored_job(resources, **columns)
        with pytest.raises(JobNotCancellableError) as refused:
            await self.cancel(resources, job_id)
        assert refused.value.fields == {"job_id": str(job_id)}
        assert (await job_of(resources, job_id)).status is JobStatus(status)

    async def test_a_deployment_that_has_not_begun_can_be_called_off(
        self, resources: Resources
    ) -> None:
        job_id = await a_stored_job(resources, kind=JobKind.DEPLOY)
        await self.cancel(resources, job_id)
        assert (await job_of(resources, job_id)).status is JobStatus.CANCELLED


class TestSweeping:
    async def test_a_job_whose_message_was_lost_is_sent_again_and_has_time_to_start(
        self, resources: Resources
    ) -> None:
        job_id = await a_stored_job(resources, queued_at=utc_now() - LONG_AGO)
        assert await sweep(resources) == 1
        [message] = await messages(resources)
        assert str(job_id) in message
        assert (await job_of(resources, job_id)).queued_at > utc_now() - NEVER_STARTED_AFTER
        assert await sweep(resources) == 0
        assert len(await messages(resources)) == 1

    async def test_one_that_has_just_been_asked_for_is_left(self, resources: Resources) -> None:
        await a_stored_job(resources)
        assert await sweep(resources) == 0
        assert await messages(resources) == []

    async def test_while_its_message_waits_there_is_no_second_one(
        self, resources: Resources
    ) -> None:
        first = await asked(resources, a_request())
        async with resources.unit_of_work() as uow:
            (await uow.jobs.get(first)).queued_at = utc_now() - LONG_AGO
        second = await a_stored_job(resources, queued_at=utc_now() - LONG_AGO)
        assert await sweep(resources) == 2
        told = await messages(resources)
        assert [sum(str(each) in one for one in told) for each in (first, second)] == [1, 1]

    @pytest.mark.parametrize(
        ("owner", "seconds", "is_dropped"),
        [
            (f"{this_host()}:999999:x", 60, True),
            (f"{this_host()}:999999:x", -1, True),
            ("elsewhere/1:999999:x", -1, True),
            ("elsewhere/1:999999:x", 60, False),
            (this_process(), 60, False),
        ],
        ids=["gone", "gone and run out", "away and run out", "away", "at work"],
    )
    async def test_the_job_of_a_worker_that_is_gone_is_sent_once(
        self, resources: Resources, owner: str, seconds: int, is_dropped: bool
    ) -> None:
        await a_stored_job(
            resources,
            status=JobStatus.RUNNING,
            lease_owner=owner,
            lease_expires_at=utc_now() + timedelta(seconds=seconds),
        )
        assert (await sweep(resources) > 0) == is_dropped
        assert len(await messages(resources)) == int(is_dropped)


class TestReading:
    async def test_a_list_can_be_cut_down_to_agent_kind_and_status(
        self, client: httpx2.AsyncClient, resources: Resources
    ) -> None:
        ours = await a_stored_job(resources)
        over = await a_stored_job(resources, status=JobStatus.COMPLETED)
        deploy = await a_stored_job(resources, kind=JobKind.DEPLOY)
        async with resources.unit_of_work() as uow:
            other = (await a_job(uow, await uow.agents.get("bob"))).id

        async def listed(**wanted: str) -> set[str]:
            answer = await client.get("/api/jobs", params=wanted)
            return {each["id"] for each in answer.json()["items"]}

        everything = {str(each) for each in (ours, over, deploy, other)}
        assert await listed() == everything
        assert await listed(agent_id="bob") == {str(other)}
        assert await listed(kind="deploy") == {str(deploy)}
        assert await listed(status="completed") == {str(over)}
        assert await listed(agent_id="ada", kind="evaluate", status="queued") == {str(ours)}

    async def test_pages_meet(self, client: httpx2.AsyncClient, resources: Resources) -> None:
        jobs = [str(await a_stored_job(resources)) for _ in range(3)]
        first = (await client.get("/api/jobs", params={"limit": 2})).json()
        rest = (
            await client.get("/api/jobs", params={"limit": 2, "cursor": first["next_cursor"]})
        ).json()
        assert [each["id"] for each in (*first["items"], *rest["items"])] == jobs[::-1]
        assert rest["next_cursor"] is None

    async def test_a_job_that_is_not_there_is_said(self, client: httpx2.AsyncClient) -> None:
        assert (await client.get(f"/api/jobs/{uuid4()}")).status_code == 404
