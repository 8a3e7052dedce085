"""The calls of a lead: those that both Vapi and Close know are shown as one."""

from collections.abc import Sequence

import streamlit as st

from mission_control.api.leads.schemas import LeadCall, LeadDetail
from mission_control.core.words import CallSource
from mission_control.ui.components import badges, figures
from mission_control.ui.components.opened import open_it
from mission_control.ui.components.tables import choose_row, status_column

SUCCESS = {True: "yes", False: "no", None: figures.NOT_MEASURED}


def lead_calls(lead: LeadDetail) -> None:
    if not lead.calls:
        st.caption("No call of this lead is known, at Vapi or in Close.")
        return
    calls = as_one(lead.calls)
    picked = choose_row(
        [_row(each) for each in calls],
        key=f"lead_calls_{lead.id}_{st.session_state.get('calls_opened_times', 0)}",
        alt="Calls of this lead, newest first",
        columns={
            "Ended": status_column(dict(badges.ENDINGS.values()), width=130),
            "Belongs here": status_column(dict(badges.MATCHES.values())),
        },
    )
    st.caption(
        "Choose a call to read it. *By number* means that the call carries no lead, only a number "
        "that this lead has; whom else it may belong to is said with it."
        + (" There are older calls; the Calls page has them all." if lead.more_calls else "")
    )
    if picked is not None:
        open_it("call", str(calls[picked][0].id))


def as_one(calls: Sequence[LeadCall]) -> list[list[LeadCall]]:
    """Calls in their order; the two records of one call together, Vapi's first."""
    by_id = {each.id: each for each in calls}
    shown: set[object] = set()
    groups: list[list[LeadCall]] = []
    for call in calls:
        if call.id in shown:
            continue
        twin = by_id.get(call.same_call_as) if call.same_call_as else None
        group = [call] if twin is None or twin.id in shown else [call, twin]
        shown.update(each.id for each in group)
        groups.append(sorted(group, key=lambda each: each.source is not CallSource.VAPI))
    return groups


def _row(group: list[LeadCall]) -> dict[str, object]:
    first = group[0]
    match = min(group, key=lambda each: list(badges.MATCHES).index(each.matched_by)).matched_by
    others = {other.name for each in group for other in each.other_leads}
    ending = next((each.ending for each in group if each.ending), None)
    return {
        "Began": figures.moment(first.started_at or first.created_at),
        "Known to": " and ".join(badges.SOURCES[each.source] for each in group),
        "Agent": first.agent_id or "—",
        "Ended": [badges.ENDINGS[ending][0]] if ending else [],
        "Success": SUCCESS[first.success],
        "Lasted": figures.clock(first.duration_seconds),
        "Belongs here": [badges.MATCHES[match][0]],
        "Perhaps also of": ", ".join(sorted(others)),
        "Summary": next((each.summary for each in group if each.summary), ""),
    }
