"""`mission-control totals`: the sums that are kept beside the calls."""

import typer

from mission_control.cli.options import AsJson

app = typer.Typer(help="The sums that are kept beside the calls.", no_args_is_help=True)


@app.command("check")
def check(*, as_json: AsJson = False) -> None:
    """Add up every call and compare. Exit code 1 when a sum is wrong; nothing is changed."""
    from mission_control.cli.maintenance import check_totals
    from mission_control.cli.session import Screen, reporting

    screen = Screen(as_json=as_json)
    with reporting(screen):
        is_right = check_totals(screen)
    if not is_right:
        raise typer.Exit(1)


@app.command("rebuild")
def rebuild(*, as_json: AsJson = False) -> None:
    """Add up every call again. The product may run; who changes calls waits meanwhile."""
    from mission_control.cli.maintenance import rebuild_totals
    from mission_control.cli.session import Screen, reporting

    screen = Screen(as_json=as_json)
    with reporting(screen):
        rebuild_totals(screen)
