"""What many calls came to: figures, how they ended, and how they spread over the days."""

from collections.abc import Sequence

import streamlit as st

from mission_control.api.calls.schemas import CallFigures, CallTotals, DayFigures
from mission_control.core.call_success import RUBRIC_WORDS
from mission_control.core.counting import counted
from mission_control.core.words import CallEnding
from mission_control.ui.components import badges, figures
from mission_control.ui.components.day_bars import Day, day_bars
from mission_control.ui.components.share_bar import share_bar
from mission_control.ui.components.tables import show_rows

COLORS: dict[CallEnding, str] = {
    CallEnding.CUSTOMER: "#2e9e6b",
    CallEnding.ASSISTANT: "#7cc6a4",
    CallEnding.TRANSFERRED: "#3878bd",
    CallEnding.VOICEMAIL: "#8d9bb0",
    CallEnding.NOT_REACHED: "#b8c1ce",
    CallEnding.SILENCE: "#e0a458",
    CallEnding.TIME_LIMIT: "#c4791f",
    CallEnding.ERROR: "#cc4b3f",
    CallEnding.OTHER: "#6b7688",
}
YES, NO, UNKNOWN = "success", "no success", "judged otherwise, or not"
DRAWN: dict[str, dict[str, str]] = {
    "Calls": {YES: "#2e9e6b", NO: "#cc4b3f", UNKNOWN: "#aab4c2"},
    "Cost": {"USD": "#3878bd"},
    "Minutes": {"minutes": "#3878bd"},
}
MINUTE = 60
HELP = {
    "Success": (
        "Of the calls whose assistant judges by pass or fail. What stands on a scale is below, each "
        "scale by itself."
    ),
    "Cost": "Of the calls that have a price; the others are not in the sum.",
}


def call_totals(found: CallTotals, *, one_agent: bool) -> None:
    _numbers(found)
    _scores(found)
    share_bar(
        [(badges.ENDINGS[each][0], count, COLORS[each]) for each, count in found.endings.items()],
        label="How the calls ended",
    )
    if len(found.by_day) > 1:
        _days(found.by_day)
    if not one_agent and len(found.by_agent) > 1:
        _agents(found)


def _numbers(found: CallFigures) -> None:
    judged = found.success.yes + found.success.no
    rate = figures.share(found.success.yes / judged) if judged else figures.NOT_MEASURED
    unpriced = f"{counted(found.unpriced, 'call')} unpriced"
    cells = [
        ("Calls", f"{found.calls:,}", _open(found)),
        ("Success", rate, f"of {judged:,}; {found.success.unknown:,} not judged"),
        ("Cost", _cost(found), unpriced if found.unpriced else "every call is priced"),
        ("Minutes", f"{found.duration_seconds / MINUTE:,.0f}", f"{_average(found)} on average"),
    ]
    for cell, (name, value, more) in zip(st.columns(4), cells, strict=True):
        cell.metric(name, value, more, delta_color="off", delta_arrow="off", help=HELP.get(name))


def _scores(found: CallFigures) -> None:
    told = [
        f"{RUBRIC_WORDS[rubric]}: {score.average * 100:.0f} of 100 on average in "
        f"{counted(score.calls, 'call')}"
        for rubric, score in found.success.scores.items()
    ]
    if told:
        st.caption("Judged on a scale, from its worst answer to its best: " + " · ".join(told))


def _open(found: CallFigures) -> str:
    still = found.calls - found.ended
    return f"{still:,} not ended yet" if still else "all have ended"


def _cost(found: CallFigures) -> str:
    priced = found.ended - found.unpriced
    return figures.money(found.cost_usd) if priced > 0 else figures.NOT_MEASURED


def _average(found: CallFigures) -> str:
    return figures.clock(found.duration_seconds / found.ended) if found.ended else "—"


def _days(days: Sequence[DayFigures]) -> None:
    what = st.segmented_control(
        "By day",
        list(DRAWN),
        default="Calls",
        required=True,
        key="calls_measure",
        persist_state="session",
    )
    colors = DRAWN[what]
    drawn = [_drawn(each, what) for each in days]
    highest = max(drawn, key=lambda each: sum(each.parts))
    day_bars(drawn, colors, label=f"{what} by day", most=f"most: {highest.said}")
    st.caption("Days in UTC; the newest may not be over. Point at a day to read its figures.")


def _drawn(day: DayFigures, what: str) -> Day:
    minutes = day.duration_seconds / MINUTE
    yes, no = day.success.yes, day.success.no
    heights: dict[str, list[float]] = {
        "Calls": [yes, no, day.calls - yes - no],
        "Cost": [float(day.cost_usd)],
        "Minutes": [minutes],
    }
    said = {
        "Calls": f"{counted(day.calls, 'call')}: {yes:,} with success, {no:,} without",
        "Cost": f"{_cost(day)}, {day.unpriced:,} unpriced",
        "Minutes": counted(round(minutes), "minute"),
    }
    return Day(day.day, heights[what], f"{day.day:%a %d %b %Y}: {said[what]}")


def _agents(found: CallTotals) -> None:
    with st.expander(f"By agent ({len(found.by_agent)})"):
        show_rows(
            [
                {
                    "Agent": each.agent_id or "no agent's",
                    "Calls": each.calls,
                    "Success": _rate(each),
                    "Cost": _cost(each),
                    "Unpriced": each.unpriced,
                    "Minutes": round(each.duration_seconds / MINUTE),
                    "On average": _average(each),
                }
                for each in found.by_agent
            ],
            key="calls_by_agent",
            alt="Figures by agent, most calls first",
        )


def _rate(found: CallFigures) -> str:
    judged = found.success.yes + found.success.no
    if not judged:
        return figures.NOT_MEASURED
    return f"{figures.share(found.success.yes / judged)} of {judged:,}"
