"""Puts the commands together."""

from importlib.metadata import version
from typing import Annotated

import typer

from mission_control.cli import (
    agents,
    calls,
    deploy,
    drift,
    evaluate,
    jobs,
    leads,
    machine,
    memory,
    optimize,
    search,
    sync,
    totals,
)

HELP = """See, evaluate, optimize, deploy and roll back the agents of a company.

\b
Exit codes:
  0    done
  1    the work failed
  2    wrong usage, or refused
  3    something needed is not there (the API, a model, Vapi)
  130  interrupted; what was started goes on
"""

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: quicker, and it takes [brackets] as they are
    pretty_exceptions_enable=False,  # the rich ones print local variables, and with them secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:  # noqa: FBT001  # Typer calls it so
    if wanted:
        typer.echo(f"mission-control {version('mission-control')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


app.command("up")(machine.up)
app.command("demo")(machine.demo)
app.command("doctor")(machine.doctor)
app.add_typer(agents.app, name="agents")
app.command("evaluate")(evaluate.evaluate)
app.command("optimize")(optimize.optimize)
app.command("compare")(optimize.compare)
app.command("deploy")(deploy.deploy)
app.command("take-over")(deploy.take_over)
app.command("rollback")(deploy.rollback)
app.command("drift")(drift.drift)
app.add_typer(calls.app, name="calls")
app.add_typer(leads.app, name="leads")
app.add_typer(memory.app, name="memory")
app.command("sync")(sync.sync)
app.add_typer(jobs.app, name="jobs")
app.command("migrate")(machine.migrate)
app.add_typer(totals.app, name="totals")
app.add_typer(search.app, name="search")
app.add_typer(machine.sandbox, name="sandbox")
