"""A difference and its interval, drawn against zero."""

import math

import streamlit as st

from mission_control.core.comparison import Comparison
from mission_control.core.words import Verdict
from mission_control.ui.components import figures

STEP = 0.25
COLORS = {Verdict.BETTER: "46,160,97", Verdict.WORSE: "208,70,58"}
OTHER = "110,125,145"

DRAWING = """
<div style="position:relative;height:40px;margin:2px 6px 0" role="img" aria-label="{label}">
  <div style="position:absolute;left:0;right:0;top:12px;height:1px;background:rgba(128,138,150,.5)"></div>
  <div style="position:absolute;left:{low}%;width:{width}%;top:7px;height:11px;border-radius:6px;
    background:rgba({color},.35)"></div>
  <div style="position:absolute;left:{zero}%;top:2px;height:21px;width:2px;margin-left:-1px;
    background:rgba(128,138,150,.9)"></div>
  <div style="position:absolute;left:{difference}%;top:6px;height:13px;width:13px;margin-left:-7px;
    border-radius:50%;background:rgb({color})"></div>
  {ticks}
</div>
"""
TICK = (
    '<div style="position:absolute;left:{at}%;top:24px;transform:translateX(-50%);'
    'font-size:11px;opacity:.65">{text}</div>'
)


def interval_bar(found: Comparison, verdict: Verdict) -> None:
    """Nothing for a comparison without an interval."""
    if found.difference is None or found.interval_low is None or found.interval_high is None:
        return
    first = min(-STEP, math.floor(found.interval_low / STEP) * STEP)
    last = max(STEP, math.ceil(found.interval_high / STEP) * STEP)

    def at(value: float) -> float:
        return round(100 * (value - first) / (last - first), 2)

    ticks = [first + STEP * number for number in range(round((last - first) / STEP) + 1)]
    st.html(
        DRAWING.format(
            label=f"Difference {figures.points(found.difference)}",
            low=at(found.interval_low),
            width=max(0.3, at(found.interval_high) - at(found.interval_low)),
            zero=at(0),
            difference=at(found.difference),
            color=COLORS.get(verdict, OTHER),
            ticks="".join(TICK.format(at=at(tick), text=figures.signed(tick)) for tick in ticks),
        )
    )
