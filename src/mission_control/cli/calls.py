"""`mission-control calls`."""

from datetime import datetime
from typing import Annotated, Literal

import typer

from mission_control.cli.options import ApiUrl, AsJson, Limit
from mission_control.core.words import CallEnding, CallSource

app = typer.Typer(
    help="Look at phone calls, and at what they came to.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]
Agent = Annotated[str | None, typer.Option(metavar="AGENT", help="Only of this one.")]
Since = Annotated[
    datetime | None, typer.Option("--from", formats=DAYS, help="Not before, by your clock.")
]
Until = Annotated[
    datetime | None, typer.Option("--to", formats=DAYS, help="Before this, by your clock.")
]


@app.command("list")
def list_calls(
    *,
    agent: Agent = None,
    source: Annotated[CallSource | None, typer.Option(help="Only what this system keeps.")] = None,
    since: Since = None,
    until: Until = None,
    ending: Annotated[CallEnding | None, typer.Option(help="How it ended.")] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="WORDS", help="Why it ended, to the letter.")
    ] = None,
    success: Annotated[
        Literal["yes", "no"] | None, typer.Option(help="Only where the rubric says so.")
    ] = None,
    min_cost: Annotated[float | None, typer.Option(min=0, metavar="USD")] = None,
    max_cost: Annotated[float | None, typer.Option(min=0, metavar="USD")] = None,
    lead: Annotated[str | None, typer.Option(metavar="ID", help="Only of this lead.")] = None,
    text: Annotated[
        str | None, typer.Option(metavar="WORDS", help="In the transcript or the summary.")
    ] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where a list ended.")] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List calls, newest first."""
    from mission_control.cli import mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        page = session.client.calls.list(
            agent_id=agent,
            source=source,
            since=mirror_tables.here(since),
            until=mirror_tables.here(until),
            ending=ending,
            ended_reason=reason,
            success=None if success is None else success == "yes",
            min_cost=min_cost,
            max_cost=max_cost,
            lead_id=lead,
            text=text,
            limit=limit,
            cursor=cursor,
        )
        session.screen.answer(page, mirror_tables.calls(page))
        mirror_tables.note_more(session, page.next_cursor)


@app.command("show")
def show_call(
    *,
    call_id: Annotated[str, typer.Argument(metavar="CALL", help="Id of the call, here.")],
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Show a call with what was said in it."""
    from mission_control.cli import mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.calls.get(call_id)
        session.screen.answer(found, *mirror_tables.call(found))


@app.command("totals")
def show_totals(
    *,
    agent: Agent = None,
    source: Annotated[
        Literal["vapi", "close", "both"],
        typer.Option(help="A call that both keep counts twice under 'both'."),
    ] = "vapi",
    since: Since = None,
    until: Until = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Add up calls, cost, minutes and how they ended: in all, by agent and by day."""
    from mission_control.cli import mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.calls.totals(
            agent_id=agent,
            source=None if source == "both" else CallSource(source),
            since=mirror_tables.here(since),
            until=mirror_tables.here(until),
        )
        session.screen.answer(found, *mirror_tables.totals(found))
