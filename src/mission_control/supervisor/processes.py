"""Child processes that do not outlive us, each the head of a group that can be ended as a whole."""

import asyncio
import os
import signal
import subprocess
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mission_control.core.child_processes import LINUX_C_LIBRARY, dies_with_us


@dataclass(frozen=True)
class Child:
    """A process and what it says, stdout and stderr together."""

    process: Process
    output: asyncio.StreamReader
    pipe: asyncio.ReadTransport


async def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    when_orphaned: signal.Signals = signal.SIGTERM,
) -> Child:
    """Start a process in a session of its own, which gets `when_orphaned` if we are killed.

    The pipe is ours and not asyncio's: there, a process counts as running for as long as a
    grandchild keeps its output open.
    """
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=DEVNULL,
            stdout=writing,
            stderr=writing,
            env=environment,
            umask=0o077,
            start_new_session=True,  # Ctrl-C in the terminal reaches us alone; we decide the order
            preexec_fn=dies_with_us(when_orphaned),
        )
    except OSError:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    output = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reading, "rb", buffering=0)
    )
    return Child(process, output, pipe)


def runs(pid: int, command: Sequence[str]) -> bool:
    """Whether this process is still the one we started: numbers are given out again."""
    if LINUX_C_LIBRARY is not None:
        with suppress(OSError):
            return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1] == [
                *map(os.fsencode, command)
            ]
        return False
    listed = subprocess.run(  # noqa: S603  # a fixed program and a number
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout.strip() == " ".join(command)
