"""What a comparison has shown, with all that is needed to judge it."""

import streamlit as st

from mission_control.api.optimize.schemas import OptimizationRead
from mission_control.core.comparison import Comparison
from mission_control.ui.components import badges, figures
from mission_control.ui.components.interval_bar import interval_bar


def verdict_card(optimization: OptimizationRead) -> None:
    """Rates of both versions, their difference with its interval, and what flipped."""
    if optimization.comparison is None or optimization.verdict is None:
        return
    found = Comparison.model_validate(optimization.comparison)
    with st.container(border=True, key="verdict_card"):
        st.markdown(f"#### {_question(optimization)} &ensp;{badges.verdict(optimization.verdict)}")
        st.markdown(badges.plain(found.sentence))
        if found.difference is not None:
            _numbers(optimization, found)
            interval_bar(found, optimization.verdict)
        st.caption(_measured_on(optimization, found))
        _scenarios(found)


def _question(optimization: OptimizationRead) -> str:
    if optimization.candidate_version is None:
        return f"From version {optimization.base_version}"
    return f"Version {optimization.candidate_version} against version {optimization.base_version}"


def _numbers(optimization: OptimizationRead, found: Comparison) -> None:
    cells = st.columns([2, 2, 2, 3, 2, 2])
    cells[0].metric(
        f"Baseline, version {optimization.base_version}", figures.share(found.baseline_rate)
    )
    cells[1].metric(
        f"Candidate, version {optimization.candidate_version}", figures.share(found.candidate_rate)
    )
    cells[2].metric("Difference", figures.points(found.difference))
    cells[3].metric(
        "95% interval, in points",
        figures.interval(found.interval_low, found.interval_high),
        help="Where the difference over all scenarios like these lies: paired bootstrap.",
    )
    cells[4].metric(
        "p-value",
        figures.chance(found.p_value),
        help="How often chance alone would give such a difference: exact paired permutation test.",
    )
    cells[5].metric(
        "Fixed / broken",
        f"{len(found.fixed)} / {len(found.broken)}",
        help="Scenarios. Fixed: most repetitions failed, now most pass. Broken: the reverse.",
    )


def _scenarios(found: Comparison) -> None:
    groups = {
        "Fixed": found.fixed,
        "Broken": found.broken,
        "Anchors broken": found.anchors_broken,
        "Anchors in doubt": found.anchors_in_doubt,
        "Not measured": found.unmeasured,
        "Left out, since the search has seen their questions": found.leaked,
    }
    named = {name: ids for name, ids in groups.items() if ids}
    if named:
        with st.expander("Which scenarios"):
            for name, ids in named.items():
                st.markdown(f"**{name}** " + ", ".join(f"`{each}`" for each in ids))


def _measured_on(optimization: OptimizationRead, found: Comparison) -> str:
    if found.difference is None:
        return f"{optimization.optimizer} with {badges.model(optimization.model)}."
    needed = ""
    if found.scenarios_needed is not None and found.difference_sought is not None:
        sought = figures.points(found.difference_sought).removeprefix("+")
        needed = f" Scenarios needed to show {sought}: about {found.scenarios_needed:,}."
    return (
        f"Pass rates on the test split, which the search never saw: "
        f"{figures.runs(found.scenarios, optimization.repetitions)} for each version, "
        f"model {badges.model(optimization.model)}.{needed}"
    )
