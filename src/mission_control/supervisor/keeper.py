"""Keeps one part alive: starts it, watches it, starts it again, stops it."""

import asyncio
import signal
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mission_control.core.child_processes import signal_group
from mission_control.core.clock import utc_now
from mission_control.core.part_states import (
    CRASH_LOOP,
    PartState,
    PartStatus,
    meaning_of_exit,
)
from mission_control.supervisor.errors import PartFailedError
from mission_control.supervisor.parts import Part
from mission_control.supervisor.processes import Child, spawn
from mission_control.supervisor.terminal import LogFile, Terminal, readable, worth_showing

LOOK_EVERY_SECONDS = 0.05
CHUNK_BYTES = 64 * 1024
LONGEST_LINE_BYTES = 1024 * 1024
LAST_LINES = 5  # shown of a part that crashed


@dataclass(frozen=True)
class Patience:
    """How crashes are answered: pauses double from `first` to `longest`, until a part lives `calm`."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    calm_seconds: float = 30.0
    starts_of_essential: int = 3  # how often it may fail before it was ever ready


class Keeper:
    def __init__(
        self,
        part: Part,
        *,
        terminal: Terminal,
        logs: Path,
        patience: Patience,
        changed: Callable[[], None],
    ) -> None:
        self.part = part
        self.state = PartState(
            name=part.name, stand_in=part.stand_in, port=part.port, command=[*part.command]
        )
        self.ready = asyncio.Event()
        self._terminal = terminal
        self._log_path = logs / f"{part.name}.log"
        self._patience = patience
        self._changed = changed
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._last_lines: deque[tuple[datetime, str]] = deque(maxlen=LAST_LINES)
        self._shown_last_time: list[str] = []

    async def keep(self, after: Sequence["Keeper"]) -> None:
        """Once the parts before it are ready, run it until `stop`, or until its one thing is done.

        Raises:
            PartFailedError: It is essential and does not come up.
        """
        for other in after:
            await other.ready.wait()
        failures, pause = 0, self._patience.first_seconds
        while not self._stopping.is_set():
            code, seconds = await self._live()
            if self._stopping.is_set():
                return
            if self.part.runs_once and code == 0:
                self._finish()
                return
            failures += 1
            self._give_up_on_essential(code, failures)
            pause = self._patience.first_seconds if seconds > self._patience.calm_seconds else pause
            await self._pause(code, pause)
            pause = min(pause * 2, self._patience.longest_seconds)

    def start_nothing_more(self) -> None:
        self._stopping.set()

    async def stop(self) -> None:
        """Ask it to end, wait for its grace, then end its whole group."""
        self._stopping.set()
        process = self._process
        if process is None:
            self._enter("stopped" if self.state.status != "done" else "done")
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.part.grace_seconds):
                await process.wait()
        except TimeoutError:
            self._terminal.say(self.part.name, "did not stop in time, killed", "yellow")
            self.kill()
            await process.wait()
        self._enter("stopped")

    def kill(self) -> None:
        """End the group now, without asking."""
        self._stopping.set()
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)

    # ---------------------------------------------------------------- one life

    async def _live(self) -> tuple[int, float]:
        """Exit code and length of one life, in seconds."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        self.state.ready_after_seconds = None
        self._enter("starting")
        child = await self._spawn()
        self._process = process = child.process
        self.state.pid, self.state.started_at = process.pid, utc_now()
        if self._stopping.is_set():  # asked to stop while it was being started
            self.kill()
        reading = asyncio.create_task(self._read(child.output))
        watching = asyncio.create_task(self._watch(process, begun))
        try:
            code = await process.wait()
        finally:
            watching.cancel()
        # A worker that crashed leaves its pool behind, and that would hold on to the log.
        signal_group(process.pid, signal.SIGKILL)
        await asyncio.wait([reading, watching], timeout=1)
        reading.cancel()
        child.pipe.close()
        self._process = None
        self.state.pid, self.state.last_exit_code = None, code
        return code, clock() - begun

    async def _watch(self, process: Process, begun: float) -> None:
        """Call it ready when it has proved that, and calm when it has lived for a while."""
        if self.part.ready is None:
            return
        # Another process has no event to wait for.
        while not await self.part.ready(process.pid):  # noqa: ASYNC110
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        if process.returncode is not None:  # it died while its proof was looked at
            return
        self.state.ready_after_seconds = round(asyncio.get_running_loop().time() - begun, 2)
        self._enter("ready")
        self._say_ready()
        await asyncio.sleep(self._patience.calm_seconds)
        self.state.ends_in_a_row = 0
        self._changed()

    async def _spawn(self) -> Child:
        try:
            return await spawn(
                self.part.command, self.part.environment, when_orphaned=self.part.when_orphaned
            )
        except OSError as exc:
            raise PartFailedError(
                f"{self.part.name} cannot be started: {self.part.command[0]}: {exc.strerror}.",
                part=self.part.name,
            ) from exc

    async def _read(self, output: asyncio.StreamReader) -> None:
        log, rest = LogFile(self._log_path), b""
        try:
            while chunk := await output.read(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > LONGEST_LINE_BYTES:
                    lines, rest = [*lines, rest], b""
                for line in lines:
                    self._take(line, log)
        finally:
            if rest:
                self._take(rest, log)
            log.close()

    def _take(self, line: bytes, log: LogFile) -> None:
        log.write(line)
        text = line.decode(errors="replace").rstrip()
        if text:
            self._last_lines.append((utc_now(), readable(text)))
        if shown := worth_showing(text):
            self._terminal.say(self.part.name, shown, "yellow")

    # ---------------------------------------------------------------- between lives

    async def _pause(self, code: int, seconds: float) -> None:
        self.state.restarts += 1
        self.state.ends_in_a_row += 1
        self._enter("restarting")
        self._terminal.say(
            self.part.name,
            f"ended with {meaning_of_exit(code)}; starts again in {seconds:g} s",
            "red",
        )
        self._show_last_lines()
        if self.state.ends_in_a_row == CRASH_LOOP:
            self._terminal.headline(self._crash_loop(), "bold red")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _crash_loop(self) -> str:
        meanwhile = f"Meanwhile {self.part.without_it}. " if self.part.without_it else ""
        return f"{self.state.trouble}. {meanwhile}Everything it said is in {self._log_path}."

    def _give_up_on_essential(self, code: int, failures: int) -> None:
        attempts = 1 if self.part.runs_once else self._patience.starts_of_essential
        if not self.part.essential or self.ready.is_set() or failures < attempts:
            return
        self._show_last_lines()
        raise PartFailedError(
            f"{self.part.name} does not start: it ended with {meaning_of_exit(code)}. "
            f"Everything it said is in {self._log_path}.",
            part=self.part.name,
        )

    def _finish(self) -> None:
        self._enter("done")
        seconds = (
            (utc_now() - self.state.started_at).total_seconds() if self.state.started_at else 0
        )
        self._terminal.say(self.part.name, f"done in {seconds:.2f} s", "green")

    def _enter(self, status: PartStatus) -> None:
        self.state.status = status
        if status in {"ready", "done"}:
            self.ready.set()
        self._changed()

    def _say_ready(self) -> None:
        port = f"  port {self.part.port}" if self.part.port else ""
        mark = "  STAND-IN" if self.part.stand_in else ""
        self._terminal.say(
            self.part.name,
            f"ready in {self.state.ready_after_seconds:.2f} s  pid {self.state.pid}{port}{mark}",
            "yellow" if self.part.stand_in else "green",
        )

    def _show_last_lines(self) -> None:
        said = [*self._last_lines]
        self._last_lines.clear()
        lines = [line for _, line in said]
        if lines != self._shown_last_time:
            for moment, line in said:
                self._terminal.say(self.part.name, line, "dim", at=moment)
        self._shown_last_time = lines
