"""The commands about this machine: `up`, `demo`, `doctor`, `migrate`, `sandbox`."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mission_control.cli.options import ApiUrl, AsJson

sandbox = typer.Typer(
    help="Run one stand-in for the outside world.", no_args_is_help=True, rich_markup_mode=None
)

Port = Annotated[int, typer.Option(min=1, max=65535, help="On 127.0.0.1.")]
DataFile = Annotated[Path | None, typer.Option(help="Where changes outlive the process.")]
People = Annotated[int, typer.Option(min=1, max=29_000, help="How many leads there are.")]
Live = Annotated[
    float | None, typer.Option(min=0.1, metavar="SECONDS", help="A new call this often.")
]


def up() -> None:
    """Start everything on this machine, and keep it running until Ctrl-C."""
    import asyncio

    from mission_control.cli.first_start import show_main_job
    from mission_control.cli.session import Screen, reporting
    from mission_control.core.settings import get_settings
    from mission_control.integrations.memory.config.reading import load_configuration
    from mission_control.supervisor.supervise import run

    with reporting(Screen()):
        settings = get_settings()
        load_configuration(settings.memory_config)  # before anything is started
        raise typer.Exit(asyncio.run(run(settings, on_ready=lambda: show_main_job(settings))))


def demo(*, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Show the main job on the sandbox: measure, optimize, compare, deploy, verify."""
    from mission_control.cli.demo import demonstrate
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        demonstrate(session)


def doctor(*, as_json: AsJson = False) -> None:
    """Look at everything that has to be right. Exit code 1 when something is not."""
    from mission_control.cli.doctor_report import examine_all
    from mission_control.cli.session import Screen, reporting

    screen = Screen(as_json=as_json)
    with reporting(screen):
        examine_all(screen)


def migrate(*, as_json: AsJson = False) -> None:
    """Bring the database to the newest schema. `up` does so by itself."""
    from mission_control.cli.migration import migrate_database
    from mission_control.cli.session import Screen, reporting

    screen = Screen(as_json=as_json)
    with reporting(screen):
        migrate_database(screen)


@sandbox.command("model")
def sandbox_model(
    *,
    port: Port,
    latency_ms: Annotated[float, typer.Option(min=0, help="How long an answer takes.")] = 0,
) -> None:
    """A language model that costs nothing: an OpenAI API at /v1."""
    _become_stand_in("model", {"--port": port, "--latency-ms": latency_ms})


@sandbox.command("vapi")
def sandbox_vapi(
    *,
    port: Port,
    data_file: DataFile = None,
    people: People = 29_000,
    live: Live = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where calls are reported to, as they happen.")
    ] = None,
    webhook_secret: Annotated[
        str | None, typer.Option(help="What these reports are authorised with (a bearer token).")
    ] = None,
) -> None:
    """A Vapi with the assistants REMUS, GENESIS and SCOUT, and the calls they made."""
    options = {"--port": port, "--data-file": data_file, "--people": people, "--live": live}
    reports = {"--webhook-url": webhook_url, "--webhook-secret": webhook_secret}
    _become_stand_in("vapi", options | reports)


@sandbox.command("close")
def sandbox_close(
    *, port: Port, data_file: DataFile = None, people: People = 29_000, live: Live = None
) -> None:
    """A Close with leads, their contacts, and the calls that people had with them."""
    options = {"--port": port, "--data-file": data_file, "--people": people, "--live": live}
    _become_stand_in("close", options)


def _become_stand_in(of: str, options: Mapping[str, object]) -> NoReturn:
    """This process goes on as the stand-in, a program of its own that the product never imports."""
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    module = f"mission_control_sandbox.{of}_server"
    os.execv(sys.executable, [sys.executable, "-m", module, *given])  # noqa: S606  # no shell
