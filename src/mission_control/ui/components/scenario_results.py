"""Results of an evaluation, a row for each scenario, and one of them in detail."""

from collections import defaultdict

import streamlit as st

from mission_control.api.evaluate.schemas import EvaluationDetail, ScenarioResultRead
from mission_control.core.words import ScenarioStatus
from mission_control.ui.components import badges, figures
from mission_control.ui.components.tables import choose_row, status_column

ALL, NOT_PASSED = "All", "Not passed"


def scenario_results(found: EvaluationDetail) -> None:
    if not found.results:
        st.caption("No scenario was run.")
        return
    grouped = _by_scenario(found.results)
    only = st.segmented_control(
        "Show", [NOT_PASSED, ALL], default=ALL, key="results_only", label_visibility="collapsed"
    )
    ids = [
        each
        for each in sorted(grouped, key=lambda each: _all_passed(grouped[each]))
        if only != NOT_PASSED or not _all_passed(grouped[each])
    ]
    if not ids:
        st.caption("Every scenario passed every repetition.")
        return
    picked = choose_row(
        [_row(each, grouped[each]) for each in ids],
        key=f"results_table_{found.id}_{only}",
        alt="Results by scenario",
        columns={
            "Result": status_column(
                {"passed": "green", "failed": "red", "error": "orange", "mixed": "orange"}
            ),
            "Anchor": st.column_config.TextColumn(help="An anchor may never break"),
            "Score": st.column_config.NumberColumn(format="%.2f"),
            "SuperOptiX": st.column_config.NumberColumn(
                format="%.2f", help="SuperOptiX's own lexical score; decides nothing"
            ),
        },
    )
    if picked is None:
        st.caption("Choose a row to read the answers and what each check said.")
        return
    chosen = ids[picked]
    _detail(chosen, grouped[chosen])


def _by_scenario(results: list[ScenarioResultRead]) -> dict[str, list[ScenarioResultRead]]:
    grouped: dict[str, list[ScenarioResultRead]] = defaultdict(list)
    for result in sorted(results, key=lambda each: (each.scenario_id, each.repetition)):
        grouped[result.scenario_id].append(result)
    return dict(grouped)


def _all_passed(runs: list[ScenarioResultRead]) -> bool:
    return all(run.status is ScenarioStatus.PASSED for run in runs)


def _row(scenario_id: str, runs: list[ScenarioResultRead]) -> dict[str, object]:
    states = {run.status.value for run in runs}
    scored = [run for run in runs if run.status is not ScenarioStatus.ERROR]
    passed = sum(run.status is ScenarioStatus.PASSED for run in runs)
    failing = {
        str(check["kind"]) for run in runs for check in run.checks if check.get("passed") is False
    }
    return {
        "Scenario": scenario_id,
        "Result": [states.pop() if len(states) == 1 else "mixed"],
        "Passed": f"{passed} of {len(scored)}" if scored else figures.NOT_MEASURED,
        "Score": _mean([run.score for run in scored]),
        "SuperOptiX": _mean([run.superoptix_score for run in scored]),
        "Failing checks": ", ".join(sorted(failing)),
        "Split": runs[0].split or figures.NOT_MEASURED,
        "Anchor": "anchor" if runs[0].anchor else "",
        "Time": figures.duration(_mean([run.latency_ms for run in scored])),
    }


def _mean(values: list[float] | list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _detail(scenario_id: str, runs: list[ScenarioResultRead]) -> None:
    with st.container(border=True, key="results_detail"):
        st.markdown(f"**`{scenario_id}`**")
        for label, fields in (("Input", runs[0].input), ("Expected", runs[0].expected)):
            for name, text in (fields or {}).items():
                st.caption(f"{label}: {badges.plain(name)}")
                st.text(text)
        for run in runs:
            _run(run)


def _run(run: ScenarioResultRead) -> None:
    score = figures.score(run.score)
    st.markdown(f"**Repetition {run.repetition}** {badges.scenario(run.status)} score {score}")
    if run.error_detail:
        st.error(f"{badges.plain(run.error_kind or 'error')}: {badges.plain(run.error_detail)}")
    for name, text in run.output.items():
        st.caption(f"Answer: {badges.plain(name)}")
        st.text(str(text))
    if run.thinking:
        with st.expander("What the model thought (not judged)"):
            st.text(run.thinking)
    for check in run.checks:
        mark = ":green-badge[passed]" if check.get("passed") else ":red-badge[failed]"
        reason = f": {badges.plain(str(check['reason']))}" if check.get("reason") else ""
        st.markdown(f"{mark} {badges.plain(str(check['kind']))}{reason}")
