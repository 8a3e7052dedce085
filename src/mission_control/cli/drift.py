"""`mission-control drift`."""

from typing import Annotated

import typer

from mission_control.cli.options import ApiUrl, AsJson


def drift(
    *,
    agent_id: Annotated[
        str | None,
        typer.Argument(metavar="[AGENT]", help="Id of the agent.  [default: every phone bot]"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask Vapi now, instead of showing what was found last.")
    ] = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Show how agents and their assistants at Vapi have moved apart. Changes nothing.

    Exit code 3 when --check could not ask Vapi.
    """
    from mission_control.cli import drift_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        if agent_id is not None:
            drift_tables.show_one(session, agent_id, check=check)
        else:
            drift_tables.show_all(session, check=check)
