"""What `up` does once everything is ready: on the first start of an empty sandbox, the main job."""

import asyncio
import sys

from rich.console import Console

from mission_control.cli.session import address, base_url
from mission_control.client.api_client import ApiClient
from mission_control.client.errors import ApiError
from mission_control.core.child_processes import dies_with_us
from mission_control.core.settings import Settings
from mission_control.supervisor.terminal import Terminal

GRACE_SECONDS = 2.0


async def show_main_job(settings: Settings) -> None:
    """Run the demo if this is the first start, then say where the product is, as the last thing."""
    if not await asyncio.to_thread(_is_first_start, settings):
        return
    terminal = Terminal()
    terminal.headline("An empty sandbox: here is the main job. (MC_DEMO=0 leaves it out.)")
    code = await _run_demo(settings)
    if code != 0:
        terminal.headline(
            f"The demo ended with exit code {code}; everything keeps running. "
            "See it again with `mission-control demo`.",
            "bold yellow",
        )
    if await asyncio.to_thread(_start_reading, settings):
        terminal.headline(
            "Leads and calls are being read in the background: `mission-control sync`."
        )
    terminal.headline(f"console  {address(settings, settings.mc_ui_port)}", "bold green")
    terminal.headline(f"api      {base_url(settings)}", "bold green")


def _is_first_start(settings: Settings) -> bool:
    is_sandbox = (
        settings.model_is_stand_in and settings.vapi_is_stand_in and settings.vapi_base_url is None
    )
    if not (settings.mc_demo and is_sandbox):
        return False
    try:
        with ApiClient(base_url(settings)) as client:
            return not client.agents.list(limit=1).items
    except ApiError:  # it is late; whoever looks at the terminal sees why
        return False


def _start_reading(settings: Settings) -> bool:
    """Fill the console with the stand-ins' leads and calls. What is real is read when asked for."""
    if not settings.close_is_stand_in:
        return False
    try:
        with ApiClient(base_url(settings)) as client:
            client.syncs.start()
    except ApiError:  # nothing is lost: the console has a button for it
        return False
    return True


async def _run_demo(settings: Settings) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mission_control.cli", "demo"),
        stdin=asyncio.subprocess.DEVNULL,
        env=settings.environment(),
        start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then ends this too
        preexec_fn=dies_with_us(),
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(GRACE_SECONDS):
                    await process.wait()
            except TimeoutError:
                process.kill()
            Console(stderr=True).show_cursor()  # its live display had hidden it
