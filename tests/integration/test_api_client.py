"""The typed client against our API, served over a real port."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from itertools import takewhile
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
import uvicorn

from mission_control.api.agents.schemas import AgentUpdate
from mission_control.api.app import create_app
from mission_control.api.evaluate.schemas import EvaluationCreate
from mission_control.api.evaluate.work import EvaluationWork
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.jobs.work import run_job
from mission_control.api.queue import celery_app
from mission_control.api.resources import Resources, build_resources
from mission_control.client.api_client import ApiClient
from mission_control.client.errors import ApiProblemError, ApiUnreachableError, JobNotOverError
from mission_control.core.settings import Settings
from mission_control.core.words import AgentStatus, AgentType, EvaluationPurpose, JobStatus
from mission_control.data.event_streams import id_order
from tests.builders import a_playbook, a_version, an_agent
from tests.services import accepts, free_port
from tests.warm_engine import SharingClient, WarmEngine

ResultT = TypeVar("ResultT")


class ServedApi:
    """The API on a port of its own, in a thread; it can be stopped and started again."""

    def __init__(self, settings: Settings, engine: WarmEngine) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._settings = settings
        self._engine = engine
        self._resources: Resources
        self._loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        while not accepts(self.port):
            assert self._thread.is_alive()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(15)

    def work(self, job: JobRead) -> None:
        """Do what a worker would do with an evaluation."""
        self.do(run_job(self._resources, job.id, EvaluationWork(job.id)))

    def do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def store_agent(self) -> None:
        async with self._resources.unit_of_work() as uow:
            await a_version(uow, await an_agent(uow))

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._resources = replace(
            build_resources(self._settings), superoptix=SharingClient(self._engine)
        )
        config = uvicorn.Config(
            create_app(self._resources),
            port=self.port,
            ws="websockets-sansio",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        try:
            await self._server.serve()
        finally:
            await self._resources.aclose()


@pytest.fixture
def served(settings: Settings, warm_engine: WarmEngine) -> Iterator[ServedApi]:
    celery_app.conf.broker_url = settings.celery_broker
    api = ServedApi(settings, warm_engine)
    api.start()
    yield api
    api.stop()


@pytest.fixture
def api(served: ServedApi) -> Iterator[ApiClient]:
    """A client of an API that has the agent `ada`."""
    served.do(served.store_agent())
    with ApiClient(served.url) as client:
        yield client


def until_completed(messages: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Everything before `evaluation.completed`, without heartbeats."""
    before = takewhile(lambda message: message["type"] != "evaluation.completed", messages)
    return [message for message in before if message["type"] != "heartbeat"]


def told(messages: list[dict[str, Any]]) -> list[str]:
    return [str(m["data"]["scenario_id"]) for m in messages if "scenario_finished" in m["type"]]


# ------------------------------------------------------------------ agents


def test_agents_and_their_versions(api: ApiClient) -> None:
    assert [agent.id for agent in api.agents.list().items] == ["ada"]
    assert api.agents.list(status=AgentStatus.LIVE).items == []
    changed = api.agents.update(
        "ada", AgentUpdate(prompt="You answer the phone. Be kind.", type=AgentType.PHONE_BOT)
    )
    assert (changed.current_version, changed.type) == (2, AgentType.PHONE_BOT)
    assert [version.number for version in api.agents.versions("ada").items] == [2, 1]
    assert api.agents.version("ada", 1).prompt == "You answer the phone. Be brief."
    assert "+You answer the phone. Be kind." in api.agents.diff("ada", 1, 2).prompt
    assert api.agents.compile("ada").outputs == ["reply"]
    assert api.agents.state("ada").open_jobs == []
    api.agents.delete("ada")
    assert api.agents.list().items == []


def test_pages_follow_each_other(api: ApiClient) -> None:
    for number in (2, 3):
        api.agents.update("ada", AgentUpdate(prompt=f"Be brief, {number}."))
    first = api.agents.versions("ada", limit=2)
    second = api.agents.versions("ada", limit=2, cursor=first.next_cursor)
    assert [v.number for v in [*first.items, *second.items]] == [3, 2, 1]
    assert second.next_cursor is None


def test_the_assistant_of_an_agent_can_be_taken_away(api: ApiClient) -> None:
    api.agents.update("ada", AgentUpdate(vapi_assistant_id="abc"))
    assert api.agents.update("ada", AgentUpdate(note="nothing")).vapi_assistant_id == "abc"
    assert api.agents.update("ada", AgentUpdate(vapi_assistant_id=None)).vapi_assistant_id is None


def test_a_marketplace_playbook_is_imported_by_name(api: ApiClient) -> None:
    names = api.agents.marketplace().names
    imported = api.agents.import_(marketplace=names[0])
    assert imported.type is AgentType.STANDALONE
    assert api.agents.get(imported.id).prompt == imported.prompt


# ------------------------------------------------------------------ refusals


def test_a_problem_document_becomes_an_error(api: ApiClient) -> None:
    with pytest.raises(ApiProblemError) as refused:
        api.agents.import_(a_playbook())
    assert (refused.value.status, refused.value.code) == (409, "agent_exists")
    assert refused.value.detail.startswith("An agent with this id exists already")
    assert refused.value.fields == {"agent_id": "ada"}
    assert refused.value.errors == []


def test_wrong_fields_are_named(api: ApiClient) -> None:
    with pytest.raises(ApiProblemError) as refused:
        api.agents.list(limit=0)
    assert refused.value.status == 422
    assert [field for field, _ in refused.value.errors] == ["limit"]


def test_refusals_keep_their_code(api: ApiClient) -> None:
    refusals: list[tuple[Callable[[], object], str]] = [
        (lambda: api.agents.get("nobody"), "not_found"),
        (lambda: api.jobs.get(uuid4()), "not_found"),
        (lambda: api.latest_evaluation("ada"), "no_evaluation"),
        (lambda: api.optimization_status("ada"), "no_optimization"),
        (lambda: api.deploy("ada"), "no_candidate"),
        (lambda: api.rollback("ada"), "nothing_to_roll_back"),
        (lambda: api.agents.get("ada/status"), "not_found"),
        (lambda: api.agents.delete(".."), "not_found"),
        (lambda: api.agents.get("Ada"), "invalid_payload"),
        (lambda: next(api.watch("optimize", "nobody")), "not_found"),
    ]
    for ask, code in refusals:
        with pytest.raises(ApiProblemError) as refused:
            ask()
        assert refused.value.code == code


def test_an_api_that_is_away_is_said_with_what_to_do() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with ApiClient(url) as client:
        for ask in (client.agents.list, lambda: next(client.watch("evaluate", "ada"))):
            with pytest.raises(ApiUnreachableError) as away:
                ask()
            assert (
                away.value.message == f"The API does not answer at {url}: start it with `make run`."
            )


def test_another_program_on_the_port_is_not_taken_for_ours(model_server: str) -> None:
    with ApiClient(model_server.removesuffix("/v1")) as client:
        with pytest.raises(ApiUnreachableError, match="is not this version"):
            client.get("/v1/models", JobRead)
        with pytest.raises(ApiProblemError) as refused:
            client.agents.list()
    assert (refused.value.status, refused.value.code) == (404, "http_404")


# ------------------------------------------------------------------ work


def test_an_evaluation_from_its_start_to_its_results(served: ServedApi, api: ApiClient) -> None:
    job = api.baseline("ada", EvaluationCreate(splits=["test"], repetitions=2))
    with pytest.raises(JobNotOverError) as early:
        api.wait_for_job(job.id, 0.1)
    assert early.value.job.status is JobStatus.QUEUED
    served.work(job)
    seen: list[JobRead] = []
    assert api.wait_for_job(job.id, on_progress=seen.append).status is JobStatus.COMPLETED
    assert seen[-1].progress["done"] == 6
    (found,) = api.evaluation_history("ada", purpose=EvaluationPurpose.BASELINE).items
    detail = api.evaluation("ada", found.id)
    assert (detail.job_id, detail.scenarios, len(detail.results)) == (job.id, 3, 6)
    assert detail == api.latest_evaluation("ada")
    assert api.jobs.list(agent_id="ada", status=JobStatus.COMPLETED).items[0].id == job.id


def test_a_key_makes_the_second_request_the_first_one(api: ApiClient) -> None:
    key = uuid4().hex
    first, second = (api.evaluate("ada", idempotency_key=key) for _ in range(2))
    assert first.id == second.id
    assert api.evaluate("ada").id != first.id


def test_a_job_is_cancelled(served: ServedApi, api: ApiClient) -> None:
    job = api.evaluate("ada")
    api.jobs.cancel(job.id)
    served.work(job)
    assert api.wait_for_job(job.id, 5).status is JobStatus.CANCELLED
    with pytest.raises(ApiProblemError, match="already ended"):
        api.jobs.cancel(job.id)


def test_the_system_tells_of_its_parts(api: ApiClient) -> None:
    parts = {part.name: part for part in api.system_status().components}
    assert parts["database"].state == "ok"
    assert parts["model"].state == "ok"


# ------------------------------------------------------------------ watching


def test_a_watch_tells_everything_once_and_resumes(served: ServedApi, api: ApiClient) -> None:
    watching = api.watch("evaluate", "ada")
    assert next(watching)["data"] == {"evaluation": None}
    job = api.evaluate("ada")
    served.work(job)
    seen = until_completed(watching)
    assert {message["job_id"] for message in seen} == {str(job.id)}
    assert len(told(seen)) == len(set(told(seen))) == 9
    watching.close()

    middle = seen[4]
    resumed = api.watch("evaluate", "ada", after=middle["id"])
    snapshot = next(resumed)
    assert snapshot["data"]["evaluation"]["status"] == "completed"
    assert until_completed(resumed) == seen[5:]
    resumed.close()


def test_a_watch_outlives_a_restart_of_the_api(served: ServedApi, api: ApiClient) -> None:
    watching = api.watch("evaluate", "ada")
    next(watching)
    first = api.evaluate("ada", EvaluationCreate(splits=["test"]))
    served.work(first)
    before = until_completed(watching)
    served.stop()
    served.start()
    second = api.evaluate("ada", EvaluationCreate(splits=["train"]))
    served.work(second)
    after = until_completed(watching)
    watching.close()
    assert after[0]["type"] == "snapshot"
    assert {UUID(m["job_id"]) for m in after[1:]} == {second.id}
    assert len(told(before)) == len(told(after)) == 3
    ids = [id_order(message["id"]) for message in [*before, *after]]
    assert ids == sorted(ids)


def test_a_wait_outlives_a_restart_of_the_api(served: ServedApi, api: ApiClient) -> None:
    job = api.evaluate("ada", EvaluationCreate(splits=["test"]))
    served.work(job)
    served.stop()
    ended: list[JobRead] = []
    waiting = threading.Thread(target=lambda: ended.append(api.wait_for_job(job.id)))
    waiting.start()
    waiting.join(1)
    assert ended == []
    served.start()
    waiting.join(10)
    assert [each.status for each in ended] == [JobStatus.COMPLETED]
