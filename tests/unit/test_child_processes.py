"""A child is waited for as long as is said, and ended with all that it started."""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mission_control.core.child_processes import ends_within, signal_group
from tests.services import HANG_SECONDS


@asynccontextmanager
async def child(code: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, start_new_session=True, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        signal_group(process.pid, signal.SIGKILL)
        await process.communicate()


async def test_one_that_ends_is_seen_although_its_child_holds_its_pipe_open() -> None:
    code = "import os, time\nif os.fork() == 0: time.sleep(600)\nos._exit(0)"
    async with child(code) as process:
        assert await ends_within(process, HANG_SECONDS)
        assert process.returncode == 0


async def test_one_that_goes_on_is_not_waited_for() -> None:
    async with child("import time; time.sleep(600)") as process:
        assert not await ends_within(process, 0.05)
        signal_group(process.pid, signal.SIGTERM)
        assert await ends_within(process, HANG_SECONDS)
        assert process.returncode == -signal.SIGTERM


async def test_a_group_that_is_gone_needs_no_signal() -> None:
    async with child("pass") as process:
        assert await ends_within(process, HANG_SECONDS)
        signal_group(process.pid, signal.SIGTERM)
