"""SuperOptiXClient with the real engine and a model server: what it answers and how it refuses."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from mission_control.core.playbook import Playbook, parse_playbook, read_playbook, with_prompt
from mission_control.core.settings import Settings
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix_client import (
    SuperOptiXClient,
    open_superoptix,
    program_of,
    to_engine,
)
from mission_control_protocol import (
    Budget,
    Evaluated,
    Model,
    Optimized,
    Price,
    Program,
    Scenario,
    ScenarioFinished,
    TrialFinished,
)
from tests.services import HANG_SECONDS

pytestmark = pytest.mark.asyncio(loop_scope="module")

REPOSITORY = Path(__file__).parents[2]
KEY = "sk-test-0123456789abcdef"


def calls_of(model_server: str) -> int:
    return httpx2.get(model_server.removesuffix("/v1") + "/stats").json()["calls"]


def a_playbook(count: int = 4) -> Playbook:
    """A bot that knows one fact when its prompt says so, and `count` scenarios about it."""
    fields = {
        "input_fields": [{"name": "caller_says", "type": "str", "description": "What they said"}],
        "output_fields": [{"name": "reply", "type": "str", "description": "What the bot says"}],
    }
    scenarios = [
        {
            "name": f"price_{number}",
            "input": {"caller_says": f"What does it cost, question {number}?"},
            "expected_output": {"reply": "It costs forty nine dollars a month"},
            "checks": [{"contains": ["forty nine dollars"]}],
        }
        for number in range(count)
    ]
    return read_playbook(
        {
            "apiVersion": "agent/v1",
            "kind": "AgentSpec",
            "metadata": {"id": "teller", "name": "Teller", "version": "1.0.0"},
            "spec": {
                "persona": {"role": "Phone sales"},
                "tasks": [{"name": "answer", "instruction": "Answer in one sentence."}],
                "dspy": {"module": "predict"},
                "feature_specifications": {"scenarios": scenarios},
                **fields,
            },
        }
    )


KNOWS_THE_PRICE = (
    "You are on the phone.\n"
    'When the caller mentions cost or price, say: "It costs forty nine dollars a month."'
)


def taught(playbook: Playbook) -> Program:
    return program_of(read_playbook(with_prompt(playbook.data, KNOWS_THE_PRICE)))


def cases(playbook: Playbook) -> list[Scenario]:
    return [to_engine(each) for each in playbook.scenarios]


@pytest.fixture(scope="module")
def model_server() -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "mission_control_sandbox.model_server", "--port", str(port)]
    )
    try:
        _wait_until_healthy(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        server.wait(HANG_SECONDS)


def _wait_until_healthy(url: str) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while True:
        try:
            httpx2.get(url).raise_for_status()
        except httpx2.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[SuperOptiXClient]:
    opened = open_superoptix(Settings(_env_file=None, superoptix_path=None))  # type: ignore[call-arg]
    yield opened
    await opened.aclose()


@pytest.fixture
def model(model_server: str) -> Model:
    return a_model(model_server)


def a_model(server: str, name: str = "openai/sandbox-1", **changes: Any) -> Model:
    price = Price(input_per_million=0.15, output_per_million=0.6)
    given: dict[str, Any] = {"api_key": KEY, "retries": 0, "price": price, **changes}
    return Model(name=name, base_url=server, **given)


async def evaluated(
    client: SuperOptiXClient,
    program: Program,
    scenarios: list[Scenario],
    model: Model,
    **options: Any,
) -> tuple[list[ScenarioFinished], Evaluated]:
    stream = client.evaluate_agent(program, scenarios, model=model, judge_model=model, **options)
    async with aclosing(stream) as answers:
        *finished, total = [answer async for answer in answers]
    assert isinstance(total, Evaluated)
    return [each for each in finished if isinstance(each, ScenarioFinished)], total


class TestShortWork:
    async def test_doctor_names_versions_and_optimizers(self, client: SuperOptiXClient) -> None:
        answer = await client.doctor()
        assert answer.versions["superoptix"] == "0.3.16"
        assert {each.name for each in answer.optimizers if each.available} >= {"GEPA", "MIPROv2"}
        assert answer.problems == []

    async def test_compile_composes_the_prompt(self, client: SuperOptiXClient) -> None:
        compiled = await client.compile_agent(program_of(a_playbook()))
        assert "Answer in one sentence." in compiled.prompt
        assert compiled.inputs == ["caller_says"]
        assert compiled.outputs == ["reply"]
        assert compiled.module == "predict"

    async def test_a_prompt_of_its_own_is_kept_to_the_letter(
        self, client: SuperOptiXClient
    ) -> None:
        prompt = 'Say "hi"\n\n  """ + __import__("os").getcwd() + """ \\N \x1b[31m é'
        program = program_of(read_playbook(with_prompt(a_playbook().data, prompt)))
        assert "prompt" not in program.playbook["spec"]
        assert (await client.compile_agent(program)).prompt == prompt

    async def test_every_agent_that_ships_compiles(self, client: SuperOptiXClient) -> None:
        for path in (REPOSITORY / "agents").glob("*.yaml"):
            playbook = parse_playbook(path.read_text())
            compiled = await client.compile_agent(program_of(playbook))
            assert playbook.prompt is None or compiled.prompt == playbook.prompt

    async def test_status_of_an_agent_that_compiles(self, client: SuperOptiXClient) -> None:
        status = await client.get_agent_status(taught(a_playbook()))
        assert status.compiles
        assert status.problem is None
        assert status.prompt_characters == len(KNOWS_THE_PRICE)
        assert status.outputs == ["reply"]
        assert status.versions["dspy"]

    async def test_status_of_one_that_does_not(self, client: SuperOptiXClient) -> None:
        data = a_playbook().data
        data["spec"]["output_fields"] = [{"name": "class", "type": "str"}]
        status = await client.get_agent_status(Program(agent_id="teller", playbook=data))
        assert not status.compiles
        assert status.problem is not None
        assert status.problem.startswith("The playbook cannot be compiled: ")
        assert "class" in status.problem

    async def test_marketplace_lists_and_hands_out_playbooks(
        self, client: SuperOptiXClient
    ) -> None:
        names = (await client.marketplace()).names
        assert len(names) > 100
        text = (await client.marketplace(names[0])).playbook
        assert text is not None
        assert parse_playbook(text, lenient=True).scenarios

    async def test_run_answers_with_usage(self, client: SuperOptiXClient, model: Model) -> None:
        program = taught(a_playbook())
        ran = await client.run_agent(program, {"caller_says": "And the price?"}, model=model)
        assert "forty nine dollars" in ran.output["reply"]
        assert ran.usage.calls == 1
        assert ran.usage.cost_usd is not None
        assert ran.usage.cost_usd > 0


class TestEvaluate:
    async def test_every_scenario_and_repetition_once(
        self, client: SuperOptiXClient, model: Model
    ) -> None:
        playbook = a_playbook()
        finished, total = await evaluated(
            client, taught(playbook), cases(playbook), model, repetitions=2
        )
        assert sorted((each.scenario_id, each.repetition) for each in finished) == [
            (f"price_{number}", repetition) for number in range(4) for repetition in (1, 2)
        ]
        assert {each.status for each in finished} == {"passed"}
        assert total.usage.cost_usd == pytest.approx(
            sum(each.usage.cost_usd or 0 for each in finished), rel=0.5
        )

    async def test_without_the_version_s_prompt(
        self, client: SuperOptiXClient, model: Model
    ) -> None:
        playbook = a_playbook()
        finished, _ = await evaluated(
            client, taught(playbook), cases(playbook), model, load_optimized=False
        )
        assert {each.status for each in finished} == {"failed"}

    async def test_a_journal_pays_nothing_twice(
        self, client: SuperOptiXClient, model: Model, tmp_path: Path
    ) -> None:
        playbook, journal = a_playbook(), tmp_path / "journal"
        first = await evaluated(client, taught(playbook), cases(playbook), model, journal=journal)
        second = await evaluated(client, taught(playbook), cases(playbook), model, journal=journal)
        assert [each.score for each in first[0]] == [each.score for each in second[0]]
        assert second[1].usage.calls == first[1].usage.calls

    async def test_leaving_early_frees_the_engine_for_others(
        self, client: SuperOptiXClient, model_server: str, model: Model
    ) -> None:
        playbook, slow = a_playbook(40), a_model(model_server, "openai/sandbox-slow")
        before = calls_of(model_server)
        stream = client.evaluate_agent(
            taught(playbook), cases(playbook), model=slow, judge_model=slow, concurrency=2
        )
        async with aclosing(stream) as answers:
            await anext(answers)
        await client.run_agent(taught(playbook), {"caller_says": "Price?"}, model=model)
        assert calls_of(model_server) - before < 40  # and not after the other 39


class TestRefusals:
    """Each way in which a model fails has a name, and the error says what to do."""

    async def refused(
        self, client: SuperOptiXClient, model: Model, *, count: int = 8
    ) -> SuperOptiXError:
        playbook = a_playbook(count)
        with pytest.raises(SuperOptiXError) as caught:
            await evaluated(client, taught(playbook), cases(playbook), model)
        assert KEY not in str(caught.value.fields)
        return caught.value

    async def test_unreachable(self, client: SuperOptiXClient) -> None:
        error = await self.refused(client, a_model("http://127.0.0.1:9/v1"))
        assert error.kind == "transport"
        assert error.message == (
            "The model could not be reached. Nothing was scored."
            " Check OPENAI_BASE_URL and the network, then start again."
        )

    @pytest.mark.parametrize(
        ("name", "kind", "words"),
        [
            ("unauthorised", "auth", "Check OPENAI_API_KEY."),
            ("down", "server", "The model's server failed."),
            ("broken", "format", "in a form that cannot be read"),
        ],
    )
    async def test_refusing_failing_and_nonsense(
        self, client: SuperOptiXClient, model_server: str, name: str, kind: str, words: str
    ) -> None:
        error = await self.refused(client, a_model(model_server, f"openai/sandbox-{name}"))
        assert error.kind == kind
        assert words in error.message
        assert error.fields["usage"]

    async def test_half_failing_is_shown_per_scenario(
        self, client: SuperOptiXClient, model_server: str
    ) -> None:
        playbook, half = a_playbook(12), a_model(model_server, "openai/sandbox-half")
        finished, _ = await evaluated(
            client, taught(playbook), cases(playbook), half, concurrency=1
        )
        statuses = {each.status for each in finished}
        assert statuses == {"passed", "error"}
        assert {each.error_kind for each in finished if each.status == "error"} == {"server"}
        assert all(each.score is None for each in finished if each.status == "error")

    async def test_killed_in_the_middle_and_used_again(
        self, client: SuperOptiXClient, model_server: str, model: Model
    ) -> None:
        playbook, slow = a_playbook(40), a_model(model_server, "openai/sandbox-slow")
        stream = client.evaluate_agent(
            taught(playbook), cases(playbook), model=slow, judge_model=slow, concurrency=2
        )
        async with aclosing(stream) as answers:
            await anext(answers)
            os.kill(client.engine_pid or 0, signal.SIGKILL)
            with pytest.raises(SuperOptiXError) as caught:
                async for _ in answers:
                    pass
        assert caught.value.kind == "crashed"
        assert "The scenarios that had finished are kept." in caught.value.message
        ran = await client.run_agent(taught(playbook), {"caller_says": "Price?"}, model=model)
        assert ran.output["reply"]


class TestOptimize:
    async def test_a_search_finds_the_fact_and_its_engine_is_gone(
        self, model: Model, tmp_path: Path
    ) -> None:
        pids: list[tuple[int, str]] = []
        client = SuperOptiXClient(
            EngineLocation(), on_engine_started=lambda pid, purpose: pids.append((pid, purpose))
        )
        playbook = a_playbook(8)
        scenarios = cases(playbook)
        search = client.optimize_agent(
            program_of(playbook),
            train=scenarios[:4],
            validation=scenarios[4:],
            budget=Budget(metric_calls=60),
            model=model,
            reflection_model=model,
            judge_model=model,
            directory=tmp_path / "search",
        )
        async with aclosing(search) as messages:
            received = [message async for message in messages]
        found = received[-1]
        assert isinstance(found, Optimized)
        assert found.changed
        assert "forty nine dollars" in found.prompt
        trials = [each for each in received if isinstance(each, TrialFinished)]
        assert [each.number for each in trials][:1] == [0]
        [(pid, purpose)] = pids
        assert purpose == "optimize"
        assert not Path(f"/proc/{pid}").exists()

    async def test_cancelled_it_ends_its_engine_and_keeps_its_directory(
        self, model_server: str, tmp_path: Path
    ) -> None:
        pids: list[int] = []
        client = SuperOptiXClient(
            EngineLocation(), on_engine_started=lambda pid, _: pids.append(pid)
        )
        playbook, slow = a_playbook(8), a_model(model_server, "openai/sandbox-slow")
        scenarios = cases(playbook)
        began = asyncio.Event()

        async def consume() -> None:
            search = client.optimize_agent(
                program_of(playbook),
                train=scenarios[:4],
                validation=scenarios[4:],
                budget=Budget(metric_calls=500),
                model=slow,
                reflection_model=slow,
                judge_model=slow,
                directory=tmp_path / "search",
            )
            async with aclosing(search) as messages:
                async for message in messages:
                    if isinstance(message, TrialFinished):
                        began.set()

        task = asyncio.create_task(consume())
        await asyncio.wait_for(began.wait(), HANG_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not Path(f"/proc/{pids[0]}").exists()
        assert list((tmp_path / "search").iterdir())
