"""`mission-control agents`: import, look at, edit."""

from typing import Annotated

import typer

from mission_control.cli.options import AgentId, ApiUrl, AsJson, Limit
from mission_control.core.words import AgentStatus, AgentType

app = typer.Typer(
    help="Import, look at and edit agents and their versions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Type = Annotated[AgentType | None, typer.Option("--type", help="What kind of agent it is.")]
Assistant = Annotated[
    str | None, typer.Option("--vapi-assistant", metavar="ID", help="Its assistant at Vapi.")
]


@app.command("list")
def list_agents(
    *,
    status: Annotated[AgentStatus | None, typer.Option(help="Only these.")] = None,
    agent_type: Annotated[AgentType | None, typer.Option("--type", help="Only these.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List the agents, newest first."""
    from mission_control.cli import tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        page = session.client.agents.list(limit=limit, status=status, type=agent_type)
        session.screen.answer(page, tables.agents(page))
        if page.next_cursor:
            session.screen.note("There are more: --limit shows up to 200.")


@app.command("show")
def show_agent(*, agent_id: AgentId, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Show an agent with its prompt."""
    from mission_control.cli import tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        detail = session.client.agents.get(agent_id)
        session.screen.answer(detail, *tables.agent(detail))


@app.command("import")
def import_agent(
    *,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="SuperSpec playbook; '-' reads stdin.")
    ] = None,
    marketplace: Annotated[
        str | None, typer.Option(metavar="NAME", help="A playbook that ships with SuperOptiX.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every playbook that ships with SuperOptiX.")
    ] = False,
    from_vapi: Annotated[
        str | None,
        typer.Option(metavar="ID", help="An assistant at Vapi; see `agents candidates`."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="With --from-vapi: the agent's name.")] = None,
    agent_id: Annotated[
        str | None, typer.Option("--id", help="With --from-vapi: the agent's id.")
    ] = None,
    agent_type: Type = None,
    vapi_assistant: Assistant = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Import an agent. What SuperOptiX cannot compile is refused and not stored."""
    from mission_control.cli import agent_import
    from mission_control.cli.session import CommandError, open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        sources = [file is not None, marketplace is not None, everything, from_vapi is not None]
        if sources.count(True) != 1:
            raise CommandError("Give one of FILE, --marketplace NAME, --from-vapi ID and --all.")
        if from_vapi is not None:
            if agent_type or vapi_assistant:
                raise CommandError("--from-vapi says itself what it is: a phone bot, and which.")
            agent_import.import_assistant(session, from_vapi, name=name, agent_id=agent_id)
        elif name is not None or agent_id is not None:
            raise CommandError("--name and --id go with --from-vapi; a playbook has its own.")
        elif everything:
            agent_import.import_all(session, agent_type=agent_type)
        else:
            agent_import.import_one(
                session,
                file=file,
                marketplace=marketplace,
                agent_type=agent_type,
                vapi_assistant=vapi_assistant,
            )


@app.command("candidates")
def list_candidates(*, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """List the assistants at Vapi, and which agent each is already."""
    from mission_control.cli import agent_import
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.agents.candidates()
        session.screen.answer(found, agent_import.candidates(found))


@app.command("edit")
def edit_agent(
    *,
    agent_id: AgentId,
    prompt: Annotated[
        str | None, typer.Option(metavar="FILE", help="The new prompt; '-' reads stdin.")
    ] = None,
    playbook: Annotated[
        str | None, typer.Option(metavar="FILE", help="The new playbook; '-' reads stdin.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Why, for the list of versions.")] = None,
    based_on: Annotated[
        int | None, typer.Option(min=1, help="Refuse if there is a newer version than this.")
    ] = None,
    agent_type: Type = None,
    vapi_assistant: Assistant = None,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Change an agent. A new prompt or playbook makes a new version; nothing is deployed by it."""
    from mission_control.api.agents.schemas import AgentUpdate
    from mission_control.cli import agent_import, tables
    from mission_control.cli.session import CommandError, given, open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        change = given(
            prompt=agent_import.read(prompt) if prompt else None,
            playbook=agent_import.read(playbook) if playbook else None,
            note=note,
            based_on=based_on,
            type=agent_type,
            vapi_assistant_id=vapi_assistant,
        )
        if not change.keys() - {"note", "based_on"}:
            raise CommandError("Say what to change; see `mission-control agents edit --help`.")
        detail = session.client.agents.update(agent_id, AgentUpdate.model_validate(change))
        session.screen.answer(detail, *tables.agent(detail))


@app.command("test-split")
def show_test_split(*, agent_id: AgentId, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Show how much of the test split is spent, and what the next comparison needs."""
    from mission_control.cli import tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        found = session.client.agents.test_split(agent_id)
        session.screen.answer(found, tables.test_split(found))


@app.command("versions")
def list_versions(
    *, agent_id: AgentId, limit: Limit = 50, as_json: AsJson = False, api_url: ApiUrl = None
) -> None:
    """List the versions of an agent, newest first."""
    from mission_control.cli import tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        page = session.client.agents.versions(agent_id, limit=limit)
        session.screen.answer(page, tables.versions(page))


@app.command("diff")
def diff_versions(
    *,
    agent_id: AgentId,
    before: Annotated[
        int | None, typer.Argument(min=1, help="A version.  [default: AFTER's parent]")
    ] = None,
    after: Annotated[
        int | None, typer.Argument(min=1, help="A version.  [default: the newest]")
    ] = None,
    playbook: Annotated[bool, typer.Option("--playbook", help="The whole playbook.")] = False,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Show what changed between two versions."""
    from mission_control.cli import agent_import, tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        first, second = agent_import.versions_to_compare(session, agent_id, before, after)
        found = session.client.agents.diff(agent_id, first, second)
        text = found.playbook if playbook else found.prompt
        session.screen.answer(found, tables.diff(text or "Nothing changed."))
