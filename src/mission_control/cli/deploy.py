"""`mission-control deploy` and `mission-control rollback`."""

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
            agent_id, version=version, force=force, include_memory=with_memory
        )
        if wait:
            job_results.await_deployment(session, job)
        else:
            job_results.leave_running(session, job)


def rollback(
    *,
    agent_id: AgentId,
    force: Annotated[
        bool, typer.Option("--force", help="Also overwrite what somebody changed there since.")
    ] = False,
    wait: Wait = True,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """Undo the deployment in force; what others changed since is kept."""
    from mission_control.cli import job_results
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        job = session.client.rollback(agent_id, force=force)
        if wait:
            job_results.await_rollback(session, job)
        else:
            job_results.leave_running(session, job)
