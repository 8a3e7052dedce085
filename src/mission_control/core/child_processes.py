"""Child processes that do not outlive us, each the head of a group that is ended as a whole."""

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable
from contextlib import suppress

PR_SET_PDEATHSIG = 1
LOOK_EVERY_SECONDS = 0.01
LINUX_C_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


def dies_with_us(number: signal.Signals = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn` that makes the child end when we are killed. Linux alone can do it."""
    library, parent = LINUX_C_LIBRARY, os.getpid()
    if library is None:
        return None

    def ask_the_kernel() -> None:
        library.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_the_kernel


def signal_group(pid: int, number: signal.Signals) -> None:
    """To a process that was started in a session of its own, and to all that it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


async def ends_within(process: Process, seconds: float) -> bool:
    """Wait for its end, and no longer than that.

    Not by `process.wait()`, which waits until its pipes are closed too: a grandchild may hold them.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while process.returncode is None:  # noqa: ASYNC110  # nothing tells us
                await asyncio.sleep(LOOK_EVERY_SECONDS)
    return process.returncode is not None
