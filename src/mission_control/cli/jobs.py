"""`mission-control jobs`."""

from typing import Annotated

import typer

from mission_control.cli.options import ApiUrl, AsJson, Limit
from mission_control.core.words import JobKind, JobStatus

app = typer.Typer(
    help="Look at long work, and end it.", no_args_is_help=True, rich_markup_mode=None
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]


@app.command("list")
def list_jobs(
    *,
    agent: Annotated[str | None, typer.Option(metavar="AGENT", help="Only of this one.")] = None,
    kind: Annotated[JobKind | None, typer.Option(help="Only these.")] = None,
    status: Annotated[JobStatus | None, typer.Option(help="Only these.")] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
    api_url: ApiUrl = None,
) -> None:
    """List jobs, newest first."""
    from mission_control.cli import tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        page = session.client.jobs.list(limit=limit, agent_id=agent, kind=kind, status=status)
        session.screen.answer(page, tables.jobs(page))
        if page.next_cursor:
            session.screen.note("There are more: --limit shows up to 200.")


@app.command("show")
def show_job(*, job_id: JobId, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """Show how far a job is, or how it ended."""
    from mission_control.cli import tables
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        job = session.client.jobs.get(job_id)
        session.screen.answer(job, tables.job(job))


@app.command("cancel")
def cancel_job(*, job_id: JobId, as_json: AsJson = False, api_url: ApiUrl = None) -> None:
    """End a job; what it has found so far is kept. Exit code 1 when it ended otherwise."""
    from mission_control.cli import job_results
    from mission_control.cli.session import open_session

    with open_session(as_json=as_json, api_url=api_url) as session:
        job_results.cancel(session, job_id)
