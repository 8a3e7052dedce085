"""How a whole divides into kinds: a bar of coloured parts, with every part in words below it."""

import html
from collections.abc import Sequence

import streamlit as st

from mission_control.ui.components import figures

Part = tuple[str, int, str]  # its name, how many, its colour

DRAWING = """
<div style="display:flex;height:10px;border-radius:5px;overflow:hidden;gap:1px" role="img"
  aria-label="{label}">{parts}</div>
<div style="display:flex;flex-wrap:wrap;gap:2px 16px;margin-top:6px;font-size:12.5px">{legend}</div>
"""
PART = '<div style="flex:{count} 0 2px;background:{color}" title="{said}"></div>'
LEGEND = (
    '<span style="white-space:nowrap"><span style="display:inline-block;width:9px;height:9px;'
    'border-radius:2px;margin-right:5px;background:{color}"></span>{said}</span>'
)


def share_bar(parts: Sequence[Part], *, label: str) -> None:
    """The largest first; kinds of which there are none are left out."""
    some = sorted((part for part in parts if part[1]), key=lambda part: -part[1])
    total = sum(count for _, count, _ in some)
    if not total:
        return
    drawn = [
        {"count": count, "color": color, "said": html.escape(_said(name, count, total))}
        for name, count, color in some
    ]
    st.html(
        DRAWING.format(
            label=html.escape(label),
            parts="".join(PART.format_map(each) for each in drawn),
            legend="".join(LEGEND.format_map(each) for each in drawn),
        )
    )


def _said(name: str, count: int, total: int) -> str:
    return f"{name} {count:,} ({figures.share(count / total)})"
