"""One call: its figures, what was said turn by turn, what was made of it, and whose it is."""

import html
import json
from statistics import median
from typing import Any

import streamlit as st

from mission_control.api.calls.schemas import CallDetail, TurnRead
from mission_control.core.call_success import score_words
from mission_control.core.counting import counted
from mission_control.core.words import CallSource, LeadMatch
from mission_control.ui.components import badges, figures, frame
from mission_control.ui.components.opened import link_to
from mission_control.ui.components.tables import show_marked_rows

SPEAKERS = {"agent": "Agent", "caller": "Caller", "tool": "Tool"}
SLOW_SECONDS = 2.0  # a caller notices
MATCHED = {
    LeadMatch.CLOSE: "Close keeps this call with it.",
    LeadMatch.METADATA: "The call carries this lead's id.",
    LeadMatch.PHONE: "It has the number of this call; several leads may share a number.",
}
WITHHELD = {
    CallSource.VAPI: (
        "Under HIPAA, PCI or zero retention it keeps nothing; times and cost are all there is."
    ),
    CallSource.CLOSE: "It transcribes calls only where its Call Assistant is on, and no short ones.",
}
STYLE = """
<style>
.mc-turns { font-size: 13.5px; line-height: 1.5; }
.mc-turns div { display: grid; grid-template-columns: 44px 62px minmax(0, 1fr) auto; gap: 0 10px;
  padding: 5px 10px; border-left: 3px solid transparent; overflow-wrap: anywhere; }
.mc-turns .agent { background: rgba(56,120,189,.09); border-left-color: rgb(56,120,189); }
.mc-turns .caller { border-left-color: rgba(128,138,150,.6); }
.mc-turns .tool { opacity: .75; font: 12px/1.5 monospace; }
.mc-turns .at, .mc-turns .late { opacity: .65; font-variant-numeric: tabular-nums; }
.mc-turns .who { font-weight: 600; }
.mc-turns .slow { opacity: 1; color: #c4791f; font-weight: 600; }
@media (max-width: 640px) { .mc-turns div { grid-template-columns: 40px minmax(0, 1fr) auto; }
  .mc-turns .text { grid-column: 1 / -1; } }
</style>
"""
TURN = (
    '<div class="{speaker}"><span class="at">{at}</span><span class="who">{who}</span>'
    '<span class="text">{text}</span><span class="late{slow}" title="{title}">{late}</span></div>'
)


def call_detail(call: CallDetail) -> None:
    _head(call)
    _figures(call)
    if call.summary:
        st.markdown("**Summary**")
        st.text(call.summary)
    said, analysis, cost, leads = st.tabs(
        ["What was said", "Analysis", "Cost", f"Leads ({len(call.leads)})"]
    )
    with said:
        _said(call)
    with analysis:
        _analysis(call.analysis)
    with cost:
        _cost(call)
    with leads:
        _leads(call)


def _head(call: CallDetail) -> None:
    who = call.customer_name or call.customer_number or "somebody unknown"
    st.subheader(f"{_kind(call)} {badges.plain(who)}")
    ending = badges.ending(call.ending) if call.ending else ":blue-badge[not ended yet]"
    sandbox = f"{badges.SANDBOX} " if frame.is_stand_in(call.source.value) else ""
    agent = f"agent `{call.agent_id}`" if call.agent_id else "no agent of ours"
    reason = f" `{call.ended_reason}`" if call.ended_reason else ""
    st.markdown(f"{sandbox}{ending}{reason} &ensp;{agent} &ensp;{badges.SOURCES[call.source]}")


def _kind(call: CallDetail) -> str:
    return {"inbound": "Call from", "outbound": "Call to"}.get(call.direction or "", "Call with")


def _figures(call: CallDetail) -> None:
    cells = st.columns(4)
    cells[0].metric("Began", figures.day_and_time(call.started_at or call.created_at))
    cells[1].metric("Lasted", figures.clock(call.duration_seconds))
    score = score_words(call.success_score, call.success_rubric)
    cells[2].metric("Success", score or badges.success_word(call.success))
    cells[3].metric("Cost", figures.money(call.cost_usd, measured=call.ending is not None))
    told = {
        "number": call.customer_number,
        "assistant": call.assistant_id,
        "assistant version": call.assistant_version,
        f"id at {badges.SOURCES[call.source]}": call.external_id,
    }
    st.caption(" · ".join(f"{name} `{value}`" for name, value in told.items() if value))
    st.caption(badges.judged_words(call))
    for note in call.notes:
        st.caption(badges.plain(note))
    for other in call.same_calls:
        source = badges.SOURCES[other.source]
        st.caption(f"{source} keeps this call too, as `{other.external_id}`. It counts once.")
    if call.parts:
        _parts(call)


def _parts(call: CallDetail) -> None:
    """What each of several assistants had of it."""
    show_marked_rows(
        [
            {
                "Assistant": badges.plain(each.assistant_name or each.assistant_id or "—"),
                "Version": each.assistant_version or "—",
                "Agent": each.agent_id or "—",
                "Had the call": figures.clock(each.duration_seconds),
                "Cost, by time": figures.money(each.cost_usd),
            }
            for each in call.parts
        ],
        alt="Assistants that spoke in this call",
    )


# ------------------------------------------------------------------ what was said


def _said(call: CallDetail) -> None:
    source = badges.SOURCES[call.source]
    if call.content_removed_at is not None:
        removed = figures.moment(call.content_removed_at)
        st.info(f"What was said was deleted at {source}, on {removed}. Its figures stay.")
    elif call.turns:
        _turns(call.turns, is_shared=bool(call.parts))
    elif call.transcript:
        st.text(call.transcript)
    elif call.content_withheld:
        st.info(f"{source} tells nothing of what was said in this call. {WITHHELD[call.source]}")
    elif call.ending is None:
        st.info("The call has not ended. What is said appears here once it has.")
    else:
        st.info("Nothing was said: the call was never held, or nobody spoke.")


def _turns(turns: list[TurnRead], *, is_shared: bool) -> None:
    waits = [each.latency_seconds for each in turns if each.latency_seconds is not None]
    if waits:
        st.caption(
            f"The agent answered {counted(len(waits), 'time')}: half of them within "
            f"{median(waits):.1f} s, all within {max(waits):.1f} s."
        )
    shown = "".join(_turn(each, is_shared=is_shared) for each in turns)
    st.html(f'{STYLE}<div class="mc-turns" role="log">{shown}</div>')


def _turn(turn: TurnRead, *, is_shared: bool) -> str:
    late = turn.latency_seconds
    return TURN.format(
        speaker=turn.speaker,
        at=figures.clock(turn.at_seconds) if turn.at_seconds is not None else "",
        who=html.escape(turn.assistant or SPEAKERS[turn.speaker])
        if is_shared
        else SPEAKERS[turn.speaker],
        text=html.escape(turn.text),
        late=f"{late:.1f} s" if late is not None else "",
        slow=" slow" if late is not None and late >= SLOW_SECONDS else "",
        title="How long the caller waited for this answer" if late is not None else "",
    )


# ------------------------------------------------------------------ what was made of it


def _analysis(analysis: dict[str, Any]) -> None:
    if not analysis:
        st.caption("Its source made no analysis of this call.")
        return
    for name, value in analysis.items():
        st.markdown(f"**{badges.plain(_spaced(name))}**")
        if isinstance(value, dict | list):
            st.code(json.dumps(value, indent=2, ensure_ascii=False), language="json")
        else:
            st.text(str(value))


def _spaced(name: str) -> str:
    """`successEvaluation` as words."""
    return "".join(f" {each.lower()}" if each.isupper() else each for each in name).strip()


def _cost(call: CallDetail) -> None:
    if call.cost_usd is None:
        told = "unpriced: its source names no cost" if call.ending else "not known before its end"
        st.caption(f"The cost of this call is {told}.")
        return
    parts = [(name, usd) for name, usd in call.cost_breakdown.items() if usd and name != "total"]
    if not parts:
        st.caption("Its source tells the sum only.")
    rows = [*sorted(parts, key=lambda part: -part[1]), ("**In all**", call.cost_usd)]
    show_marked_rows(
        [{"Part": _part_name(name), "USD": f"{usd:.4f}"} for name, usd in rows], alt="Cost by part"
    )


def _part_name(name: str) -> str:
    return name if name.startswith("**") else badges.plain(_spaced(name))


def _leads(call: CallDetail) -> None:
    if not call.leads:
        st.caption(_why_no_lead(call))
    for lead in call.leads:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            link_to("lead", lead.id, lead.name)
            st.markdown(f"{badges.match(lead.matched_by)} {MATCHED[lead.matched_by]}")
    if _many_by_number(call):
        st.caption("Nothing in the call says which of them it was.")


def _many_by_number(call: CallDetail) -> bool:
    return sum(each.matched_by is LeadMatch.PHONE for each in call.leads) > 1


def _why_no_lead(call: CallDetail) -> str:
    if call.lead_id:
        return f"The call names lead {call.lead_id}, which is not mirrored here (any more)."
    if call.customer_number is None and call.source is CallSource.VAPI:
        return "The call has no number and names no lead, so nothing says whose it is."
    return "No lead has the number of this call."
