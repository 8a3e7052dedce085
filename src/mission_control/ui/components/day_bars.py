"""A figure by day: a bar for each day from the first to the last."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import streamlit as st

MOST_DAYS = 400  # more than a year of bars is no picture any more

STYLE = """
<style>
.mc-days { display: flex; align-items: flex-end; gap: clamp(0px, 0.25vw, 3px); height: 110px;
  border-bottom: 1px solid rgba(128,138,150,.5); }
.mc-days > div { flex: 1 1 0; min-width: 0; height: 100%; display: flex; flex-direction: column;
  justify-content: flex-end; }
.mc-days > div:hover { background: rgba(128,138,150,.16); }
.mc-days-scale { display: flex; justify-content: space-between; font-size: 11px; opacity: .7;
  margin-top: 3px; font-variant-numeric: tabular-nums; }
</style>
"""
PART = '<span style="display:block;height:{height:.2f}%;background:{color}"></span>'


@dataclass(frozen=True)
class Day:
    """`parts` are heights from the bottom to the top, `said` is what the day is told as."""

    day: date
    parts: Sequence[float]
    said: str


def day_bars(days: Sequence[Day], colors: Mapping[str, str], *, label: str, most: str) -> None:
    """`colors`: of the parts, by name. `most`: the largest day in words, for the scale."""
    shown = _without_gaps(days)[-MOST_DAYS:]
    highest = max((sum(day.parts) for day in shown), default=0) or 1
    bars = "".join(_bar(day, list(colors.values()), highest) for day in shown)
    ends = [shown[0], shown[len(shown) // 2], shown[-1]]
    scale = "".join(f"<span>{each.day:%d %b %Y}</span>" for each in ends)
    st.html(
        f'{STYLE}<div class="mc-days-scale"><span>{html.escape(most)}</span>'
        f"<span>{_legend(colors)}</span></div>"
        f'<div class="mc-days" role="img" aria-label="{html.escape(label)}">{bars}</div>'
        f'<div class="mc-days-scale">{scale}</div>'
    )


def _bar(day: Day, colors: Sequence[str], highest: float) -> str:
    parts = "".join(
        PART.format(height=100 * part / highest, color=color)
        for part, color in reversed(list(zip(day.parts, colors, strict=False)))
        if part > 0
    )
    return f'<div title="{html.escape(day.said)}">{parts}</div>'


def _legend(colors: Mapping[str, str]) -> str:
    if len(colors) < 2:
        return ""
    return " &ensp; ".join(
        f'<span style="display:inline-block;width:9px;height:9px;border-radius:2px;'
        f'background:{color}"></span> {html.escape(name)}'
        for name, color in colors.items()
    )


def _without_gaps(days: Sequence[Day]) -> list[Day]:
    """Every day from the first to the last; on those that are not told nothing happened."""
    known = {each.day: each for each in days}
    first, last = min(known), max(known)
    every = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return [known.get(day) or Day(day, [], f"{day:%a %d %b %Y}: nothing") for day in every]
