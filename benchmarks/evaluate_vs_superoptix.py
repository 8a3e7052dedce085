"""Measures evaluating and running an agent beside SuperOptiX's own commands, on this machine.

    python benchmarks/evaluate_vs_superoptix.py [--scenarios 100] [--latency-ms 200]

Exits with 1 when a target is missed, or when a side did not really call the model.
"""

import argparse
import asyncio
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import structlog
import yaml
from rich.console import Console
from rich.table import Table

from mission_control.core.playbook import Playbook, read_playbook
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix_client import SuperOptiXClient, program_of, to_engine
from mission_control_protocol import Model, ScenarioFinished

EVALUATE_TARGET = 12.0
RUN_TARGET = 50.0
CONCURRENCIES = (16, 32)
WARM_RUNS = 20
MODEL = "sandbox-1"
AGENT = "benchmark_caller"
QUESTION = "What does it cost a month?"

# SuperOptiX's own evaluation, with a model: its command configures none. Its imports are not timed.
THEIR_EVALUATION = """
import sys, time
import numpy.linalg, superoptix
import dspy
from superoptix.cli.main import main
dspy.configure(lm=dspy.LM("openai/{model}", api_base="{base}", api_key="none", cache=False,
                          temperature=0.0, max_tokens=400))
sys.argv = ["super", "agent", "evaluate", "{agent}"]
started = time.perf_counter()
try:
    main()
except SystemExit:
    pass
print("SECONDS", time.perf_counter() - started)
"""


@dataclass(frozen=True)
class Measurement:
    what: str
    seconds: float
    calls: int


@dataclass(frozen=True)
class ModelServer:
    """The stand-in model, with its count of what it was asked."""

    url: str

    @property
    def base(self) -> str:
        return f"{self.url}/v1"

    def calls_since_last_asked(self) -> int:
        calls = httpx2.get(f"{self.url}/stats").json()["calls"]
        httpx2.post(f"{self.url}/stats/reset")
        return calls


@contextmanager
def model_server(latency_ms: float) -> Iterator[ModelServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mission_control_sandbox.model_server"]
    process = subprocess.Popen([*command, "--port", str(port), "--latency-ms", str(latency_ms)])
    try:
        server = ModelServer(f"http://127.0.0.1:{port}")
        _wait_for(server)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(server: ModelServer) -> None:
    for _ in range(200):
        try:
            httpx2.get(f"{server.url}/health").raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("The stand-in model did not start; nothing was measured.")


def a_playbook(count: int) -> Playbook:
    """One question in, one answer out; SuperOptiX's score decides, so both sides do the same."""
    fields = {
        "input_fields": [_field("caller_says", "What the caller said")],
        "output_fields": [_field("reply", "What the agent says next")],
    }
    scenarios = [
        {
            "name": f"case_{number}",
            "input": {"caller_says": f"Question {number}: what does plan {number} cost?"},
            "expected_output": {"reply": "It costs forty nine dollars a month"},
        }
        for number in range(count)
    ]
    return read_playbook(
        {
            "apiVersion": "agent/v1",
            "kind": "AgentSpec",
            "metadata": {
                "name": "Benchmark Caller", "id": AGENT, "namespace": "sales", "version": "1.0.0",
                "agent_type": "Interactive", "level": "oracles", "stage": "alpha",
                "description": "Answers one question",
            },
            "spec": {
                "language_model": {
                    "location": "cloud", "provider": "openai", "model": MODEL,
                    "temperature": 0.0, "max_tokens": 400,
                },
                "persona": {"name": "Dana", "role": "Phone sales", "goal": "Answer briefly"},
                **fields,
                "tasks": [
                    {
                        "name": "answer", "instruction": "Answer in one spoken sentence.",
                        "inputs": fields["input_fields"], "outputs": fields["output_fields"],
                    }
                ],
                "agentflow": [{"name": "answer", "type": "Generate", "task": "answer"}],
                "dspy": {"module": "predict", "adapter": {"mode": "manual", "type": "chat"}},
                "feature_specifications": {"scenarios": scenarios},
            },
        }
    )  # fmt: skip


def _field(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "type": "str", "description": description, "required": True}


# -------------------------------------------------------------------- SuperOptiX's own commands


@dataclass(frozen=True)
class TheirProject:
    """A compiled SuperOptiX project, and the environment that its commands run in."""

    root: Path
    python: Path

    @classmethod
    def compiled(cls, root: Path, python: Path, playbook: Playbook) -> "TheirProject":
        file = root / "bots" / "agents" / AGENT / "playbook" / f"{AGENT}_playbook.yaml"
        file.parent.mkdir(parents=True)
        (root / ".super").write_text("project: bots\n")
        file.write_text(yaml.safe_dump(playbook.data, sort_keys=False))
        project = cls(root, python)
        project.super(
            "agent", "compile", AGENT, "--cloud", "--provider", "openai", "--model", MODEL
        )
        if not list(root.glob(f"**/{AGENT}_pipeline.py")):
            raise SystemExit("SuperOptiX did not compile the playbook; nothing was measured.")
        return project

    def super(self, *arguments: str, **environment: str) -> None:
        command = self.python.parent / "super"
        self._call([str(command), *arguments], environment)

    def evaluate(self, base: str) -> float:
        """Seconds of their evaluation, without their imports."""
        script = THEIR_EVALUATION.format(model=MODEL, base=base, agent=AGENT)
        printed = self._call([str(self.python), "-c", script], {})
        return float(printed.rpartition("SECONDS ")[2])

    def _call(self, command: list[str], environment: dict[str, str]) -> str:
        calm = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "DSPY_CACHEDIR": tempfile.mkdtemp(dir=self.root),  # an answer from a cache is not a run
            "SUPEROPTIX_TELEMETRY": "false",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # otherwise it waits for the internet
        }
        done = subprocess.run(
            command,
            cwd=self.root,
            env=calm | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout


# -------------------------------------------------------------------- measurements


def their_evaluation(project: TheirProject, server: ModelServer) -> Measurement:
    server.calls_since_last_asked()
    seconds = project.evaluate(server.base)
    return Measurement("SuperOptiX evaluate", seconds, server.calls_since_last_asked())


def their_run(project: TheirProject, server: ModelServer) -> Measurement:
    server.calls_since_last_asked()
    started = time.perf_counter()
    project.super(
        "agent", "run", AGENT, "--goal", QUESTION,
        OPENAI_API_BASE=server.base, OPENAI_API_KEY="none",
    )  # fmt: skip
    seconds = time.perf_counter() - started
    return Measurement("super agent run", seconds, server.calls_since_last_asked())


async def our_evaluation(
    client: SuperOptiXClient, playbook: Playbook, server: ModelServer, concurrency: int
) -> Measurement:
    model = Model(name=f"openai/{MODEL}", base_url=server.base)
    server.calls_since_last_asked()
    started = time.perf_counter()
    stream = client.evaluate_agent(
        program_of(playbook),
        [to_engine(each) for each in playbook.scenarios],
        model=model,
        judge_model=model,
        concurrency=concurrency,
        preflight=False,
    )
    scored = 0
    async with aclosing(stream) as answers:
        async for answer in answers:
            scored += isinstance(answer, ScenarioFinished) and answer.score is not None
    seconds = time.perf_counter() - started
    if scored != len(playbook.scenarios):
        raise SystemExit(f"Only {scored} scenarios were scored; the comparison would be void.")
    what = f"Mission Control, {concurrency} at once"
    return Measurement(what, seconds, server.calls_since_last_asked())


async def our_run(client: SuperOptiXClient, playbook: Playbook, server: ModelServer) -> Measurement:
    model = Model(name=f"openai/{MODEL}", base_url=server.base)
    program = program_of(playbook)
    await client.run_agent(program, {"caller_says": "Warm up"}, model=model)
    server.calls_since_last_asked()
    seconds: list[float] = []
    for number in range(WARM_RUNS):
        started = time.perf_counter()
        await client.run_agent(program, {"caller_says": f"{QUESTION} {number}"}, model=model)
        seconds.append(time.perf_counter() - started)
    calls = server.calls_since_last_asked() // WARM_RUNS
    return Measurement("Mission Control, warm", statistics.median(seconds), calls)


async def measure(count: int, latency_ms: float) -> bool:
    console = Console()
    location = EngineLocation()
    client = SuperOptiXClient(location)
    playbook = a_playbook(count)
    try:
        console.print(await _circumstances(client, count, latency_ms))
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            project = TheirProject.compiled(Path(folder), location.python(), playbook)
            with model_server(latency_ms) as server:
                # Theirs is compiled and imported already; ours is warm, as it is in a worker.
                await our_evaluation(client, a_playbook(32), server, max(CONCURRENCIES))
                theirs = await asyncio.to_thread(their_evaluation, project, server)
                ours = [await our_evaluation(client, playbook, server, n) for n in CONCURRENCIES]
            with model_server(0) as server:
                their_one = await asyncio.to_thread(their_run, project, server)
                our_one = await our_run(client, playbook, server)
    finally:
        await client.aclose()
    console.print(_evaluation_table(theirs, ours, count, latency_ms))
    console.print(_run_table(their_one, our_one))
    void = [each.what for each in (theirs, *ours) if each.calls < count]
    void += [each.what for each in (their_one, our_one) if each.calls < 1]
    for what in void:
        console.print(f"[red]{what} did not call the model as often as it should: void.")
    slowest = max(each.seconds for each in ours)
    reached = theirs.seconds / slowest >= EVALUATE_TARGET
    return not void and reached and their_one.seconds / our_one.seconds >= RUN_TARGET


async def _circumstances(client: SuperOptiXClient, count: int, latency_ms: float) -> str:
    versions = (await client.doctor()).versions
    named = {name: versions.get(name) for name in ("superoptix", "dspy", "gepa")}
    machine = (
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    return f"{machine}, {json.dumps(named)}, {count} scenarios, model latency {latency_ms:.0f} ms"


def _evaluation_table(
    theirs: Measurement, ours: list[Measurement], count: int, latency_ms: float
) -> Table:
    table = Table(title=f"Evaluate {count} scenarios (target: {EVALUATE_TARGET:.0f} times as fast)")
    for column in ("", "seconds", "model calls", "own time per scenario", "times as fast"):
        table.add_column(column, justify="left" if column == "" else "right")
    for each, at_once in zip((theirs, *ours), (1, *CONCURRENCIES), strict=True):
        ideal = -(-count // at_once) * latency_ms / 1000
        own = (each.seconds - ideal) / count * 1000
        _add(table, each, theirs, EVALUATE_TARGET, f"{own:.1f} ms")
    return table


def _run_table(theirs: Measurement, ours: Measurement) -> Table:
    table = Table(title=f"Run once, model latency 0 (target: {RUN_TARGET:.0f} times as fast)")
    for column in ("", "seconds", "model calls", "times as fast"):
        table.add_column(column, justify="left" if column == "" else "right")
    for each in (theirs, ours):
        _add(table, each, theirs, RUN_TARGET)
    return table


def _add(table: Table, each: Measurement, theirs: Measurement, target: float, *more: str) -> None:
    ratio = theirs.seconds / each.seconds
    colour = "white" if each is theirs else "green" if ratio >= target else "red"
    table.add_row(
        each.what, f"{each.seconds:.4f}", str(each.calls), *more, f"[{colour}]{ratio:.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Evaluate and run, beside SuperOptiX's commands.")
    parser.add_argument("--scenarios", type=int, default=100)
    parser.add_argument("--latency-ms", type=float, default=200)
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    reached = asyncio.run(measure(options.scenarios, options.latency_ms))
    raise SystemExit(0 if reached else 1)


if __name__ == "__main__":
    main()
