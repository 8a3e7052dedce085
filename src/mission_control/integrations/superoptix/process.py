"""Starts, talks to and stops one engine process."""

import asyncio
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path

import structlog

from mission_control.core.child_processes import dies_with_us, ends_within, signal_group
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.child import cause_of_death, environment, is_running
from mission_control.integrations.superoptix.engine_log import EngineLog
from mission_control.integrations.superoptix.failures import UNCHANGED, failure
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control_protocol import (
    FROM_ENGINE,
    TO_ENGINE,
    VERSION,
    Cancel,
    Compiled,
    Doctored,
    ErrorKind,
    Evaluated,
    Failed,
    FromEngine,
    MarketplaceListed,
    Optimized,
    Ran,
    Ready,
    ToEngine,
)

log = structlog.get_logger(__name__)

MAX_LINE_BYTES = 16 << 20
READY_SECONDS = 30.0
TERMINATE_SECONDS = 1.0
KILL_SECONDS = 0.5

_LAST_ANSWERS = (Doctored, Compiled, MarketplaceListed, Evaluated, Ran, Optimized, Failed)
# A model may say NUL, and PostgreSQL stores no text that holds it. (Not: a backslash before `u0000`.)
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

# Engines of a parent process: collecting them here would close what the parent still uses.
_inherited_engines: list["EngineProcess"] = []


class EngineProcess:
    """One engine, spoken to by any number of requests at once.

    It belongs to the process and the event loop that made it, and is started by its first use.
    `on_started` is told its pid.
    """

    def __init__(
        self,
        location: EngineLocation,
        *,
        purpose: str,
        on_started: Callable[[int], None] | None = None,
    ) -> None:
        self.purpose = purpose
        self._location = location
        self._on_started = on_started
        self._owner = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._starting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._process: asyncio.subprocess.Process | None = None
        self._home: Path | None = None
        self._ready = asyncio.Event()
        self._requests: dict[str, asyncio.Queue[FromEngine | None]] = {}
        self._ended: tuple[ErrorKind, str] | None = None
        self._log = EngineLog()

    # ---------------------------------------------------------------- state

    @property
    def pid(self) -> int | None:
        """Also the id of its process group."""
        return self._process.pid if self._process else None

    def is_ours(self) -> bool:
        """Whether this process and this event loop made it."""
        return self._owner == os.getpid() and self._loop is asyncio.get_running_loop()

    def is_usable(self) -> bool:
        """Whether a request would find it alive. True before the start."""
        start = self._starting
        has_failed = start is not None and start.done() and start.exception() is not None
        if has_failed or self._ended is not None or self._closing is not None:
            return False
        return self._process is None or is_running(self._process.pid)

    # ---------------------------------------------------------------- talk

    async def request(
        self, message: ToEngine, *, kept: object = UNCHANGED
    ) -> AsyncGenerator[FromEngine]:
        """Every message of this request, up to and including its last.

        Leaving early cancels the request. Raises SuperOptiXError: `crashed` when the process
        ends, `internal` when it says what is not in the protocol, `config` when there is none.
        `kept` is asked, as text, for the sentence that says what is left of the work.
        """
        await self.start()
        answers: asyncio.Queue[FromEngine | None] = asyncio.Queue()
        self._requests[message.id] = answers
        is_over = False
        try:
            await self._send(message)
            while not is_over:
                answer = await answers.get()
                if answer is None:
                    is_over = True
                    raise self._end_as_error(kept)
                is_over = isinstance(answer, _LAST_ANSWERS)
                yield answer
        finally:
            del self._requests[message.id]
            if not is_over:
                self._write(Cancel(id=f"{message.id}-cancel", target=message.id))

    async def _send(self, message: ToEngine) -> None:
        if self._ended is not None:
            raise self._end_as_error()
        assert self._process is not None
        assert self._process.stdin is not None
        self._log.hide_keys_of(message)
        self._write(message)
        # A pipe that broke is an engine that is ending: the listener says so to every request.
        with suppress(ConnectionError):
            await self._process.stdin.drain()

    def _write(self, message: ToEngine) -> None:
        if self._ended is None and self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(TO_ENGINE.dump_json(message) + b"\n")

    # ---------------------------------------------------------------- start

    async def start(self) -> None:
        """Start it unless that was done, and wait until it says `ready`."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
        # Others may wait for the same start, so one that gives up must not end it.
        await asyncio.shield(self._starting)
        if self._ended is not None:
            raise self._end_as_error()

    async def _start(self) -> None:
        python, sources = self._location.python(), self._location.sources()
        self._home = Path(tempfile.mkdtemp(prefix="mission-control-engine-"))
        try:
            self._process = await self._spawn(python, sources, self._home)
        except asyncio.CancelledError:
            self._remove_home()
            raise
        except OSError as exc:
            self._remove_home()
            raise failure("config", f"the engine's Python does not start ({exc.strerror})") from exc
        log.info("engine_started", pid=self._process.pid, purpose=self.purpose)
        self._readers = [
            asyncio.create_task(self._listen(self._process)),
            asyncio.create_task(self._log.follow(self._process)),
        ]
        if self._on_started is not None:
            self._on_started(self._process.pid)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            self._end("crashed", f"it was not ready within {READY_SECONDS:.0f} seconds")
            await self._kill()
            self._remove_home()

    async def _spawn(
        self, python: Path, sources: list[Path], home: Path
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            python,
            "-m",
            "engine_host",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=MAX_LINE_BYTES,
            cwd=home,
            env=environment(sources, home),
            start_new_session=True,
            preexec_fn=dies_with_us(signal.SIGKILL),
        )

    # ---------------------------------------------------------------- listen

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            # The last line of an engine that was killed may be half a line.
            while (line := await process.stdout.readline()).endswith(b"\n"):
                self._deliver(FROM_ENGINE.validate_json(_NUL.sub(rb"\1\\ufffd", line)))
        except ValueError:  # also a line without an end
            await self._kill()
            self._end("internal", "it said something that is not in its protocol")
        except asyncio.CancelledError:  # the event loop is being closed
            await self._kill()
            self._end("crashed", "it was stopped")
            raise
        else:
            await self._mourn(process)

    def _deliver(self, message: FromEngine) -> None:
        if isinstance(message, Ready):
            self._greet(message.protocol)
        elif message.id in self._requests:
            self._requests[message.id].put_nowait(message)
        # Anything else belongs to a request whose consumer has left.

    def _greet(self, version: int) -> None:
        """An engine of another release is not spoken to: it would misread what it is asked."""
        if version != VERSION:
            self._end("config", self._location.of_another_release(version))
            assert self._process is not None
            signal_group(self._process.pid, signal.SIGKILL)
        self._ready.set()

    async def _mourn(self, process: asyncio.subprocess.Process) -> None:
        """Its output ended: find out how it died, and let nothing of it survive."""
        await ends_within(process, TERMINATE_SECONDS)
        signal_group(process.pid, signal.SIGKILL)
        self._end("crashed", cause_of_death(process.returncode))

    # ---------------------------------------------------------------- stop

    async def close(self) -> None:
        """End the process and whatever it started, within two seconds."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        # The process must be gone even if the one who asks is cancelled meanwhile.
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._starting is not None and self._process is None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        self._end("cancelled", "the engine was stopped")
        if self._process is None:
            return
        signal_group(self._process.pid, signal.SIGTERM)
        await ends_within(self._process, TERMINATE_SECONDS)
        await self._kill()
        for reader in self._readers:
            reader.cancel()
        if self._readers:
            await asyncio.wait(self._readers)
        self._remove_home()
        log.info("engine_stopped", pid=self._process.pid, exit_code=self._process.returncode)

    def abandon(self) -> None:
        """Give up an engine that another process or another event loop made."""
        _inherited_engines.append(self)
        if self._owner == os.getpid():
            if self._process is not None:
                signal_group(self._process.pid, signal.SIGKILL)
            self._remove_home()

    async def _kill(self) -> None:
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)
            await ends_within(self._process, KILL_SECONDS)

    def _end(self, kind: ErrorKind, detail: str) -> None:
        """Tell every open request that there will be no answer. Only the first cause counts."""
        if self._ended is not None:
            return
        self._ended = (kind, detail)
        self._ready.set()
        for answers in self._requests.values():
            answers.put_nowait(None)
        if kind != "cancelled":
            self._remove_home()
            log.warning("engine_died", pid=self.pid, cause=detail, last_lines=self._log.last_lines)

    def _end_as_error(self, kept: object = UNCHANGED) -> SuperOptiXError:
        assert self._ended is not None
        kind, detail = self._ended
        return failure(kind, detail, kept=str(kept))

    def _remove_home(self) -> None:
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
