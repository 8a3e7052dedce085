"""A memory server as a child process: started without a shell, bounded, and gone with all it started."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from mission_control.core.child_processes import dies_with_us, ends_within, signal_group
from mission_control.core.settings import inherited
from mission_control.core.tasks import end
from mission_control.integrations.memory.connection.wire import LINE_CHARACTERS, Allowance, Wire

log = structlog.get_logger(__name__)

STOP_SECONDS = 1.0  # to end by itself once its input is closed, then again after SIGTERM
KILL_SECONDS = 1.0
LOG_LINES_PER_SECOND = 200
# What a program needs to run at all. Everything else is given in memory.toml, by name.
_INHERITED = (
    "HOME",
    "LANG",
    "LOGNAME",
    "PATH",
    "SHELL",
    "TERM",
    "USER",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


class Child:
    """A running server: lines in, lines out."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        transport: asyncio.SubprocessTransport,
        wire: Wire,
    ) -> None:
        self._process = process
        self._transport = transport
        self._wire = wire

    @property
    def pid(self) -> int:
        """Also the id of its process group."""
        return self._process.pid

    async def read_line(self) -> bytes:
        """The next line; empty when there will be no more. Raises ValueError if it never ends."""
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    async def write_line(self, line: bytes) -> None:
        """Raises ConnectionError when nobody reads any more."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()

    async def note_exit(self) -> None:
        """Its output ended: find out how it died."""
        await ends_within(self._process, STOP_SECONDS)
        self._wire.has_exited = True
        self._wire.exit_code = self._process.returncode

    async def keep_last_lines(self) -> None:
        """Of its log, for the sentence that says why it died. One that writes too fast has to wait."""
        assert self._process.stderr is not None
        allowed = Allowance(at_once=1_000, per_second=LOG_LINES_PER_SECOND)
        while True:
            if not allowed.take():
                await asyncio.sleep(1 / LOG_LINES_PER_SECOND)
            try:
                line = await self._process.stderr.readline()
            except ValueError:  # longer than any line may be, and dropped
                continue
            if not line:
                return
            if text := line.decode(errors="replace").strip():
                self._wire.last_lines.append(text[:LINE_CHARACTERS])

    async def stop(self) -> None:
        """Close its input, then ask, then kill; whatever it started goes too."""
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
            if not await ends_within(self._process, STOP_SECONDS):
                signal_group(self.pid, signal.SIGTERM)
                await ends_within(self._process, STOP_SECONDS)
        finally:
            # Also when we are cancelled here, and for what outlives the server itself.
            signal_group(self.pid, signal.SIGKILL)
            # A pipe that is full, or held by somebody who left the group, would stay open.
            self._transport.close()
        await ends_within(self._process, KILL_SECONDS)


@asynccontextmanager
async def running(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path | None,
    longest_line: int,
    wire: Wire,
) -> AsyncGenerator[Child]:
    """The process for the length of the block. Raises OSError when it cannot be started."""
    # As `create_subprocess_exec` does it, which keeps the transport to itself.
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.subprocess_exec(
        lambda: asyncio.subprocess.SubprocessStreamProtocol(longest_line, loop),
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=directory,
        env={**inherited(*_INHERITED), **environment},
        start_new_session=True,
        preexec_fn=dies_with_us(signal.SIGKILL),
    )
    process = asyncio.subprocess.Process(transport, protocol, loop)
    child = Child(process, transport, wire)
    log.info("memory_server_started", program=Path(command[0]).name, pid=child.pid)
    errors = asyncio.create_task(child.keep_last_lines())
    try:
        yield child
    finally:
        try:
            await child.stop()
        finally:
            await end(errors)
            log.info("memory_server_stopped", pid=child.pid, exit_code=process.returncode)
