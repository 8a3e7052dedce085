"""`mission-control deploy`, `mission-control take-over` and `mission-control rollback`."""

from typing import Annotated

import typer

from mission_control.cli.options import AgentId, ApiUrl, AsJson, Wait


def deploy(
    *,
    agent_id: AgentId,
    version: Annotated[
        int | None, typer.Option(min=1, help="[default: the newest optimization's candidate]")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Although it was not shown to be better.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Also replace what somebody changed at Vapi. Recorded."),
    ] = False,
    with_memory: Annotated[
        bool,
        typer.Option("--with-memory", help="With what the agent's context chooses of the memory."),
    ] = False,
    wait: Wait = True,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Put a version where the agent runs, and read it back."""
    from mission_control.cli import job_results
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        job = session.client.deploy(
            agent_id,
            version=version,
            force=force,
            overwrite=overwrite,
            include_memory=with_memory,
        )
        if wait:
            job_results.await_deployment(session, job)
        else:
            job_results.leave_running(session, job)


def take_over(
    *,
    agent_id: AgentId,
    note: Annotated[str, typer.Option(help="Why, for the list of versions.")] = "",
    wait: Wait = True,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Make what answers at Vapi a version of the agent, and the one in force."""
    from mission_control.cli import job_results
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        job = session.client.take_over(agent_id, note=note)
        if wait:
            job_results.await_deployment(session, job)
        else:
            job_results.leave_running(session, job)


def rollback(
    *,
    agent_id: AgentId,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Also replace what somebody changed at Vapi. Recorded."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Give it up when Vapi no longer has the assistant.")
    ] = False,
    wait: Wait = True,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Undo the deployment in force; what others changed since is kept."""
    from mission_control.cli import job_results
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        job = session.client.rollback(agent_id, overwrite=overwrite, force=force)
        if wait:
            job_results.await_rollback(session, job)
        else:
            job_results.leave_running(session, job)
