"""Waits for work that was started, shows what came of it, and ends with the exit code it deserves."""

import typer
from rich.text import Text

from mission_control.api.deployments.schemas import DeploymentRead
from mission_control.api.evaluate.schemas import EvaluationDetail
from mission_control.api.jobs.schemas import ErrorRead, JobRead
from mission_control.api.optimize.schemas import OptimizationDetail
from mission_control.cli import tables
from mission_control.cli.job_progress import follow
from mission_control.cli.session import FAILED, CommandError, Session
from mission_control.client.api_client import ApiClient
from mission_control.core.words import JobStatus, Verdict

NEWEST = 50  # among so many newest ones, what a job has just made is looked for
CANCEL_SECONDS = 15.0
UNKNOWN_REASON = "It ended without saying why; the worker's log has the details."


def leave_running(session: Session, job: JobRead) -> None:
    session.screen.answer(job, tables.job(job))
    session.screen.note(f"It goes on; look at it with `mission-control jobs show {job.id}`.")


def await_evaluation(session: Session, job: JobRead, *, watch: bool) -> None:
    ended = follow(session, job, watch=watch)
    detail = evaluation_of(session.client, ended)
    session.screen.answer(detail, tables.evaluation(detail))
    _end_unless_completed(session, ended, "Evaluate again once the cause is gone.")


def await_optimization(session: Session, job: JobRead, *, watch: bool) -> None:
    ended = follow(session, job, watch=watch)
    show_comparison(session, optimization_of(session.client, ended))


def show_comparison(session: Session, found: OptimizationDetail) -> None:
    """The verdict of an optimization; exit code 1 when it has failed or was cancelled."""
    if not found.status.is_over:
        raise CommandError(
            f"The optimization of {found.agent_id} is still {found.status}, so there is no verdict "
            f"yet. Look again later, or end it with `mission-control jobs cancel {found.job_id}`.",
            code="still_running",
            fields={"job_id": str(found.job_id)},
        )
    session.screen.answer(found, *tables.comparison(found))
    if found.status is not JobStatus.COMPLETED:
        kept = (
            f"Its best candidate is kept, unproven, as version {found.candidate_version}."
            if found.candidate_version
            else "No candidate came of it."
        )
        session.screen.note(f"{_why(found.status, found.error)} {kept}", "bold red")
        raise typer.Exit(FAILED)
    if found.verdict is Verdict.BETTER:
        session.screen.note(f"Deploy it with `mission-control deploy {found.agent_id}`.")


def await_deployment(session: Session, job: JobRead) -> None:
    ended = follow(session, job, watch=False)
    found = deployment_of(session.client, ended)
    session.screen.answer(found, tables.deployment(found))
    _end_unless_completed(session, ended, "What is in force there is shown by the target itself.")


def await_rollback(session: Session, job: JobRead) -> None:
    ended = follow(session, job, watch=False)
    agent = session.client.agents.state(ended.agent_id or "")
    session.screen.answer(agent, Text(f"{agent.agent_id}: {agent.answering.line}"))
    _end_unless_completed(session, ended, "The deployment stays in force.")


def cancel(session: Session, job_id: str) -> None:
    session.client.jobs.cancel(job_id)
    ended = session.client.wait_for_job(job_id, CANCEL_SECONDS)
    session.screen.answer(ended, tables.job(ended))
    if ended.status is not JobStatus.CANCELLED:
        session.screen.note(f"It had {ended.status} before it could be cancelled.", "yellow")
        raise typer.Exit(FAILED)


# ------------------------------------------------------------------ what a job has made


def evaluation_of(client: ApiClient, job: JobRead) -> EvaluationDetail:
    agent_id = job.agent_id or ""
    for found in client.evaluation_history(agent_id, limit=NEWEST).items:
        if found.job_id == job.id:
            return client.evaluation(agent_id, found.id)
    raise _lost(job)


def optimization_of(client: ApiClient, job: JobRead) -> OptimizationDetail:
    agent_id = job.agent_id or ""
    for found in client.optimization_history(agent_id, limit=NEWEST).items:
        if found.job_id == job.id:
            return client.optimization(agent_id, found.id)
    raise _lost(job)


def deployment_of(client: ApiClient, job: JobRead) -> DeploymentRead:
    for found in client.deployments(job.agent_id, limit=NEWEST).items:
        if found.job_id == job.id:
            return found
    raise _lost(job)


def _lost(job: JobRead) -> CommandError:
    return CommandError(
        f"Job {job.id} has {job.status}, but what it made is not there any more: was the agent "
        "deleted meanwhile?",
        exit_code=FAILED,
        code="result_lost",
        fields={"job_id": str(job.id)},
    )


# ------------------------------------------------------------------ endings


def _end_unless_completed(session: Session, job: JobRead, next_step: str) -> None:
    if job.status is not JobStatus.COMPLETED:
        session.screen.note(f"{_why(job.status, job.error)} {next_step}", "bold red")
        raise typer.Exit(FAILED)


def _why(status: JobStatus, error: ErrorRead | None) -> str:
    if status == JobStatus.CANCELLED:
        return "It was cancelled; what was found until then is kept."
    return error.detail if error else UNKNOWN_REASON
