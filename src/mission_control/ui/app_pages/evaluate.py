"""Page: evaluate an agent, watch it, and read what was measured."""

from typing import Any

import streamlit as st

from mission_control.api.agents.schemas import AgentDetail
from mission_control.api.evaluate.schemas import (
    DEFAULT_CONCURRENCY,
    EvaluationCreate,
    EvaluationDetail,
    EvaluationRead,
)
from mission_control.core.words import EvaluationPurpose, JobKind, JobStatus
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures, frame
from mission_control.ui.components.jobs import open_jobs
from mission_control.ui.components.live import watch_live
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.scenario_results import scenario_results
from mission_control.ui.components.tables import show_rows

SPLITS = ["train", "validation", "test"]


def main() -> None:
    agent_id = frame.need_agent().id
    running = open_jobs(agent_id, JobKind.EVALUATE)  # first: what is read later is never older
    agent = api_client().agents.get(agent_id)
    history = api_client().evaluation_history(agent_id, limit=50).items
    frame.agent_line(agent)
    ask(agent, can_rerun=any(each.status.is_over for each in history))
    for job in running:
        with st.container(border=True):
            st.markdown("**Evaluation in progress**")
            watch_live(job, key="evaluate")
    ended = [each for each in history if each.status.is_over]
    if not ended:
        st.info("Not evaluated yet. Start with a baseline: later evaluations are held against it.")
        return
    found = choose(agent.id, ended)
    show(agent, found)
    show_baseline(agent.id, found)
    scenario_results(found)
    show_history(ended)


# ------------------------------------------------------------------ asking


def ask(agent: AgentDetail, *, can_rerun: bool) -> None:
    versions = [each.number for each in api_client().agents.versions(agent.id, limit=200).items]
    with st.form("evaluate_form"):
        version, splits, repetitions, concurrency, model = st.columns([2, 4, 2, 2, 3])
        given: dict[str, Any] = {
            "version": version.selectbox(
                "Version",
                versions,
                index=versions.index(agent.current_version),
                key=f"evaluate_version_{agent.id}_{agent.current_version}",
            ),
            "splits": splits.multiselect("Splits", SPLITS, default=SPLITS, key="evaluate_splits"),
            "repetitions": repetitions.number_input(
                "Repetitions", 1, 20, 1, key="evaluate_repetitions"
            ),
            "concurrency": concurrency.number_input(
                "At once",
                1,
                128,
                DEFAULT_CONCURRENCY,
                key="evaluate_concurrency",
                help="Scenarios at once. A rate limit lowers it by itself.",
            ),
            "model": model.text_input("Model", key="evaluate_model", placeholder="as configured"),
        }
        with st.container(horizontal=True):
            check = st.form_submit_button("Evaluate", type="primary", key="evaluate_check")
            baseline = st.form_submit_button("Evaluate as baseline", key="evaluate_baseline")
            failed = st.form_submit_button(
                "Run failed ones again", key="evaluate_rerun_failed", disabled=not can_rerun
            )
            errored = st.form_submit_button(
                "Run unmeasured ones again", key="evaluate_rerun_error", disabled=not can_rerun
            )
    st.caption(
        "Looking at results of the test split is free until the agent is edited after it: the "
        "edit then counts as a reading of the split, and the next comparison needs more."
    )
    if check or baseline or failed or errored:
        again = "failed" if failed else "error" if errored else None
        send(agent.id, given | {"rerun": again}, as_baseline=baseline)


def send(agent_id: str, given: dict[str, Any], *, as_baseline: bool) -> None:
    with refusals_shown():
        request = EvaluationCreate(**{name: value for name, value in given.items() if value})
        start = api_client().baseline if as_baseline else api_client().evaluate
        start(agent_id, request)
        st.rerun()


# ------------------------------------------------------------------ showing


def choose(agent_id: str, ended: list[EvaluationRead]) -> EvaluationDetail:
    """The evaluation to show: chosen from the history, else the newest that is one of its own."""
    by_id = {str(each.id): each for each in ended}
    whole = [each for each in ended if each.purpose in badges.ASKED_FOR] or ended
    chosen = st.selectbox(
        "Result",
        list(by_id),
        index=list(by_id).index(str(whole[0].id)),
        format_func=lambda key: title(by_id[key]),
        key=f"evaluate_choice_{ended[0].id}",  # a newer result is shown when it is there
    )
    return api_client().evaluation(agent_id, by_id[chosen].id)


def title(found: EvaluationRead) -> str:
    rate = figures.share(found.pass_rate) if found.pass_rate is not None else found.status.value
    at = figures.moment(found.created_at)
    return f"{badges.PURPOSES[found.purpose]} of version {found.version}: {rate} ({at})"


def show(agent: AgentDetail, found: EvaluationDetail) -> None:
    if found.error is not None:
        st.error(badges.plain(found.error.detail))
    elif found.status is JobStatus.CANCELLED:
        st.warning("Cancelled. What was measured before is shown, but it is no result.")
    measured = found.passed + found.failed
    cells = st.columns(6)
    cells[0].metric("Pass rate", figures.share(found.pass_rate), help="Passed of what was measured")
    cells[1].metric("Passed", f"{found.passed} of {measured}" if measured else "—")
    cells[2].metric("Not measured", found.errors, help="Errors are never scores")
    cells[3].metric("Mean score", figures.score(found.mean_score))
    cells[4].metric("Time p50 / p95", times(found))
    cells[5].metric("Cost", figures.money(found.cost_usd, measured=bool(measured)))
    st.caption(measured_on(agent, found))


def show_baseline(agent_id: str, found: EvaluationRead) -> None:
    """The newest baseline beside it, as it is: two single evaluations prove no difference."""
    page = api_client().evaluation_history(
        agent_id, purpose=EvaluationPurpose.BASELINE, status=JobStatus.COMPLETED, limit=1
    )
    if page.items and page.items[0].id != found.id:
        baseline = page.items[0]
        st.caption(
            f"Baseline: {figures.share(baseline.pass_rate)}, version {baseline.version}, "
            f"{figures.runs(baseline.scenarios, baseline.repetitions)}, model "
            f"{badges.model(baseline.model)}. Side by side only: whether a version is better is "
            "for the comparison of an optimization to say."
        )


def times(found: EvaluationRead) -> str:
    if found.latency_p50_ms is None:
        return figures.NOT_MEASURED
    return f"{figures.duration(found.latency_p50_ms)} / {figures.duration(found.latency_p95_ms)}"


def measured_on(agent: AgentDetail, found: EvaluationDetail) -> str:
    split_of = {scenario.id: scenario.split for scenario in agent.scenarios}
    ids = {result.scenario_id for result in found.results}
    counts = {split: sum(split_of.get(each) == split for each in ids) for split in SPLITS}
    splits = ", ".join(f"{count} {split}" for split, count in counts.items() if count)
    return (
        f"Version {found.version}, {figures.runs(found.scenarios, found.repetitions)}"
        f"{f' ({splits})' if splits else ''}, model {badges.model(found.model)}. "
        f"SuperOptiX's own lexical score: {figures.score(found.superoptix_score)}; a contradiction "
        f"can pass it, so it decides nothing here. "
        f"{figures.count(found.input_tokens)} tokens in, {figures.count(found.output_tokens)} out."
    )


def show_history(ended: list[EvaluationRead]) -> None:
    with st.expander(f"History ({len(ended)})"):
        show_rows(
            [
                {
                    "Started": figures.moment(each.started_at),
                    "What": badges.PURPOSES[each.purpose],
                    "Version": each.version,
                    "Status": each.status.value,
                    "Pass rate": figures.share(each.pass_rate),
                    "Measured on": figures.runs(each.scenarios, each.repetitions),
                    "Not measured": each.errors,
                    "Model": each.model,
                    "Cost": figures.money(each.cost_usd, measured=bool(each.passed + each.failed)),
                }
                for each in ended
            ],
            key="evaluate_history",
            alt="Evaluations, newest first",
        )


main()
