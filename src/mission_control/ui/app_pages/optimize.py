"""Page: search for a better prompt, watch it, judge the candidate, and deploy it."""

from typing import Any, get_args

import streamlit as st

from mission_control.api.agents.schemas import AgentRead
from mission_control.api.evaluate.schemas import DEFAULT_CONCURRENCY
from mission_control.api.jobs.schemas import JobRead
from mission_control.api.optimize.schemas import (
    ComparisonCreate,
    OptimizationCreate,
    OptimizationDetail,
    OptimizationRead,
)
from mission_control.core.words import JobKind, JobStatus, Verdict
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures, frame
from mission_control.ui.components.deploying import (
    deploy_button,
    deployment_job,
    deployment_progress,
)
from mission_control.ui.components.jobs import open_jobs
from mission_control.ui.components.live import show_log, watch_live
from mission_control.ui.components.prompt_diff import prompt_diff
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.tables import choose_row, show_rows
from mission_control.ui.components.verdict_card import verdict_card
from mission_control_protocol import Level, OptimizerName


def main() -> None:
    agent_id = frame.need_agent().id
    # Jobs first: what is read after them is never older than their end.
    running = open_jobs(agent_id, JobKind.OPTIMIZE)
    deploying = deployment_job(agent_id, page="optimize")
    agent = api_client().agents.get(agent_id)
    history = api_client().optimization_history(agent_id, limit=50).items
    frame.agent_line(agent)
    ended = [each for each in history if each.status.is_over]
    if running:
        with st.container(border=True):
            watch_live(running[0], key="optimize")
    else:
        ask(agent.id, open_form=not ended)
    if ended:
        show(agent, choose(agent.id, ended), deploying, busy=bool(running))
        show_history(ended)
    elif not running:
        st.info("Not optimized yet. Start a search; it begins from the current version.")


# ------------------------------------------------------------------ asking


def ask(agent_id: str, *, open_form: bool) -> None:
    with st.expander("New optimization", expanded=open_form, icon=":material/add:"):
        with st.form("optimize_form", border=False):
            given = search_fields() | limit_fields()
            started = st.form_submit_button("Start", type="primary", key="optimize_start")
        st.caption(
            "The search sees the train and validation splits. Its candidate is then compared with "
            "the current version on the test split, which it never saw."
        )
        test_split(agent_id)
    if started:
        with refusals_shown():
            request = OptimizationCreate(**{k: v for k, v in given.items() if v is not None})
            api_client().optimize(agent_id, request)
            st.rerun()


def test_split(agent_id: str) -> None:
    """What the comparison will need: each reading of the test split spends some of it."""
    found = api_client().agents.test_split(agent_id)
    st.caption(
        f"That will be reading {found.next_reading} of the test split, which needs "
        f"p < {found.next_level:.2g}. Never read: {len(found.never_read)} of {found.questions} "
        "questions; half of them start the count again."
    )
    if found.leaked:
        st.warning(
            "The search is shown the questions of these test scenarios, so they do not count: "
            + ", ".join(f"`{each}`" for each in found.leaked)
        )


def search_fields() -> dict[str, Any]:
    optimizer, level, repetitions, concurrency, seed = st.columns(5)
    return {
        "optimizer": optimizer.selectbox(
            "Optimizer", get_args(OptimizerName), key="optimize_optimizer"
        ),
        "auto": level.selectbox(
            "Level",
            [*get_args(Level), None],
            key="optimize_level",
            format_func=lambda level: level or "only the limits below",
            help="How long to search",
        ),
        "repetitions": repetitions.number_input(
            "Repetitions", 1, 20, 3, key="optimize_repetitions", help="Of the final comparison"
        ),
        "concurrency": concurrency.number_input(
            "At once",
            1,
            128,
            DEFAULT_CONCURRENCY,
            key="optimize_concurrency",
            help="Scenarios at once. A rate limit lowers it by itself.",
        ),
        "seed": seed.number_input("Seed", 0, 2**31 - 1, 0, key="optimize_seed"),
    }


def limit_fields() -> dict[str, Any]:
    """All of them hold together with the level; what is left empty does not limit."""
    calls, usd, minutes, model, reflection = st.columns(5)
    return {
        "max_metric_calls": calls.number_input(
            "At most metric calls", 1, 1_000_000, None, key="optimize_calls", placeholder="no limit"
        ),
        "max_cost_usd": usd.number_input(
            "At most USD", 0.01, 100_000.0, None, key="optimize_usd", placeholder="no limit"
        ),
        "max_minutes": minutes.number_input(
            "At most minutes", 0.1, 1_440.0, None, key="optimize_minutes", placeholder="no limit"
        ),
        "model": model.text_input("Model", None, key="optimize_model", placeholder="as configured"),
        "reflection_model": reflection.text_input(
            "Reflection model", None, key="optimize_reflection", placeholder="as configured"
        ),
    }


# ------------------------------------------------------------------ showing


def choose(agent_id: str, ended: list[OptimizationRead]) -> OptimizationDetail:
    by_id = {str(each.id): each for each in ended}
    chosen = st.selectbox(
        "Result",
        list(by_id),
        format_func=lambda key: title(by_id[key]),
        key=f"optimize_choice_{ended[0].id}",  # a newer result is shown when it is there
    )
    return api_client().optimization(agent_id, by_id[chosen].id)


def title(found: OptimizationRead) -> str:
    end = badges.verdict_word(found.verdict) if found.verdict else found.status.value
    at = figures.moment(found.created_at)
    return f"{found.optimizer} from version {found.base_version}: {end} ({at})"


def show(
    agent: AgentRead, found: OptimizationDetail, deploying: JobRead | None, *, busy: bool
) -> None:
    if found.error is not None:
        st.error(badges.plain(found.error.detail))
    elif found.status is JobStatus.CANCELLED:
        st.warning("Cancelled before the comparison; a candidate that was found is kept, unproven.")
    complete(found, busy=busy)
    for warning in found.warnings:
        st.warning(badges.plain(warning))
    verdict_card(found)
    if found.candidate_version is not None and not deployment_progress(deploying, page="optimize"):
        next_step(agent, found.candidate_version, found.verdict)
    st.subheader("The search")
    search_figures(found)
    diff, trials, log = st.tabs(["Prompt diff", f"Trials ({len(found.trials)})", "Log"])
    with diff:
        prompt_diff(found.diff, unchanged="There is no candidate, so nothing changed.")
    with trials:
        show_trials(found)
    with log:
        show_log(api_client().jobs.get(found.job_id), key="optimize")


def complete(found: OptimizationDetail, *, busy: bool) -> None:
    """For a candidate whose comparison has no verdict."""
    if found.candidate_version is None or found.verdict is not None:
        return
    if st.button("Run only the failed ones again", key="optimize_complete", disabled=busy):
        with refusals_shown():
            api_client().complete_comparison(found.agent_id, found.id, ComparisonCreate())
            st.rerun()
    st.caption("It completes the verdict. What was measured is kept, and it is no further reading.")


def next_step(agent: AgentRead, candidate: int, verdict: Verdict | None) -> None:
    if agent.deployed_version == candidate:
        st.page_link(
            "app_pages/deployments.py",
            label=f"Version {candidate} is in force. Roll it back on the Deployments page.",
            icon=":material/undo:",
        )
    else:
        deploy_button(agent, candidate, verdict, page="optimize")


def search_figures(found: OptimizationRead) -> None:
    cells = st.columns(5)
    calls = f"{found.metric_calls}"
    if found.metric_calls_budget:
        calls += f" of {found.metric_calls_budget}"
    cells[0].metric("Metric calls", calls)
    cells[1].metric("Start, on validation", figures.score(found.baseline_validation_score))
    cells[2].metric("Best, on validation", figures.score(found.best_validation_score))
    cells[3].metric(
        "Tokens in / out, in all",
        f"{figures.count(found.input_tokens)} / {figures.count(found.output_tokens)}",
    )
    cells[4].metric("Cost, in all", figures.money(found.cost_usd, measured=found.metric_calls > 0))
    st.caption(
        f"{found.optimizer}, {budget(found)}, model {badges.model(found.model)}, "
        f"reflection by {badges.model(found.reflection_model)}. Scores on validation guided the "
        f"search and prove nothing. Ended: {ended_by(found)}."
    )


def ended_by(found: OptimizationRead) -> str:
    return badges.plain((found.stop_reason or found.status.value).replace("_", " "))


def budget(found: OptimizationRead) -> str:
    parts = [f"{name.replace('_', ' ')} {value}" for name, value in found.budget.items()]
    return badges.plain(", ".join(parts)) or "no limit"


def show_trials(found: OptimizationDetail) -> None:
    if not found.trials:
        st.caption("No trial finished.")
        return
    trials = sorted(found.trials, key=lambda trial: -trial.number)
    picked = choose_row(
        [
            {
                "Trial": trial.number,
                "From": f"{trial.parent}" if trial.parent is not None else "—",
                "Accepted": "start" if trial.number == 0 else "yes" if trial.accepted else "no",
                "Sample": figures.score(trial.sample_score),
                "Validation": figures.score(trial.validation_score),
                "Cut": figures.count(trial.truncated),
                "Not measured": figures.count(trial.unmeasured),
                "Calls so far": trial.metric_calls,
                "Cost so far": figures.money(trial.cost_usd, measured=trial.metric_calls > 0),
                "Finished": figures.moment(trial.created_at),
            }
            for trial in trials
        ],
        key=f"optimize_trials_{found.id}",
        alt="Trials, newest first",
    )
    if picked is not None:
        prompt_diff(trials[picked].diff, unchanged="This trial did not change the prompt.")
    else:
        st.caption("Choose a trial to see what it changed in its parent's prompt.")


def show_history(ended: list[OptimizationRead]) -> None:
    with st.expander(f"History ({len(ended)})"):
        show_rows(
            [
                {
                    "Asked": figures.moment(each.created_at),
                    "Optimizer": each.optimizer,
                    "From": each.base_version,
                    "Candidate": f"{each.candidate_version}" if each.candidate_version else "—",
                    "Status": each.status.value,
                    "Verdict": badges.verdict_word(each.verdict),
                    "Difference on test": improvement(each),
                    "Cost": figures.money(each.cost_usd, measured=each.metric_calls > 0),
                }
                for each in ended
            ],
            key="optimize_history",
            alt="Optimizations, newest first",
        )


def improvement(found: OptimizationRead) -> str:
    value = found.improvement_pct
    return figures.points(value / 100 if value is not None else None)


main()
