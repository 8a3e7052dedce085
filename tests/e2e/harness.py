"""The whole product as an operator has it: started by its own command, seen through its own doors."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from mission_control.core.part_states import last_state
from mission_control.core.settings import Settings
from mission_control.data.event_streams import FIRST_ID, EventStreams, open_redis
from tests.services import HANG_SECONDS, REPOSITORY, free_ports_in_a_row

COMMAND = (sys.executable, "-m", "mission_control.supervisor")
ENDED = frozenset({"completed", "failed", "cancelled"})
# The machine's own settings and keys must not reach a product under test.
OURS = frozenset(name.upper() for name in Settings.model_fields) | {"PYTHONDONTWRITEBYTECODE"}


class ProductError(AssertionError):
    """The product did not do in time what was waited for."""


@dataclass
class Product:
    """One installation on ports and data of its own."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict[str, str])
    port: int = field(default_factory=lambda: free_ports_in_a_row(5))
    process: subprocess.Popen[bytes] | None = None

    @property
    def data_dir(self) -> Path:
        return self.home / "data"

    @property
    def console(self) -> str:
        return f"http://127.0.0.1:{self.port + 4}"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def model(self) -> str:
        """Origin of the stand-in model."""
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def vapi(self) -> str:
        """Origin of the stand-in for Vapi."""
        return f"http://127.0.0.1:{self.port + 2}"

    @property
    def close(self) -> str:
        """Origin of the stand-in for Close."""
        return f"http://127.0.0.1:{self.port + 3}"

    @property
    def redis(self) -> str:
        return f"unix://{self.data_dir / 'redis.sock'}?db=0"

    # ---------------------------------------------------------------- start and stop

    def start(self) -> None:
        """Start it by its own command and wait until every part is ready."""
        with (self.home / "said.log").open("ab") as said:
            self.process = subprocess.Popen(
                COMMAND,
                cwd=self.home,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        wait_until(self._is_ready, f"the product to be ready:\n{self.said()[-1500:]}")

    def environment(self) -> dict[str, str]:
        """What the product and its command line are given."""
        inherited = {name: value for name, value in os.environ.items() if name.upper() not in OURS}
        temporary = self.home / "tmp"
        temporary.mkdir(exist_ok=True)
        return {
            **inherited,
            "MC_DATA_DIR": str(self.data_dir),
            "MC_API_PORT": str(self.port),
            "MC_UI_PORT": str(self.port + 4),
            "MC_DEMO": "0",
            "MC_SANDBOX_LEADS": "300",
            "TMPDIR": str(temporary),  # by which even an orphan is known to be ours
            **self.settings,
        }

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise ProductError(f"It ended ({self.process.returncode}):\n{self.said()[-3000:]}")
        state = last_state(self.data_dir)
        if state is None or state.pid != self.process.pid:
            return False
        if not all(part.status in {"ready", "done"} for part in state.parts):
            return False
        with suppress(httpx2.TransportError):
            return httpx2.get(f"{self.origin}/readyz", timeout=HANG_SECONDS).status_code == 200
        return False

    def stop(self) -> None:
        """Stop it as Ctrl-C does. Nothing of it may be left."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(HANG_SECONDS)
        except subprocess.TimeoutExpired:
            self.end_everything()
            raise ProductError(f"It did not stop:\n{self.said()[-1500:]}") from None
        left = self.processes()
        self.end_everything()
        assert left == {}, f"left behind: {left}"
        assert code == 0, self.said()[-1500:]

    def end_everything(self) -> None:
        """Kill whatever of it still runs; only for a test that has failed already."""
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait(HANG_SECONDS)

    def said(self) -> str:
        with suppress(OSError):
            return (self.home / "said.log").read_text(errors="replace")
        return ""

    def log_of(self, part: str) -> str:
        with suppress(OSError):
            return (self.data_dir / "logs" / f"{part}.log").read_text(errors="replace")
        return ""

    # ---------------------------------------------------------------- its processes

    def processes(self) -> dict[int, str]:
        """Everything that runs because of it, orphans too: pid → command line."""
        ours = str(self.home).encode()
        return {
            pid: command.replace(b"\0", b" ").decode(errors="replace").strip()
            for pid, command, environment in _running()
            if ours in command or ours in environment
        }

    def part(self, name: str) -> int | None:
        """Pid of a part of the supervisor; None while it is being started again."""
        state = last_state(self.data_dir)
        found = state.part(name) if state else None
        return found.pid if found else None

    def children(self, parent: int, command: str) -> list[int]:
        """Processes right below `parent` whose command line has `command` in it."""
        return [
            pid
            for pid, line in self.processes().items()
            if command in line and parent_of(pid) == parent
        ]

    # ---------------------------------------------------------------- its doors

    @contextmanager
    def client(self, **options: Any) -> Generator["Api"]:
        with httpx2.Client(base_url=self.origin, timeout=HANG_SECONDS, **options) as http:
            yield Api(http)

    def watch(self, path: str, *, after: str | None = None) -> "Viewer":
        """`path` as in `optimize/remus`."""
        return Viewer(f"ws://127.0.0.1:{self.port}/ws/{path}", after=after)

    async def stream(self, channel: str) -> list[dict[str, Any]]:
        """Every event of a channel, as Redis holds them."""
        redis = open_redis(self.redis)
        streams, events, last = EventStreams(redis), list[dict[str, Any]](), FIRST_ID
        try:
            while batch := await streams.replay(channel, after=last):
                events += [{"id": each.id, **json.loads(each.body)} for each in batch]
                last = batch[-1].id
        finally:
            await redis.aclose()
        return events


@contextmanager
def running(home: Path, **settings: str) -> Generator[Product]:
    """A product for the length of the block, with these settings."""
    product = Product(home, settings)
    try:
        product.start()
        yield product
    except BaseException:
        product.end_everything()
        raise
    product.stop()


@dataclass
class Api:
    """REST as a client uses it."""

    http: httpx2.Client

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(f"/api/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None, *, expect: int = 202) -> Any:
        answer = self.http.post(f"/api/{path}", json={} if body is None else body)
        assert answer.status_code == expect, answer.text
        return answer.json()

    def import_agent(self, name: str, agent_id: str | None = None, **fields: Any) -> str:
        """Import a playbook that ships, under its own id or another one."""
        text = (REPOSITORY / "agents" / f"{name}.yaml").read_text()
        if agent_id is not None:
            assert f"  id: {name}\n" in text
            text = text.replace(f"  id: {name}\n", f"  id: {agent_id}\n", 1)
        self.post("agents", {"playbook": text, "type": "phone_bot", **fields}, expect=201)
        return agent_id or name

    def finish(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job once it has ended, however it ended."""
        until = time.monotonic() + HANG_SECONDS
        while True:
            found = self.get(f"jobs/{job['id']}")
            if found["status"] in ENDED:
                return found
            assert time.monotonic() < until, f"not ended: {found}"
            time.sleep(0.1)

    def complete(self, job: dict[str, Any]) -> dict[str, Any]:
        ended = self.finish(job)
        assert ended["status"] == "completed", ended
        return ended


# -------------------------------------------------------------------- a console that watches


class Viewer:
    """A console on a WebSocket: remembers what it was shown, and comes back when it was cut off."""

    def __init__(self, address: str, *, after: str | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.snapshots: list[dict[str, Any]] = []
        self.connected = 0
        self.closed_with: int | None = None
        self.last_id = after
        self._address = address
        self._connection: ClientConnection | None = None
        self._arrived = asyncio.Event()

    @asynccontextmanager
    async def watching(self) -> AsyncGenerator["Viewer"]:
        task = asyncio.create_task(self._watch())
        try:
            await self.until(lambda: bool(self.snapshots))
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while not true():
                self._arrived.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._arrived.wait(), 0.2)

    async def until_event(self, kind: str) -> dict[str, Any]:
        await self.until(lambda: kind in self.kinds())
        return next(event for event in self.events if event["type"] == kind)

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.events]

    def drop(self) -> None:
        """Cut the TCP connection, without a word of goodbye."""
        if self._connection is not None:
            self._connection.transport.abort()

    async def _watch(self) -> None:
        while True:
            with suppress(OSError, ConnectionClosed, InvalidStatus, InvalidMessage, TimeoutError):
                await self._connect()
            self._connection = None
            await asyncio.sleep(0.05)

    async def _connect(self) -> None:
        after = f"?after={self.last_id}" if self.last_id is not None else ""
        async with connect(
            self._address + after, open_timeout=HANG_SECONDS, max_size=None, proxy=None
        ) as connection:
            self._connection = connection
            self.connected += 1
            try:
                async for text in connection:
                    self._take(json.loads(text))
            finally:
                self.closed_with = connection.close_code

    def _take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "snapshot":
            self.snapshots.append(frame)
            self.last_id = self.last_id or frame["id"]
        elif frame["type"] != "heartbeat":
            self.events.append(frame)
            self.last_id = frame["id"]
        self._arrived.set()


# -------------------------------------------------------------------- small things


def wait_until(true: Callable[[], object], what: str) -> None:
    until = time.monotonic() + HANG_SECONDS
    while not true():
        if time.monotonic() > until:
            raise ProductError(f"Waited {HANG_SECONDS:.0f} s in vain for {what}")
        time.sleep(0.1)


def parent_of(pid: int) -> int | None:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def _running() -> Iterator[tuple[int, bytes, bytes]]:
    """Pid, command line and environment of every process that we may look at."""
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            if not place.name.isdigit():
                continue
            state = (place / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z":
                yield (
                    int(place.name),
                    (place / "cmdline").read_bytes(),
                    (place / "environ").read_bytes(),
                )


def ids(events: Sequence[dict[str, Any]]) -> list[str]:
    return [event["id"] for event in events]
