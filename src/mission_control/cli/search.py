"""`mission-control search`: what calls, leads and memories are found by."""

import typer

from mission_control.cli.options import AsJson

app = typer.Typer(help="What calls, leads and memories are found by.", no_args_is_help=True)


@app.command("rebuild")
def rebuild(*, as_json: AsJson = False) -> None:
    """Make the searches anew from what is stored. Stop the product first: it takes minutes."""
    from mission_control.cli.maintenance import rebuild_searches
    from mission_control.cli.session import Screen, reporting

    screen = Screen(as_json=as_json)
    with reporting(screen):
        rebuild_searches(screen)
