"""The process behind the protocol: what it says, what it hides, and how it ends."""

import json
import signal
import threading
import time
from pathlib import Path

import pytest

from mission_control_protocol import (
    Compile,
    Doctor,
    Doctored,
    Failed,
    Run,
)
from tests.engine.harness import (
    REPOSITORY,
    SECRET,
    Engine,
    ScriptedModel,
    engine,
    expect,
    model,
    program,
    reply,
)
from tests.services import HANG_SECONDS

INPUT = {"caller_says": "Hello?"}


def test_it_is_ready_under_the_process_id_that_the_console_knows(tmp_path: Path) -> None:
    """It starts itself anew to fix the order of sets; the pid must not change by that."""
    started = Engine(tmp_path)
    try:
        assert started.ready().pid == started.process.pid
        environment = Path(f"/proc/{started.process.pid}/environ").read_bytes()
        assert b"PYTHONHASHSEED=0" in environment
    finally:
        started.release()


def test_the_doctor_knows_its_versions_and_optimizers(host: Engine) -> None:
    doctored = expect(Doctored, host.ask(Doctor))
    assert doctored.versions["superoptix"] == "0.3.16"
    assert [ability.name for ability in doctored.optimizers if ability.available] == [
        "GEPA",
        "MIPROv2",
        "BootstrapFewShot",
        "SIMBA",
    ]
    assert all(ability.resumes and ability.stops for ability in doctored.optimizers)
    assert doctored.problems == []


def test_what_libraries_print_never_reaches_the_pipe(tmp_path: Path) -> None:
    """SuperOptiX's compiler and DSPy both print; a program that is imported may, too."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site/superoptix.py").write_text(
        "import os, sys\n"
        "print('babble'); sys.__stdout__.write('babble'); os.write(1, b'babble')\n"
        "os.system('echo babble')\n"
        "raise ImportError('no SuperOptiX here')\n"
    )
    source = REPOSITORY / "engine/src"
    with engine(tmp_path, PYTHONPATH=f"{source}:{tmp_path / 'site'}") as host:
        answer = expect(Failed, host.ask(Doctor))
        assert answer.kind == "config"
        assert "no SuperOptiX here" in answer.detail
        assert all(json.loads(line) for line in host.lines)
    assert (tmp_path / "engine.log").read_text().count("babble") >= 3


@pytest.mark.parametrize(
    ("line", "expected_id"),
    [
        (b"{", ""),
        (b'["compile"]', ""),
        (b'{"type": "exec", "id": "a", "code": "x"}', "a"),
        (b'{"type": "doctor", "id": "b", "more": 1}', "b"),
        (b'{"type": "doctor", "id": 7}', ""),
        (b"\xff\xfe", ""),
    ],
)
def test_a_line_that_is_not_understood_is_answered(
    host: Engine, line: bytes, expected_id: str
) -> None:
    host.expect_answer_to(expected_id)
    host.write(line)
    failed = expect(Failed, next(host.messages(expected_id)))
    assert failed.kind == "internal"
    expect(Doctored, host.ask(Doctor))


def test_it_ends_when_the_console_is_gone(tmp_path: Path) -> None:
    with engine(tmp_path) as host:
        assert host.leave() == 0
    assert list(tmp_path.glob("engine-host-*")) == []


def test_it_ends_at_once_on_sigterm_even_while_a_model_hangs(tmp_path: Path) -> None:
    may_answer = threading.Event()

    def never(*_: str) -> str:
        may_answer.wait(HANG_SECONDS)
        return reply("late")

    with ScriptedModel(never) as hanging, engine(tmp_path) as host:
        host.send(Run, program=program(), inputs=INPUT, model=model(hanging.url))
        while not hanging.calls:
            time.sleep(0.02)
        host.process.send_signal(signal.SIGTERM)
        assert host.process.wait(HANG_SECONDS) == 128 + signal.SIGTERM
        assert hanging.answered == 0
        may_answer.set()


def test_it_sees_no_key_of_its_environment_and_calls_only_where_it_is_told(tmp_path: Path) -> None:
    environment = {
        "OPENAI_API_KEY": SECRET,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
        "DSPY_CACHEDIR": str(tmp_path / "cache"),
    }
    with (
        ScriptedModel(lambda _text, _name: reply("Hi")) as scripted,
        engine(tmp_path, **environment) as host,
    ):
        answer = host.ask(Run, program=program(), inputs=INPUT, model=model(scripted.url))
        assert answer.type == "ran"
        bare = model(scripted.url, base_url=None, api_key="")
        assert (
            expect(Failed, host.ask(Run, program=program(), inputs=INPUT, model=bare)).kind
            == "config"
        )
    assert not (tmp_path / "cache").exists()


def test_a_dead_model_never_answers_from_a_cache(host: Engine) -> None:
    with ScriptedModel(lambda _text, _name: reply("Hi")) as scripted:
        url = scripted.url
        assert host.ask(Run, program=program(), inputs=INPUT, model=model(url)).type == "ran"
    failed = expect(Failed, host.ask(Run, program=program(), inputs=INPUT, model=model(url)))
    assert failed.kind == "transport"


def test_one_process_answers_many_at_once(host: Engine) -> None:
    together = threading.Barrier(5)

    def when_five_ask(*_: str) -> str:
        together.wait(HANG_SECONDS)
        return reply("Hi")

    with ScriptedModel(when_five_ask) as scripted:
        requests = [
            host.send(Run, program=program(), inputs=INPUT, model=model(scripted.url))
            for _ in range(20)
        ]
        assert all(list(host.messages(request))[-1].type == "ran" for request in requests)
        assert scripted.most_at_once >= 5


def test_an_error_shows_no_key_no_path_and_no_stack(host: Engine) -> None:
    with ScriptedModel(lambda _text, _name: 401) as refusing:
        failed = expect(
            Failed, host.ask(Run, program=program(), inputs=INPUT, model=model(refusing.url))
        )
    assert failed.kind == "auth"
    assert SECRET not in failed.detail
    assert len(failed.detail) <= 400
    assert str(REPOSITORY) not in failed.detail
    assert "Traceback" not in failed.detail


def test_a_taken_id_is_refused_and_a_finished_one_is_free(host: Engine) -> None:
    content = Doctor(id="same").model_dump_json().encode()
    host.expect_answer_to("same")
    host.write(content)
    assert list(host.messages("same"))[-1].type == "doctored"
    host.write(content)
    assert list(host.messages("same"))[-1].type == "doctored"


def test_memory_and_core_dumps_are_limited(host: Engine) -> None:
    assert host.ask(Compile, program=program()).type == "compiled"
    limits = Path(f"/proc/{host.process.pid}/limits").read_text()
    lines = {line[:25].strip(): line[25:].split()[0] for line in limits.splitlines()}
    assert lines["Max core file size"] == "0"
    assert lines["Max address space"] == str(8 * 1024**3)
