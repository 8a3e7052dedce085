"""The supervisor with real processes: short shell scripts in the place of the product's parts."""

import asyncio
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from mission_control.core.part_states import CRASH_LOOP, PartState, last_state, running_state
from mission_control.core.settings import Settings
from mission_control.supervisor.errors import PortTakenError
from mission_control.supervisor.keeper import Patience
from mission_control.supervisor.lock import sole_supervisor
from mission_control.supervisor.parts import Part, with_free_redis_port
from mission_control.supervisor.readiness import Probe
from mission_control.supervisor.supervise import (
    Supervisor,
    end_leftovers,
    refuse_taken_ports,
    run,
)
from mission_control.supervisor.terminal import ROTATE_AT_BYTES, LogFile, Terminal
from tests.services import HANG_SECONDS, REPOSITORY, free_port, free_ports_in_a_row

IMPATIENT = Patience(first_seconds=0.1, longest_seconds=0.4, calm_seconds=30, starts_of_essential=2)


async def at_once(_pid: int) -> bool:
    return True


def shell(name: str, script: str, **options: object) -> Part:
    """A part that is ready with its first breath, unless `ready` says otherwise."""
    defaults: dict[str, object] = {"environment": {"PATH": os.defpath}, "grace_seconds": 1.0}
    if "runs_once" not in options:
        defaults["ready"] = at_once
    return Part(name=name, command=("/bin/sh", "-c", script), **(defaults | options))  # type: ignore[arg-type]


def appears(path: Path) -> Probe:
    async def probe(_pid: int) -> bool:
        return path.exists()

    return probe


class Watched:
    """A supervisor that runs while the test looks at it."""

    def __init__(self, supervisor: Supervisor, data_dir: Path, said: io.StringIO) -> None:
        self.said = said
        self.all_ready = asyncio.Event()
        self._data_dir = data_dir
        self.task = asyncio.create_task(supervisor.run(self._on_ready))

    async def _on_ready(self) -> None:
        self.all_ready.set()

    def part(self, name: str) -> PartState:
        state = last_state(self._data_dir)
        assert state is not None
        found = state.part(name)
        assert found is not None
        return found

    def pid_of(self, name: str) -> int:
        pid = self.part(name).pid
        assert pid is not None
        return pid

    async def until(self, true: Callable[[], object], seconds: float = HANG_SECONDS) -> None:
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.01)

    async def stop(self) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return await asyncio.wait_for(self.task, HANG_SECONDS)


@asynccontextmanager
async def supervising(
    data_dir: Path, *parts: Part, patience: Patience = IMPATIENT
) -> AsyncGenerator[Watched]:
    said = io.StringIO()
    supervisor = Supervisor(parts, data_dir=data_dir, terminal=Terminal(said), patience=patience)
    watched = Watched(supervisor, data_dir, said)
    # Before it listens to signals, ours would end the tests.
    await watched.until(lambda: last_state(data_dir) is not None or watched.task.done())
    try:
        yield watched
    finally:
        if not watched.task.done():
            await watched.stop()


async def test_a_part_starts_when_those_before_it_are_ready(tmp_path: Path) -> None:
    open_for_business = tmp_path / "open"
    first = shell(
        "first",
        f"sleep 0.3; touch {open_for_business}; sleep 3600",
        ready=appears(open_for_business),
    )
    second = shell("second", f"test -e {open_for_business} && exec sleep 3600", after=("first",))

    async with supervising(tmp_path, second, first) as watched:
        await asyncio.wait_for(watched.all_ready.wait(), HANG_SECONDS)

        assert watched.part("second").restarts == 0
        first_one, second_one = watched.part("first"), watched.part("second")
        assert first_one.ready_after_seconds is not None
        assert first_one.ready_after_seconds >= 0.3
        assert first_one.started_at is not None
        assert second_one.started_at is not None
        assert second_one.started_at > first_one.started_at
        assert "first         ready in " in watched.said.getvalue()


async def test_a_part_with_one_thing_to_do_is_done_and_not_repeated(tmp_path: Path) -> None:
    once = shell("once", f"echo x >> {tmp_path}/runs", runs_once=True)
    second = shell("second", "exec sleep 3600", after=("once",))

    async with supervising(tmp_path, once, second) as watched:
        await asyncio.wait_for(watched.all_ready.wait(), HANG_SECONDS)
        await asyncio.sleep(0.3)

        assert (tmp_path / "runs").read_text() == "x\n"
        assert watched.part("once").status == "done"


async def test_a_crashed_part_is_started_again_after_growing_pauses(tmp_path: Path) -> None:
    times = tmp_path / "times"
    crashing = shell("crashing", f"date +%s.%N >> {times}; echo the reason; exit 3")
    async with supervising(tmp_path, crashing) as watched:
        await watched.until(lambda: times.exists() and len(times.read_text().splitlines()) == 4)
        starts = [float(line) for line in times.read_text().splitlines()]

        pauses = [later - earlier for earlier, later in pairwise(starts)]
        assert pauses[0] >= 0.1
        assert pauses[1] >= 0.2
        assert pauses[2] >= 0.4
        assert watched.part("crashing").last_exit_code == 3
        assert watched.part("crashing").restarts >= 3
        said = watched.said.getvalue()
        assert "crashing      ended with exit code 3; starts again in 0.1 s" in said
        assert "crashing      the reason" in said


async def test_a_part_that_dies_at_once_is_never_called_ready(tmp_path: Path) -> None:
    """What another life of it has left behind proves nothing: the scheduler was once taken for ready."""
    proof = tmp_path / "proof"
    proof.write_text("1")

    async def has_proved_itself(pid: int) -> bool:
        return proof.read_text().strip() == str(pid)

    dying = shell(
        "dying", f"exit 1; echo $$ > {proof}",
        ready=has_proved_itself, without_it="nothing scheduled happens",
    )  # fmt: skip
    async with supervising(tmp_path, dying) as watched:
        await watched.until(lambda: watched.part("dying").ends_in_a_row >= CRASH_LOOP)
        part, said = watched.part("dying"), " ".join(watched.said.getvalue().split())

        assert part.keeps_ending
        assert part.trouble is not None
        assert "dying keeps ending (" in part.trouble
        assert part.ready_after_seconds is None
        assert not watched.all_ready.is_set()
        assert "dying ready in" not in said
        assert "dying keeps ending (3 times in a row, exit code 1)." in said
        assert "Meanwhile nothing scheduled happens." in said


async def test_a_part_that_answers_and_dies_again_and_again_is_in_trouble_though_it_is_up(
    tmp_path: Path,
) -> None:
    async with supervising(tmp_path, shell("flapping", "sleep 0.05; exit 4")) as watched:
        await watched.until(
            lambda: (
                watched.part("flapping").ends_in_a_row >= CRASH_LOOP
                and watched.part("flapping").status == "ready"
            )
        )
        assert watched.part("flapping").is_running is False


async def test_a_part_that_lives_calmly_has_its_ends_forgiven(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    script = f"echo x >> {runs}; test $(wc -l < {runs}) -gt 3 && exec sleep 3600; exit 1"
    calm = Patience(first_seconds=0.05, longest_seconds=0.1, calm_seconds=0.5)
    async with supervising(tmp_path, shell("shaky", script), patience=calm) as watched:
        await watched.until(lambda: watched.part("shaky").ends_in_a_row == 3)
        await watched.until(lambda: watched.part("shaky").ends_in_a_row == 0)

        assert watched.part("shaky").trouble is None
        assert watched.part("shaky").restarts == 3


async def test_a_killed_part_comes_back_with_a_new_process(tmp_path: Path) -> None:
    async with supervising(tmp_path, shell("steady", "exec sleep 3600")) as watched:
        await asyncio.wait_for(watched.all_ready.wait(), HANG_SECONDS)
        first = watched.pid_of("steady")
        os.kill(first, signal.SIGKILL)

        await watched.until(
            lambda: watched.part("steady").status == "ready" and watched.part("steady").pid != first
        )
        assert "ended with signal SIGKILL" in watched.said.getvalue()


async def test_stopping_follows_the_order_and_leaves_nothing(tmp_path: Path) -> None:
    stopped, children = tmp_path / "stopped", tmp_path / "children"

    def part(name: str, step: int) -> Part:
        script = (
            f"sleep 3600 & echo $! >> {children}; touch {tmp_path}/{name}.up;"
            f"trap 'echo {name} >> {stopped}; exit 0' TERM; while :; do sleep 0.05; done"
        )
        return shell(name, script, stop_step=step, ready=appears(tmp_path / f"{name}.up"))

    async with supervising(
        tmp_path, part("last", 2), part("first", 0), part("middle", 1)
    ) as watched:
        await asyncio.wait_for(watched.all_ready.wait(), HANG_SECONDS)
        groups = [watched.pid_of(name) for name in ("first", "middle", "last")]

        assert await watched.stop() == 0

    assert stopped.read_text().split() == ["first", "middle", "last"]
    started = [*groups, *map(int, children.read_text().split())]
    assert len(started) == 6
    assert [pid for pid in started if not gone(pid)] == []
    assert watched.part("last").status == "stopped"


async def test_a_part_that_will_not_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    up = tmp_path / "up"
    deaf = shell(
        "deaf", f"trap '' TERM; touch {up}; while :; do sleep 1; done",
        ready=appears(up), grace_seconds=0.3,
    )  # fmt: skip
    async with supervising(tmp_path, deaf) as watched:
        await asyncio.wait_for(watched.all_ready.wait(), HANG_SECONDS)
        group, begun = watched.pid_of("deaf"), time.monotonic()

        assert await watched.stop() == 0

    assert time.monotonic() - begun >= 0.3
    assert gone(group)
    assert "deaf          did not stop in time, killed" in watched.said.getvalue()


async def test_asking_twice_kills_at_once(tmp_path: Path) -> None:
    up = tmp_path / "up"
    deaf = shell(
        "deaf", f"trap '' TERM; touch {up}; while :; do sleep 1; done",
        ready=appears(up), grace_seconds=60.0,
    )  # fmt: skip
    async with supervising(tmp_path, deaf) as watched:
        await asyncio.wait_for(watched.all_ready.wait(), HANG_SECONDS)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.1)

        assert await watched.stop() == 0


async def test_an_essential_part_that_never_comes_up_ends_the_start(tmp_path: Path) -> None:
    never = appears(tmp_path / "never")
    broken = shell("database", "echo no disk; exit 7", essential=True, ready=never)
    waiting = shell("api", "exec sleep 3600", after=("database",))

    async with supervising(tmp_path, broken, waiting) as watched:
        assert await asyncio.wait_for(watched.task, HANG_SECONDS) == 1

    assert "database does not start: it ended with exit code 7." in watched.said.getvalue()
    assert watched.part("api").started_at is None


async def test_a_program_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    missing = Part(name="redis", command=("/nowhere/redis-server",))

    async with supervising(tmp_path, missing) as watched:
        assert await asyncio.wait_for(watched.task, HANG_SECONDS) == 1

    assert "redis cannot be started: /nowhere/redis-server" in watched.said.getvalue()


async def test_everything_is_logged_and_warnings_are_shown(tmp_path: Path) -> None:
    lines = (
        '{"event": "quiet", "level": "info"}',
        '{"event": "odd", "level": "warning", "agent": "remus", "timestamp": "now"}',
        "plain",
        "ERROR: plain and loud",
    )
    script = "".join(f"echo '{line}';" for line in lines)
    async with supervising(tmp_path, shell("talks", f"{script} exec sleep 3600")) as watched:
        log = tmp_path / "logs" / "talks.log"
        await watched.until(lambda: log.exists() and len(log.read_text().splitlines()) == 4)

        assert log.read_text().splitlines() == list(lines)
        said = watched.said.getvalue()
        assert "talks         warning: odd · agent=remus" in said
        assert "talks         ERROR: plain and loud" in said
        assert "quiet" not in said
        assert " plain\n" not in said


async def test_the_last_lines_of_a_part_that_ended_are_for_a_person(tmp_path: Path) -> None:
    line = '{"event": "job_started", "level": "info", "job_id": "7", "timestamp": "now"}'
    async with supervising(tmp_path, shell("dying", f"echo '{line}'; exit 4")) as watched:
        await watched.until(lambda: "job_started" in watched.said.getvalue())
        said = " ".join(watched.said.getvalue().split())
        assert "dying info: job_started · job_id=7" in said
        assert "timestamp" not in said


async def test_the_last_lines_have_the_time_at_which_they_were_said(tmp_path: Path) -> None:
    async with supervising(tmp_path, shell("dying", "echo mine; sleep 1.5; exit 4")) as watched:
        await watched.until(lambda: "mine" in watched.said.getvalue())
        ended, mine = [
            line.split()[0]
            for line in watched.said.getvalue().splitlines()
            if "ended with" in line or "mine" in line
        ][:2]
        assert mine != ended


async def test_control_characters_in_what_a_part_says_do_not_reach_the_terminal(
    tmp_path: Path,
) -> None:
    script = """printf '{"event": "\\\\u001b[2Jgone", "level": "error"}\\n'; exec sleep 3600"""
    async with supervising(tmp_path, shell("rude", script)) as watched:
        await watched.until(lambda: "gone" in watched.said.getvalue())

        assert "\x1b" not in watched.said.getvalue()


async def test_a_refusal_after_the_start_is_said_and_everything_keeps_running(
    tmp_path: Path,
) -> None:
    async def refuse() -> None:
        raise PortTakenError("The demonstration could not be made.")

    said = io.StringIO()
    supervisor = Supervisor(
        [shell("steady", "exec sleep 3600")], data_dir=tmp_path, terminal=Terminal(said)
    )
    task = asyncio.create_task(supervisor.run(refuse))
    async with asyncio.timeout(HANG_SECONDS):
        while "The demonstration could not be made." not in said.getvalue():
            await asyncio.sleep(0.01)
    assert not task.done()

    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(task, HANG_SECONDS) == 0


def test_a_log_that_has_grown_too_large_makes_room(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "part.log")
    for letter in (b"a", b"b", b"c"):
        log.write(letter * ROTATE_AT_BYTES)
    log.write(b"d")
    log.close()

    assert (tmp_path / "part.log").read_bytes() == b"d\n"
    assert (tmp_path / "part.log.1").read_bytes() == b"c" * ROTATE_AT_BYTES + b"\n"
    assert len(list(tmp_path.iterdir())) == 2


# ------------------------------------------------------------------ a supervisor that is killed


ORPHANING = """
import asyncio, sys
from pathlib import Path
from mission_control.supervisor.parts import Part
from mission_control.supervisor.lock import sole_supervisor
from mission_control.supervisor.supervise import Supervisor
from mission_control.supervisor.terminal import Terminal

async def main(data_dir, *scripts):
    async def at_once(pid):
        return True
    parts = [
        Part(name=f"p{n}", command=("/bin/sh", "-c", s), ready=at_once)
        for n, s in enumerate(scripts)
    ]
    with sole_supervisor(data_dir):
        supervisor = Supervisor(parts, data_dir=data_dir, terminal=Terminal())
        await supervisor.run(lambda: asyncio.sleep(0, (data_dir / "all-ready").touch()))

asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
"""


def killed_supervisor(data_dir: Path, *scripts: str) -> list[int]:
    """Start a supervisor, kill it with SIGKILL when all is ready; the ids of what it had started."""
    command = [sys.executable, "-c", ORPHANING, str(data_dir), *scripts]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as supervisor:
        wait_for((data_dir / "all-ready").exists)
        assert running_state(data_dir) is not None
        supervisor.kill()
    state = last_state(data_dir)
    assert state is not None
    return [part.pid for part in state.parts if part.pid is not None]


def wait_for(true: Callable[[], object], seconds: float = HANG_SECONDS) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def gone(pid: int) -> bool:
    """Ended, even if nobody has collected its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends the children of the dead")
def test_killing_the_supervisor_takes_its_children(tmp_path: Path) -> None:
    pids = killed_supervisor(tmp_path, "exec sleep 3600", "exec sleep 3600")

    assert len(pids) == 2
    wait_for(lambda: all(gone(pid) for pid in pids))
    assert running_state(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_what_outlived_a_killed_supervisor_is_ended_by_the_next(tmp_path: Path) -> None:
    deaf = "trap '' TERM; while :; do sleep 0.1; done"
    (pid,) = await asyncio.to_thread(killed_supervisor, tmp_path, deaf)
    await asyncio.sleep(0.2)
    assert not gone(pid)
    said = io.StringIO()

    with sole_supervisor(tmp_path):
        await end_leftovers(tmp_path, Terminal(said), patience_seconds=0.3)

    await asyncio.to_thread(wait_for, lambda: gone(pid))
    assert f"still runs from before (pid {pid})" in said.getvalue()


# ------------------------------------------------------------------ refusals


def settings_for(data_dir: Path, **changes: object) -> Settings:
    first = free_ports_in_a_row(5)
    ports = {"mc_api_port": first, "mc_ui_port": first + 4}
    return Settings(_env_file=None, mc_data_dir=data_dir, **(ports | changes))  # type: ignore[call-arg,arg-type]


async def test_a_second_supervisor_on_the_same_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sole_supervisor(tmp_path):
        assert await run(settings_for(tmp_path)) == 2

    assert f"Mission Control already runs on {tmp_path}" in " ".join(
        capsys.readouterr().out.split()
    )


async def test_a_taken_port_is_named_with_its_setting_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]

        assert await run(settings_for(tmp_path, mc_ui_port=port)) == 2

    said = " ".join(capsys.readouterr().out.split())
    assert f"Port {port} for console is taken." in said
    assert "set MC_UI_PORT" in said
    assert not (tmp_path / "logs").exists()


async def test_a_setting_that_has_no_effect_is_said_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as busy:  # so that nothing starts
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        settings = settings_for(
            tmp_path,
            mc_ui_port=busy.getsockname()[1],
            vapi_webhook_secret="hunter2",  # noqa: S106
        )
        assert await run(settings) == 2

    said = " ".join(capsys.readouterr().out.split())
    assert "VAPI_WEBHOOK_SECRET is not used: without VAPI_API_KEY the stand-in" in said
    assert "hunter2" not in said


def test_a_port_that_was_used_a_moment_ago_is_free() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0] as accepted:
            accepted.close()  # the server's side closes first and lingers in TIME_WAIT
        taken = Part(name="api", command=("x",), port=port, port_setting="MC_API_PORT")
        with pytest.raises(PortTakenError, match="MC_API_PORT"):
            refuse_taken_ports([taken])

    refuse_taken_ports([taken])


async def test_a_data_directory_that_cannot_be_made_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    assert await run(settings_for(tmp_path / "file" / "data")) == 2

    assert "Set MC_DATA_DIR to a directory of yours." in " ".join(capsys.readouterr().out.split())


async def test_an_external_redis_that_is_not_there_is_refused_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    settings = settings_for(tmp_path, redis_url=f"redis://:hunter2@127.0.0.1:{port}/0")

    assert await run(settings) == 2

    said = " ".join(capsys.readouterr().out.split())
    assert f"Redis at 127.0.0.1:{port} does not answer" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MC_API_PORT", "many"),
        ("MC_MODEL_PRICES", "{hunter2"),
        ("OPENAI_BASE_URL", "hunter2"),
        ("VAPI_BASE_URL", "ftp://hunter2.example"),
        ("OPENAI_BASE_URL", "http://"),
        ("DATABASE_URL", "mysql://me:hunter2@host/name"),
        ("DATABASE_URL", "hunter2"),
        ("REDIS_URL", "http://:hunter2@host"),
    ],
)
def test_settings_that_cannot_be_used_are_one_line_and_exit_code_2(
    tmp_path: Path, name: str, value: str
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "mission_control.supervisor"],
        env={"PATH": os.defpath, "MC_DATA_DIR": str(tmp_path), name: value},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == 2
    assert len(told.stderr.splitlines()) == 1
    assert name in told.stderr
    assert "hunter2" not in told.stderr


async def test_a_secret_key_that_is_none_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await run(settings_for(tmp_path, mc_secret_key="hunter2")) == 2  # noqa: S106  # not a key

    said = " ".join(capsys.readouterr().out.split())
    assert "MC_SECRET_KEY is not a Fernet key" in said
    assert "hunter2" not in said


def test_one_port_for_two_parts_is_refused() -> None:
    port = free_port()
    console = shell("console", "", port=port, port_setting="MC_UI_PORT")

    with pytest.raises(PortTakenError, match=r"both api and console\. Set MC_UI_PORT"):
        refuse_taken_ports(
            [shell("redis", ""), shell("beat", ""), shell("api", "", port=port), console]
        )


def test_a_database_that_is_away_is_said_in_one_line(tmp_path: Path) -> None:
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/name"
    told = subprocess.run(
        [sys.executable, "-m", "mission_control.supervisor.migrations"],
        env={"PATH": os.defpath, "MC_DATA_DIR": str(tmp_path), "DATABASE_URL": url},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert told.returncode == 1
    assert len(told.stderr.splitlines()) == 1
    assert "Connection refused" in told.stderr
    assert "hunter2" not in told.stderr


def test_an_empty_key_address_or_model_means_unset() -> None:
    may_be_empty = [name for name, field in Settings.model_fields.items() if field.default is None]
    assert {"mc_embedding_model", "mc_judge_model", "vapi_api_key"} <= {*may_be_empty}

    found = Settings(_env_file=None, **dict.fromkeys(may_be_empty, ""))  # type: ignore[call-arg,arg-type]

    assert {name for name in may_be_empty if getattr(found, name) is not None} == set()


def test_port_zero_becomes_a_free_port_that_the_parts_are_told(tmp_path: Path) -> None:
    settings = with_free_redis_port(settings_for(tmp_path, mc_redis_port=0))

    assert settings.mc_redis_port
    assert settings.redis == f"redis://127.0.0.1:{settings.mc_redis_port}/0"
    assert settings.environment()["MC_REDIS_PORT"] == str(settings.mc_redis_port)
