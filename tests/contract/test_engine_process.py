"""How the console starts, watches and ends an engine process, tried on engines that misbehave."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from pydantic import SecretStr

from mission_control.integrations import superoptix_client
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix import process as engine_process
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix.process import EngineProcess
from mission_control.integrations.superoptix_client import SuperOptiXClient
from mission_control_protocol import (
    VERSION,
    Budget,
    Doctor,
    Doctored,
    Model,
    Program,
    Run,
    Scenario,
)
from tests.services import HANG_SECONDS, REPOSITORY

SECRET = "sk-live-0123456789abcdef"  # noqa: S105

# What every misbehaving engine has: `say` writes a message, `requests` reads them.
PRELUDE = """
import json, os, signal, subprocess, sys, time
PROTOCOL = __PROTOCOL__
def say(**message):
    sys.stdout.write(json.dumps(message) + "\\n"); sys.stdout.flush()
def requests():
    for line in sys.stdin:
        yield json.loads(line)
def doctored(request, **versions):
    say(type="doctored", id=request["id"], python=str(os.getpid()), versions=versions,
        optimizers=[], problems=[])
say(type="ready", id="", pid=os.getpid(), protocol=PROTOCOL)
"""
HONEST = """
for request in requests():
    if request["type"] != "cancel":
        doctored(request)
"""

MakeEngine = Callable[..., EngineProcess]


@pytest.fixture
def location(tmp_path: Path) -> Callable[[str], EngineLocation]:
    """An engine whose host is this script."""

    def write(script: str) -> EngineLocation:
        package = tmp_path / "engine" / "src" / "engine_host"
        package.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").touch()
        prelude = PRELUDE.replace("__PROTOCOL__", str(VERSION))
        (package / "__main__.py").write_text(prelude + textwrap.dedent(script))
        return EngineLocation(REPOSITORY / "engine" / ".venv", tmp_path / "engine")

    return write


@pytest.fixture
async def engine(location: Callable[[str], EngineLocation]) -> AsyncIterator[MakeEngine]:
    made: list[EngineProcess] = []

    def make(script: str) -> EngineProcess:
        made.append(EngineProcess(location(script), purpose="test"))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def ask(engine: EngineProcess, name: str = "1") -> Doctored:
    async with aclosing(engine.request(Doctor(id=name))) as answers:
        answer = await anext(answers)
    assert isinstance(answer, Doctored)
    return answer


def a_run(name: str = "run") -> Run:
    program = Program(agent_id="remus", playbook={"spec": {}})
    return Run(
        id=name, program=program, inputs={}, model=Model(name="m", api_key=SecretStr(SECRET))
    )


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def until_gone(pid: int) -> None:
    async with asyncio.timeout(HANG_SECONDS):
        while is_alive(pid):
            await asyncio.sleep(0.02)


class TestTalking:
    async def test_answers_of_many_requests_find_their_way(self, engine: MakeEngine) -> None:
        several = engine("""
            waiting = []
            for request in requests():
                waiting.append(request)
                if len(waiting) == 5:
                    for each in reversed(waiting):
                        doctored(each, asked=each["id"])
        """)
        answers = await asyncio.gather(*(ask(several, str(n)) for n in range(5)))
        assert [each.versions["asked"] for each in answers] == list("01234")

    async def test_the_engine_sees_nothing_of_our_environment(
        self, engine: MakeEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", SECRET)
        monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/d")
        monkeypatch.setenv("SSL_CERT_FILE", "/etc/ssl/ours.pem")
        curious = engine("""
            for request in requests():
                doctored(request, **os.environ)
        """)
        seen = (await ask(curious)).versions
        assert set(seen) <= {
            "PATH", "LANG", "HOME", "TMPDIR", "PYTHONPATH", "PYTHONUTF8", "PYTHONHASHSEED",
            "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
            "LC_CTYPE",  # Python's own
        }  # fmt: skip
        assert seen["SSL_CERT_FILE"] == "/etc/ssl/ours.pem"
        assert seen["HOME"] != os.environ.get("HOME")
        assert Path(seen["HOME"] or "").stat().st_mode & 0o777 == 0o700
        await curious.close()
        assert not Path(seen["HOME"] or "").exists()

    async def test_leaving_early_cancels_the_request_and_only_that(
        self, engine: MakeEngine
    ) -> None:
        slow = engine("""
            for request in requests():
                if request["type"] == "cancel":
                    cancelled = request["target"]
                elif request["type"] == "run":
                    say(type="log", id=request["id"], level="info", text="started")
                else:
                    doctored(request, cancelled=cancelled)
        """)
        async with aclosing(slow.request(a_run("long"))) as answers:
            await anext(answers)
        assert (await ask(slow)).versions == {"cancelled": "long"}

    async def test_its_log_is_kept_without_the_keys_it_was_given(self, engine: MakeEngine) -> None:
        noisy = engine("""
            for request in requests():
                print("\\x1b[31mkey " + request["model"]["api_key"], file=sys.stderr, flush=True)
                print("x" * (17 << 20), file=sys.stderr, flush=True)
                print("last", file=sys.stderr, flush=True)
                time.sleep(0.2)
                sys.exit(3)
        """)
        with pytest.raises(SuperOptiXError, match="exit code 3"):
            async with aclosing(noisy.request(a_run())) as answers:
                await anext(answers)
        lines = noisy._log.last_lines  # pyright: ignore[reportPrivateUsage]
        first, *_, last = lines
        assert (first, last) == ("key [redacted]", "last")
        assert max(map(len, lines)) <= 500


class TestMisbehaving:
    async def test_killed_while_it_works(self, engine: MakeEngine) -> None:
        deaf = engine("""
            for request in requests():
                say(type="log", id=request["id"], level="info", text="started")
                sys.stdout.write('{"type": "ran", "id'); sys.stdout.flush()
        """)
        async with aclosing(deaf.request(a_run())) as answers:
            await anext(answers)
            os.kill(deaf.pid or 0, signal.SIGKILL)
            with pytest.raises(SuperOptiXError) as caught:
                await anext(answers)
        assert caught.value.kind == "crashed"
        assert caught.value.message == (
            "The engine process ended unexpectedly: killed by SIGKILL."
            " Nothing was changed. Start it again."
        )
        assert not deaf.is_usable()

    @pytest.mark.parametrize(
        "nonsense",
        [
            'print("Loading weights...", flush=True)',
            'say(type="ran", id=request["id"], output="text")',
            'say(type="exec", id=request["id"], code="1")',
            'sys.stdout.buffer.write(b"\\xff\\xfe\\n"); sys.stdout.flush()',
            'sys.stdout.write("x" * (17 << 20)); sys.stdout.flush()',
        ],
    )
    async def test_babbling_ends_the_process_and_every_request(
        self, engine: MakeEngine, nonsense: str
    ) -> None:
        babbling = engine(f"""
            for request in requests():
                {nonsense}
                time.sleep(3600)
        """)
        await babbling.start()
        pid = babbling.pid or 0
        results = await asyncio.gather(
            ask(babbling, "1"), ask(babbling, "2"), return_exceptions=True
        )
        assert [getattr(each, "kind", None) for each in results] == ["internal", "internal"]
        assert "not in its protocol" in str(results[0])
        await until_gone(pid)

    async def test_closing_its_ears_ends_it(self, engine: MakeEngine) -> None:
        closed = engine("os.close(0); os.close(1); time.sleep(3600)")
        with pytest.raises(SuperOptiXError, match="ended unexpectedly"):
            await ask(closed)
        await until_gone(closed.pid or 0)

    async def test_hanging_ends_it_and_the_next_call_works(
        self, location: Callable[[str], EngineLocation], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = SuperOptiXClient(
            location("""
                for request in requests():
                    if request["type"] == "doctor":
                        doctored(request)
            """)
        )
        pid = int((await client.doctor()).python)
        with monkeypatch.context() as patched:
            patched.setattr(superoptix_client, "ANSWER_SECONDS", 0.3)
            with pytest.raises(SuperOptiXError, match="did not answer within"):
                await client.compile_agent(Program(agent_id="remus", playbook={}))
        assert not is_alive(pid)
        assert int((await client.doctor()).python) != pid
        await client.aclose()

    async def test_never_ready(self, location: Callable[[str], EngineLocation]) -> None:
        asleep = location("")
        main = asleep.sources()[0] / "engine_host" / "__main__.py"
        main.write_text("import time; time.sleep(3600)")
        late = EngineProcess(asleep, purpose="test")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine_process, "READY_SECONDS", 0.3)
            with pytest.raises(SuperOptiXError, match="not ready within") as caught:
                await late.start()
        assert caught.value.kind == "crashed"
        await late.close()
        assert not is_alive(late.pid or 0)


class TestStopping:
    STUBBORN = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        for request in requests():
            say(type="log", id=request["id"], level="info", text=str(child.pid))
    """

    async def test_close_ends_the_whole_group(self, engine: MakeEngine) -> None:
        stubborn = engine(self.STUBBORN)
        async with aclosing(stubborn.request(a_run())) as answers:
            grandchild = int((await anext(answers)).text)  # type: ignore[union-attr]
            await stubborn.close()
            with pytest.raises(SuperOptiXError) as caught:
                await anext(answers)
        assert caught.value.kind == "cancelled"
        assert not is_alive(stubborn.pid or 0)
        assert not is_alive(grandchild)

    async def test_cancelling_the_consumer_of_a_search_ends_its_engine(
        self, location: Callable[[str], EngineLocation], tmp_path: Path
    ) -> None:
        pids: list[tuple[int, str]] = []
        client = SuperOptiXClient(
            location(self.STUBBORN),
            on_engine_started=lambda pid, purpose: pids.append((pid, purpose)),
        )
        said = asyncio.Event()

        async def consume() -> None:
            case = Scenario(id="a", input={}, expected={}, checks=[])
            search = client.optimize_agent(
                Program(agent_id="remus", playbook={}),
                train=[case, case],
                validation=[case],
                budget=Budget(level="light"),
                model=Model(name="m"),
                reflection_model=Model(name="m"),
                judge_model=Model(name="m"),
                directory=tmp_path / "search",
            )
            async with aclosing(search) as messages:
                async for _ in messages:
                    said.set()

        task = asyncio.create_task(consume())
        await said.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [(pid, purpose)] = pids
        assert purpose == "optimize"
        assert not is_alive(pid)

    async def test_giving_up_while_it_starts_leaves_nothing_behind(
        self, engine: MakeEngine
    ) -> None:
        starting = engine(HONEST)
        task = asyncio.create_task(starting.start())
        await asyncio.sleep(0)
        task.cancel()
        await starting.close()
        assert starting.pid is None or not is_alive(starting.pid)
        with pytest.raises((SuperOptiXError, asyncio.CancelledError)):
            await starting.start()

    @pytest.mark.skipif(sys.platform != "linux", reason="The kernel's promise is Linux's.")
    async def test_it_dies_with_its_parent(
        self, location: Callable[[str], EngineLocation], tmp_path: Path
    ) -> None:
        parent = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PARENT, *map(str, _arguments(location(HONEST))),
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | {"TMPDIR": str(tmp_path)},  # nobody is left to remove its folder
        )  # fmt: skip
        assert parent.stdout is not None
        pid = int(await parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
        await parent.wait()
        await until_gone(pid)


SETUP = """
import asyncio, os, signal, sys, time
from pathlib import Path
import structlog
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix_client import SuperOptiXClient
client = SuperOptiXClient(EngineLocation(*map(Path, sys.argv[1:])))
async def pid():
    return int((await client.doctor()).python)
"""
PARENT = (
    SETUP
    + """
async def main():
    print(await pid(), flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
)


def _arguments(location: EngineLocation) -> list[Path]:
    assert location.superoptix_path is not None
    assert location.engine is not None
    return [location.superoptix_path, location.engine]


def printed_by(script: str, location: EngineLocation) -> list[str]:
    """The words that a process of its own prints; it must not complain about anything."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SETUP + textwrap.dedent(script), *_arguments(location)],
        capture_output=True, text=True, timeout=HANG_SECONDS, check=True,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.stdout.split()


class TestLoopsAndForks:
    """A Celery worker runs its loop only while it has a task, and was forked."""

    def test_a_loop_that_runs_now_and_then_keeps_its_engine(
        self, location: Callable[[str], EngineLocation]
    ) -> None:
        first, second = printed_by(
            """
            with asyncio.Runner() as runner:
                print(runner.run(pid()))
                time.sleep(0.2)
                print(runner.run(pid()))
                runner.run(client.aclose())
            """,
            location(HONEST),
        )
        assert first == second
        assert not is_alive(int(first))

    def test_an_engine_that_died_while_the_loop_stood_still_is_replaced(
        self, location: Callable[[str], EngineLocation]
    ) -> None:
        first, second = printed_by(
            """
            with asyncio.Runner() as runner:
                first = runner.run(pid())
                os.kill(first, signal.SIGKILL)
                time.sleep(0.2)
                print(first, runner.run(pid()))
                runner.run(client.aclose())
            """,
            location(HONEST),
        )
        assert first != second

    def test_uvloop_starts_and_ends_it_too(self, location: Callable[[str], EngineLocation]) -> None:
        first, second = printed_by(
            """
            import uvloop
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                print(runner.run(pid()), runner.run(pid()))
                runner.run(client.aclose())
            """,
            location(HONEST),
        )
        assert first == second
        assert not is_alive(int(first))

    def test_another_loop_gets_another_engine_and_the_first_is_ended(
        self, location: Callable[[str], EngineLocation]
    ) -> None:
        first, second, survivors = printed_by(
            """
            first, second = asyncio.run(pid()), asyncio.run(pid())
            time.sleep(0.2)
            alive = [p for p in (first, second) if Path(f"/proc/{p}").exists()
                     and " Z " not in Path(f"/proc/{p}/stat").read_text()]
            print(first, second, len(alive))
            """,
            location(HONEST),
        )
        assert first != second
        assert survivors == "0"

    def test_a_fork_gets_its_own_and_leaves_the_parent_s_alone(
        self, location: Callable[[str], EngineLocation]
    ) -> None:
        before, in_child, after = printed_by(
            """
            runner = asyncio.Runner()
            print(runner.run(pid()), flush=True)
            if (child := os.fork()) == 0:
                own = asyncio.Runner()
                print(own.run(pid()), flush=True)
                own.run(client.aclose())
                own.close()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
            print(runner.run(pid()), flush=True)
            runner.run(client.aclose())
            runner.close()
            """,
            location(HONEST),
        )
        assert before == after
        assert in_child != before
        assert not is_alive(int(before))
        assert not is_alive(int(in_child))


class TestLocation:
    async def refusal(self, location: EngineLocation) -> SuperOptiXError:
        client = SuperOptiXClient(location)
        with pytest.raises(SuperOptiXError) as caught:
            await client.warm_up()
        await client.aclose()
        assert caught.value.kind == "config"
        assert "No engine was started." in caught.value.message
        return caught.value

    async def test_not_a_python(self, tmp_path: Path) -> None:
        refused = await self.refusal(EngineLocation(tmp_path))
        assert "SUPEROPTIX_PATH names neither" in refused.message

    async def test_a_python_without_superoptix(self) -> None:
        refused = await self.refusal(EngineLocation(REPOSITORY / ".venv"))
        assert "does not have SuperOptiX" in refused.message

    async def test_not_installed(self, tmp_path: Path) -> None:
        (tmp_path / "src" / "engine_host").mkdir(parents=True)
        refused = await self.refusal(EngineLocation(engine=tmp_path))
        assert "`make run` installs it" in refused.message

    async def test_no_source(self, tmp_path: Path) -> None:
        refused = await self.refusal(
            EngineLocation(REPOSITORY / "engine" / ".venv", engine=tmp_path)
        )
        assert "from its repository" in refused.message

    async def test_installing_it_later_needs_no_restart(
        self, location: Callable[[str], EngineLocation], tmp_path: Path
    ) -> None:
        missing = tmp_path / "environment"
        client = SuperOptiXClient(EngineLocation(missing, location(HONEST).engine))
        with pytest.raises(SuperOptiXError):
            await client.doctor()
        missing.symlink_to(REPOSITORY / "engine" / ".venv")
        assert (await client.doctor()).python.isdigit()
        await client.aclose()

    @pytest.mark.parametrize("path", [".venv", ".venv/bin/python", ""])
    def test_an_environment_its_python_or_the_folder_that_has_one(self, path: str) -> None:
        python = EngineLocation(REPOSITORY / "engine" / path).python()
        assert python == REPOSITORY / "engine" / ".venv" / "bin" / "python"
