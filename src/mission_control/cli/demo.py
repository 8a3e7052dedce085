"""The main job, shown on the sandbox: measure, optimize, compare, deploy, verify."""

import time
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.rule import Rule
from rich.text import Text

import mission_control
from mission_control.api.agents.schemas import AgentDetail
from mission_control.api.deployments.schemas import DeploymentRead
from mission_control.api.evaluate.schemas import EvaluationDetail
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.optimize.schemas import OptimizationCreate, OptimizationDetail
from mission_control.cli import tables
from mission_control.cli.formats import rate, seconds
from mission_control.cli.job_progress import follow
from mission_control.cli.job_results import deployment_of, evaluation_of, optimization_of
from mission_control.cli.session import FAILED, UNAVAILABLE, CommandError, Session
from mission_control.client.errors import ApiProblemError
from mission_control.core.counting import counted
from mission_control.core.words import AgentStatus, AgentType, JobStatus, Verdict

AGENTS = ("remus", "genesis", "scout")
OPTIMIZED = "remus"
NEEDED = ("workers", "engine", "model", "vapi")
PLAYED = ("model", "vapi")  # parts that must be stand-ins: a demo costs nothing and calls nobody
MOST_ROLLBACKS = 20


@dataclass
class DemoResult:
    """What the demo has to show, for `--json`."""

    baselines: list[EvaluationDetail]
    optimization: OptimizationDetail
    deployment: DeploymentRead | None = None
    agent: AgentDetail | None = None


def demonstrate(session: Session) -> None:
    """Go through the main job. Ends with exit code 1 as soon as a step does not work out."""
    begun = time.monotonic()
    _refuse_the_real_world(session)
    _step(session, 1, "Import the agents that ship")
    for agent_id in AGENTS:
        _import(session, agent_id)
    _begin_anew(session)
    _step(session, 2, "Evaluate each of them: the baseline")
    baselines = _measure_baselines(session)
    _step(session, 3, f"Optimize {OPTIMIZED} with GEPA")
    optimization = _optimize(session)
    _step(session, 4, "Compare, on scenarios the search has not seen")
    result = DemoResult(baselines, optimization)
    _conclude(session, result)
    _step(session, 5, "Deploy, and read it back")
    _deploy(session, result)
    _finish(session, result, time.monotonic() - begun)


def _step(session: Session, number: int, what: str) -> None:
    session.screen.err.print(Rule(Text(f"{number}/5  {what}", "bold"), align="left", style="dim"))


def _refuse_the_real_world(session: Session) -> None:
    parts = {part.name: part for part in session.client.system_status().components}
    real = [name for name in PLAYED if name in parts and not parts[name].stand_in]
    if real:
        raise CommandError(
            f"The demo runs on stand-ins only, and here {' and '.join(real)} would be the real "
            "thing: it would cost money or change what answers the phone. Nothing was done; start "
            "a second product without those keys, with MC_DATA_DIR, MC_API_PORT and MC_UI_PORT.",
            code="not_a_sandbox",
        )
    down = [parts[name] for name in NEEDED if name in parts and parts[name].state == "down"]
    if down:
        problems = "; ".join(f"{part.name}: {part.detail}" for part in down)
        raise CommandError(
            f"Not everything is there ({problems}). Nothing was done; see `mission-control doctor`.",
            exit_code=UNAVAILABLE,
            code="not_ready",
        )


# ------------------------------------------------------------------ before the search


def _import(session: Session, agent_id: str) -> None:
    try:
        agent = session.client.agents.get(agent_id)
    except ApiProblemError as problem:
        if problem.status != 404:
            raise
        agent = session.client.agents.import_(_playbook(agent_id), type=AgentType.PHONE_BOT)
        session.screen.note(f"{agent.name}: {counted(len(agent.scenarios), 'scenario')}.", "")
    else:
        session.screen.note(f"{agent.name} is here already, version {agent.current_version}.", "")


def _playbook(agent_id: str) -> str:
    package = Path(mission_control.__file__).parent
    for directory in (package.parents[1] / "agents", Path("agents")):
        if (file := directory / f"{agent_id}.yaml").is_file():
            return file.read_text(encoding="utf-8")
    raise CommandError(
        f"The playbook {agent_id}.yaml is not here. Run the demo from the repository's folder, or "
        f"import {agent_id} yourself first.",
        code="playbook_missing",
    )


def _begin_anew(session: Session) -> None:
    """Take back what is deployed, so that the demo has something to show."""
    for _ in range(MOST_ROLLBACKS):
        state = session.client.agents.state(OPTIMIZED)
        if state.deployed_version is None:
            return
        session.screen.note(
            f"Version {state.deployed_version} of {OPTIMIZED} is deployed, from an earlier demo "
            "perhaps: it is rolled back first.",
            "yellow",
        )
        _completed(follow(session, session.client.rollback(OPTIMIZED), watch=False, quiet=True))


def _measure_baselines(session: Session) -> list[EvaluationDetail]:
    jobs = [session.client.baseline(agent_id) for agent_id in AGENTS]  # they run side by side
    found: list[EvaluationDetail] = []
    for job in jobs:
        ended = _completed(follow(session, job, watch=False, quiet=True))
        detail = evaluation_of(session.client, ended)
        session.screen.note(
            f"{detail.agent_id}: {rate(detail.pass_rate)} of {counted(detail.scenarios, 'scenario')} pass.",
            "",
        )
        found.append(detail)
    return found


# ------------------------------------------------------------------ the search and after it


def _optimize(session: Session) -> OptimizationDetail:
    request = OptimizationCreate(optimizer="GEPA", auto="light")
    job = session.client.optimize(OPTIMIZED, request)
    ended = _completed(follow(session, job, watch=True))
    return optimization_of(session.client, ended)


def _conclude(session: Session, result: DemoResult) -> None:
    optimization = result.optimization
    if not session.screen.as_json:
        for part in tables.comparison(optimization):
            session.screen.show(part)
    if optimization.verdict is Verdict.BETTER:
        return
    if session.screen.as_json:
        session.screen.answer(vars(result))
    verdict = optimization.verdict.replace("_", " ") if optimization.verdict else "none"
    session.screen.note(
        f"The verdict is '{verdict}', not 'better': nothing was deployed. The candidate, if there "
        f"is one, is kept; see `mission-control compare {OPTIMIZED}`.",
        "bold yellow",
    )
    raise typer.Exit(FAILED)


def _deploy(session: Session, result: DemoResult) -> None:
    job = session.client.deploy(OPTIMIZED)
    result.deployment = deployment_of(
        session.client, _completed(follow(session, job, watch=False, quiet=True))
    )
    result.agent = session.client.agents.get(OPTIMIZED)
    candidate = result.optimization.candidate_version
    if result.agent.status is not AgentStatus.LIVE or result.agent.deployed_version != candidate:
        raise CommandError(
            f"{OPTIMIZED} says that it is {result.agent.status} with version "
            f"{result.agent.deployed_version} deployed, not live with version {candidate}.",
            exit_code=FAILED,
            code="not_live",
        )


def _finish(session: Session, result: DemoResult, took: float) -> None:
    assert result.deployment is not None
    found = result.deployment
    changed = ", ".join(found.changed) or "nothing: the prompt was there already"
    numbers = result.optimization.comparison or {}
    session.screen.answer(
        vars(result),
        Text(
            f"{OPTIMIZED} is live with version {found.version}. In the (stand-in) Vapi, assistant "
            f"{found.target_id} was changed and read back: {changed}."
        ),
        Text(
            f"Its pass rate on scenarios never seen by the search: "
            f"{rate(numbers.get('baseline_rate'))} → {rate(numbers.get('candidate_rate'))}. "
            f"All of this took {seconds(took)}.",
            "bold green",
        ),
        Text(f"Undo it with `mission-control rollback {OPTIMIZED}`.", "dim"),
    )


def _completed(job: JobRead) -> JobRead:
    if job.status is JobStatus.COMPLETED:
        return job
    reason = job.error.detail if job.error else "Nobody said why."
    raise CommandError(
        f"The {job.kind} of {job.agent_id} has {job.status}: {reason} The demo ends here; what was "
        f"done before is kept. See `mission-control jobs show {job.id}`.",
        exit_code=FAILED,
        code="step_failed",
        fields={"job_id": str(job.id)},
    )
