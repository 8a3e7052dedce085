"""`mission-control memory`."""

from datetime import datetime
from typing import Annotated, Literal

import typer

from mission_control.cli.options import ApiUrl, AsJson, Wait, Watch

app = typer.Typer(
    help="Look at what is remembered, search it, add to it, and check the memory servers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

TIERS = "all, fact, preference, context, or an importance from 1 to 3."
DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]
Many = Annotated[int, typer.Option(min=1, max=5_000, help="How many at the most: the newest.")]
Agent = Annotated[
    str | None, typer.Option("--agent", metavar="AGENT", help="Of this agent, and of all agents.")
]


@app.command("check")
def check(*, as_json: AsJson = False) -> None:
    """Connect to every server of memory.toml and try what is mapped. Needs no running API.

    Exit code 1 when a server is not there, or something mapped does not work.
    """
    from mission_control.cli import memory_tables

    memory_tables.check_servers(as_json=as_json)


@app.command("list")
def list_memories(
    *,
    tier: Annotated[str, typer.Option(help=TIERS)] = "all",
    as_of: Annotated[
        datetime | None, typer.Option(formats=DAYS, help="What was true then, by your clock.")
    ] = None,
    agent: Agent = None,
    limit: Many = 200,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List what is remembered, oldest first."""
    from mission_control.cli import memory_tables, mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.memory.temporal(
            tier=tier, as_of=mirror_tables.here(as_of), agent_id=agent, limit=limit
        )
        session.screen.answer(found, memory_tables.memories(found))
        memory_tables.note_silent(session, found.servers)


@app.command("search")
def search(
    *,
    query: Annotated[str, typer.Argument(metavar="WORDS", help="What to look for.")],
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at the most.")] = 20,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Search memories, conversations and calls at once, best first."""
    from mission_control.cli import memory_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.memory.search(query, limit=limit)
        session.screen.answer(found, memory_tables.hits(found))
        memory_tables.note_silent(session, found.servers)


@app.command("add")
def add(
    *,
    content: Annotated[str, typer.Argument(metavar="TEXT", help="What to remember.")],
    kind: Annotated[
        Literal["fact", "preference", "context"], typer.Option(help="What it is.")
    ] = "fact",
    subject: Annotated[str | None, typer.Option(help="Who or what it is about.")] = None,
    tier: Annotated[
        int | None, typer.Option(min=1, max=3, help="Importance: 1 (important) to 3.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option(metavar="AGENT", help="Only for this one.  [default: for all]")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option("--from", formats=DAYS, help="True since then.  [default: now]"),
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where it is known from.")] = None,
    server: Annotated[str | None, typer.Option(help="At this server.")] = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Remember something."""
    from mission_control.api.memory.schemas import MemoryCreate
    from mission_control.cli import memory_tables, mirror_tables
    from mission_control.cli.session import given, open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        options = given(
            subject=subject,
            tier=tier,
            agent_id=agent,
            valid_from=mirror_tables.here(since),
            source=source,
            server=server,
        )
        request = MemoryCreate.model_validate({"content": content, "kind": kind, **options})
        written = session.client.memory.add(request)
        session.screen.answer(written, memory_tables.written(written))


@app.command("sync")
def sync(
    *, watch: Watch = False, wait: Wait = True, as_json: AsJson = False, api_url: ApiUrl = None
) -> None:
    """Read what the memory servers hold. Exit code 1 when one could not be read wholly."""
    from mission_control.cli import job_results, mirror_tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        job = session.client.memory.sync()
        if wait or watch:
            mirror_tables.await_sync(session, job, watch=watch)
        else:
            job_results.leave_running(session, job)


@app.command("serve")
def serve(
    name: Annotated[
        Literal["temporal", "hybrid"], typer.Argument(metavar="SERVER", help="temporal or hybrid.")
    ],
    *,
    http: Annotated[
        int | None,
        typer.Option(min=1, max=65535, metavar="PORT", help="At http://127.0.0.1:PORT/mcp."),
    ] = None,
) -> None:
    """Run one of our own memory servers for any MCP client: over stdio, or over HTTP."""
    from mission_control.cli.session import Screen, reporting
    from mission_control.core.logging import configure_logging
    from mission_control.core.settings import get_settings
    from mission_control.memory_servers import serving

    configure_logging("warning")  # to stderr: over stdio, stdout belongs to the protocol
    with reporting(Screen()):
        serving.serve(name, get_settings(), port=http)
