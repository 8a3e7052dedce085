"""`mission-control leads`."""

from typing import Annotated

import typer

from mission_control.cli.options import ApiUrl, AsJson, Limit

app = typer.Typer(
    help="Look at the leads that Close keeps, and change them there.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

LeadId = Annotated[str, typer.Argument(metavar="LEAD", help="Close's id of the lead.")]


@app.command("list")
def list_leads(
    *,
    search: Annotated[
        str | None, typer.Option(metavar="WORDS", help="In names, numbers and mail addresses.")
    ] = None,
    status: Annotated[str | None, typer.Option(help="Its label or its id.")] = None,
    custom: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="A custom field; may be repeated."),
    ] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on where a list ended.")] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List leads, newest first."""
    from mission_control.cli import lead_changes, mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        wanted = lead_changes.pairs(custom or [])
        page = session.client.leads.list(
            search=search, status=status, custom=wanted, limit=limit, cursor=cursor
        )
        session.screen.answer(page, mirror_tables.leads(page))
        mirror_tables.note_more(session, page.next_cursor)


@app.command("show")
def show_lead(*, lead_id: LeadId, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Show a lead with its people, its custom fields and its calls."""
    from mission_control.cli import mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.leads.get(lead_id)
        session.screen.answer(found, *mirror_tables.lead(found))


@app.command("fields")
def list_fields(*, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the custom fields and statuses that there are."""
    from mission_control.cli import mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.leads.fields()
        session.screen.answer(found, *mirror_tables.fields(found))


@app.command("set")
def set_fields(
    *,
    lead_id: LeadId,
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="FIELD=VALUE...",
            help="name, status, description, url, or a custom field by its name or id. "
            "FIELD= empties it; FIELD+=VALUE and FIELD-=VALUE add to and take from a field "
            "that holds several.",
        ),
    ],
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Write to Close, and then here. What Close refuses changes neither."""
    from mission_control.cli import lead_changes, mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        wanted = [lead_changes.read(each) for each in changes]
        known = session.client.leads.fields().fields
        found = session.client.leads.update(lead_id, lead_changes.request(wanted, known))
        session.screen.answer(found, *mirror_tables.lead(found))
        session.screen.note("Close has taken it.")
