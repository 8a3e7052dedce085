"""Drives a real engine process over its pipe, and scripted language models over real HTTP."""

import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx2
from pydantic import BaseModel, SecretStr

from mission_control_protocol import (
    FROM_ENGINE,
    Budget,
    Check,
    Compile,
    Compiled,
    Doctored,
    Evaluate,
    Evaluated,
    Failed,
    FromEngine,
    MarketplaceListed,
    Model,
    Optimize,
    Optimized,
    Price,
    Program,
    Ran,
    Ready,
    Scenario,
    ScenarioFinished,
    TrialFinished,
)
from tests.services import HANG_SECONDS

REPOSITORY = Path(__file__).parents[2]
PYTHON = REPOSITORY / "engine/.venv/bin/python"
SECRET = "sk-test-0123456789abcdef"  # noqa: S105
TASK_PRICE = Price(input_per_million=0.15, output_per_million=0.60)
REFLECTION_PRICE = Price(input_per_million=2.5, output_per_million=10)

ANSWERS = (Compiled, Doctored, Evaluated, Failed, MarketplaceListed, Optimized, Ran)

Message = TypeVar("Message", bound=BaseModel)


class Engine:
    """One engine process; requests are answered in any order."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self._log = (directory / "engine.log").open("ab")
        self.process = subprocess.Popen(
            [PYTHON, "-m", "engine_host"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=directory,
            env={
                "PATH": os.environ["PATH"],
                "TMPDIR": str(directory),
                "PYTHONPATH": str(REPOSITORY / "engine/src"),
                **environment,
            },
        )
        self._numbers = iter(range(1, 1_000_000))
        self.lines: list[bytes] = []
        self._waiting: dict[str, queue.Queue[FromEngine | None]] = {"": queue.Queue()}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.endswith(b"\n"):
                message = FROM_ENGINE.validate_json(line)
                self._waiting.setdefault(message.id, queue.Queue()).put(message)
        for waiting in list(self._waiting.values()):
            waiting.put(None)

    def ready(self) -> Ready:
        message = self._waiting[""].get(timeout=HANG_SECONDS)
        assert isinstance(message, Ready)
        return message

    def expect_answer_to(self, request: str) -> None:
        """For a request that is written by hand."""
        self._waiting.setdefault(request, queue.Queue())

    def write(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, kind: type[BaseModel], **content: object) -> str:
        """Send one request and return its id."""
        number = f"request-{next(self._numbers)}"
        self._waiting[number] = queue.Queue()
        self.write(kind(id=number, **content).model_dump_json().encode())
        return number

    def messages(self, request: str, seconds: float = HANG_SECONDS) -> Iterator[FromEngine]:
        """Everything of one request up to its answer; ends early when the process does."""
        until = time.monotonic() + seconds
        while True:
            message = self._waiting[request].get(timeout=max(0.01, until - time.monotonic()))
            if message is None:
                return
            yield message
            if isinstance(message, ANSWERS):
                return

    def ask(self, kind: type[BaseModel], **content: object) -> FromEngine:
        """The answer to one request."""
        return list(self.messages(self.send(kind, **content)))[-1]

    def kill(self) -> None:
        """kill -9, and everything that it said before."""
        self.process.kill()
        self.process.wait()
        self._reader.join(HANG_SECONDS)

    def leave(self) -> int:
        """Close its stdin, as a console does that is done; the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait(10)

    def release(self) -> None:
        self.kill()
        for file in (self.process.stdin, self.process.stdout, self._log):
            assert file is not None
            with suppress(BrokenPipeError):
                file.close()


@contextmanager
def engine(directory: Path, **environment: str) -> Generator[Engine]:
    started = Engine(directory, **environment)
    try:
        started.ready()
        yield started
    finally:
        started.release()


def expect(kind: type[Message], message: object) -> Message:
    """Narrow an answer, and show it when it is another one."""
    assert isinstance(message, kind), message
    return message


# ------------------------------------------------------------------ models


USAGE = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}


@dataclass(frozen=True)
class Odd:
    """An answer that is no plain completion. `body` replaces all of it; `message` adds to it."""

    content: object = ""
    finish: str = "stop"
    usage: object = field(default_factory=lambda: dict(USAGE))
    message: dict[str, object] = field(default_factory=dict[str, object])
    choices: list[object] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None

    def payload(self) -> bytes:
        if self.body is not None:
            return self.body
        message = {"role": "assistant", "content": self.content, **self.message}
        choice = {"index": 0, "finish_reason": self.finish, "message": message}
        content: dict[str, Any] = {"id": "x", "object": "chat.completion", "model": "m"}
        content |= {"created": 0, "choices": [choice] if self.choices is None else self.choices}
        if self.usage != "absent":
            content["usage"] = self.usage
        if self.status != 200:
            content = {"error": {"message": f"No: {SECRET}", "type": "x", "code": "x"}}
        return json.dumps(content).encode()


Script = Callable[[str, str], str | int | Odd]


class ScriptedModel:
    """A language model over HTTP whose every answer is written in the test.

    `script` gets the request's text and its model name; it returns the completion, an HTTP
    status for a refusal, or an `Odd` answer. `calls` counts requests, `answered` those with a completion.
    """

    def __init__(self, script: Script, seconds: float = 0.0) -> None:
        self.calls: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.answered = 0
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        model = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                text = "\n".join(str(message["content"]) for message in body["messages"])
                with model._lock:
                    model.calls.append(text)
                    model.bodies.append(body)
                    model._at_once += 1
                    model.most_at_once = max(model.most_at_once, model._at_once)
                time.sleep(seconds)
                said = script(text, body["model"])
                with model._lock:
                    model._at_once -= 1
                    model.answered += not isinstance(said, int)
                self._answer(said)

            def _answer(self, said: str | int | Odd) -> None:
                odd = Odd(said) if isinstance(said, str) else said
                odd = Odd(status=odd) if isinstance(odd, int) else odd
                payload = odd.payload()
                try:
                    self.send_response(odd.status)
                    for name, value in ({"content-type": "application/json"} | odd.headers).items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)
                except OSError:
                    pass  # the engine was killed meanwhile

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "ScriptedModel":
        # How often it looks whether it may stop: by default twice a second, and every test waits.
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply(text: str) -> str:
    """A completion in the form that DSPy's chat adapter asks for."""
    return f"[[ ## reply ## ]]\n{text}\n\n[[ ## completed ## ]]"


def model(url: str, name: str = "sandbox-1", **settings: Any) -> Model:
    defaults: dict[str, Any] = {
        "name": f"openai/{name}",
        "base_url": url,
        "api_key": SecretStr(SECRET),
        "price": TASK_PRICE,
        "retries": 0,
        "timeout_seconds": 20,
    }
    return Model(**(defaults | settings))


def reflection(url: str, name: str = "sandbox-1", **settings: object) -> Model:
    defaults = {"temperature": 1.0, "max_tokens": 4000, "price": REFLECTION_PRICE}
    return model(url, name, **(defaults | settings))


def statistics(url: str) -> dict[str, Any]:
    """What the stand-in counted since it started."""
    return cast("dict[str, Any]", httpx2.get(url.removesuffix("/v1") + "/stats").json())


# ------------------------------------------------------------------ a playbook and its scenarios

PROMPT = "You are Dana. Reply to what the caller says in one short spoken sentence."
TOPICS = {
    "price": (
        "The starter plan is forty nine dollars a month and you can cancel at any time",
        (
            "How much does it cost?",
            "What is the price per month?",
            "Is it expensive?",
            "What do I pay?",
        ),
        ("forty nine dollars", "cancel"),
    ),
    "callback": (
        "Of course, I will call you back tomorrow at ten",
        (
            "I am driving, call me later.",
            "I am busy right now.",
            "Can you ring me back later?",
            "Bad time, I am in a meeting.",
        ),
        ("call you back", "tomorrow"),
    ),
    "opt_out": (
        "I am sorry for the trouble, I am putting you on our do not call list",
        (
            "Take me off your list.",
            "Stop calling me.",
            "Remove my number please.",
            "Never call this number again.",
        ),
        ("do not call list",),
    ),
}


def playbook(**spec: object) -> dict[str, Any]:
    """A phone agent; `spec` replaces parts of it."""
    return {
        "apiVersion": "agent/v1",
        "kind": "AgentSpec",
        "metadata": {"name": "Dana", "id": "dana", "version": "1.0.0", "level": "oracles"},
        "spec": {
            "language_model": {"provider": "openai", "model": "sandbox-1"},
            "persona": {"role": "Phone agent", "goal": "Help", "traits": ["brief"]},
            "tasks": [{"name": "answer", "instruction": PROMPT}],
            "input_fields": [
                {"name": "caller_says", "type": "str", "description": "The caller's words"}
            ],
            "output_fields": [{"name": "reply", "type": "str", "description": "What to say next"}],
            "dspy": {"module": "predict"},
            **spec,
        },
    }


def program(**spec: object) -> Program:
    return Program(agent_id="dana", playbook=playbook(**spec))


def scenario(name: str, says: str, expected: str, *checks: Check) -> Scenario:
    return Scenario(
        id=name, input={"caller_says": says}, expected={"reply": expected}, checks=list(checks)
    )


def contains(*values: str) -> Check:
    return Check(kind="contains", values=list(values))


def scenarios() -> tuple[list[Scenario], list[Scenario]]:
    """Train and validation: two wordings of every topic in each."""
    train: list[Scenario] = []
    validation: list[Scenario] = []
    for topic, (expected, wordings, values) in TOPICS.items():
        for number, says in enumerate(wordings):
            side = train if number % 2 == 0 else validation
            side.append(scenario(f"{topic}_{number}", says, expected, contains(*values)))
    return train, validation


# ------------------------------------------------------------------ requests


def compile_(host: Engine, **spec: object) -> Compiled:
    return expect(Compiled, host.ask(Compile, program=program(**spec)))


def evaluate(
    host: Engine, url: str, cases: list[Scenario], **settings: object
) -> tuple[list[ScenarioFinished], Evaluated | Failed]:
    content: dict[str, Any] = {
        "program": program(),
        "scenarios": cases,
        "model": model(url),
        "judge_model": model(url, "judge"),
        "preflight": False,
        **settings,
    }
    messages = list(host.messages(host.send(Evaluate, **content)))
    finished = [message for message in messages if isinstance(message, ScenarioFinished)]
    answer = messages[-1]
    assert isinstance(answer, (Evaluated, Failed)), answer
    return finished, answer


def optimize_content(url: str, directory: Path, **settings: object) -> dict[str, Any]:
    train, validation = scenarios()
    return {
        "program": program(),
        "train": train,
        "validation": validation,
        "optimizer": "GEPA",
        "budget": Budget(metric_calls=150),
        "model": model(url),
        "reflection_model": reflection(url),
        "judge_model": model(url, "judge"),
        "directory": str(directory),
        **settings,
    }


def optimize(
    host: Engine, url: str, directory: Path, **settings: object
) -> tuple[dict[int, TrialFinished], Optimized | Failed]:
    """The trials by number, and the answer."""
    request = host.send(Optimize, **optimize_content(url, directory, **settings))
    messages = list(host.messages(request))
    trials = {message.number: message for message in messages if isinstance(message, TrialFinished)}
    answer = messages[-1]
    assert isinstance(answer, (Optimized, Failed)), answer
    return trials, answer


def journal(directory: Path) -> list[dict[str, Any]]:
    """The calls in a journal; a torn last line is left out."""
    lines = (directory / "calls.jsonl").read_bytes().splitlines()
    found: list[dict[str, Any]] = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
