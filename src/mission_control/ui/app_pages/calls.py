"""Page: what the calls of a span came to, the calls themselves, and one of them in detail."""

from datetime import date, datetime, time, timedelta
from typing import Any

import streamlit as st

from mission_control.api.calls.schemas import CallPage, CallRead, CallTotals
from mission_control.core.words import CallEnding, CallSource, SyncSystem
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures, frame
from mission_control.ui.components.call_detail import call_detail
from mission_control.ui.components.call_totals import call_totals
from mission_control.ui.components.opened import close_it, open_it, opened
from mission_control.ui.components.paging import cursor_of, page_buttons
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.syncing import sync_line
from mission_control.ui.components.tables import choose_row, status_column

PER_PAGE = 50
TOTALS_SECONDS = 30
ALL_AGENTS = "All agents"
EVER, OWN_SPAN = "Ever", "From … to …"
SPANS = {"Last 7 days": 7, "Last 30 days": 30, "Last 90 days": 90, EVER: None, OWN_SPAN: None}
KEPT_BY = {"Vapi": CallSource.VAPI, "Close": CallSource.CLOSE, "Both": None}
BOTH = (
    "A call that both Vapi and Close keep is listed once here, as Vapi tells it, and counts once."
)
CLOSE_ONLY = "Close keeps calls of people too; it judges none, and names no agent."
SUCCESSES = {"yes": True, "no": False}
Asked = dict[str, Any]


def main() -> None:
    call_id = opened("call")
    if call_id is not None:
        close_it("call", label="All calls")
        with refusals_shown():
            call_detail(api_client().calls.get(call_id))
    else:
        list_calls()


def list_calls() -> None:
    mirror = sync_line(SyncSystem.VAPI, key="calls")
    span = ask_span()
    if span["source"] is not CallSource.VAPI:
        st.caption(BOTH if span["source"] is None else CLOSE_ONLY)
    narrowed = ask_more()
    with refusals_shown():
        totals = totals_of(span)
        if totals.calls:
            call_totals(totals, one_agent=span["agent_id"] is not None)
        page = api_client().calls.list(
            **span, **narrowed, limit=PER_PAGE, cursor=cursor_of((span, narrowed), key="calls")
        )
        if page.items:
            show_table(page, narrowed, both=span["source"] is None)
        else:
            say_why_empty(totals, narrowed, never_read=mirror.complete_until is None)


def say_why_empty(totals: CallTotals, narrowed: Asked, *, never_read: bool) -> None:
    if any(value is not None for value in narrowed.values()):
        st.info("No call is like that. Take a filter away.")
    elif totals.calls == 0 and never_read:
        st.info("No calls were read yet: *Sync now* fetches them. New ones arrive by themselves.")
    else:
        st.info("There is no call in this span. Choose a longer one, or all agents.")


@st.cache_data(ttl=TOTALS_SECONDS, max_entries=200, show_spinner="Adding up the calls …")
def totals_of(span: Asked) -> CallTotals:
    return api_client().calls.totals(**span)


# ------------------------------------------------------------------ asking


def ask_span() -> Asked:
    """Agent and days: what the figures are about."""
    agent = frame.chosen_agent()
    options = [ALL_AGENTS, *([agent.id] if agent else [])]
    first, last = None, None
    with st.container(horizontal=True):
        chosen = st.segmented_control(
            "Calls of",
            options,
            default=ALL_AGENTS,
            required=True,
            key=f"calls_whose_{agent.id if agent else ''}",
            help="One agent: the one that is chosen on the left.",
            persist_state="session",
        )
        source = st.segmented_control(
            "Kept by",
            list(KEPT_BY),
            default="Vapi",
            required=True,
            key="calls_source",
            persist_state="session",
        )
        span = st.selectbox(
            "When", list(SPANS), index=1, key="calls_span", width=170, persist_state="session"
        )
        if span == OWN_SPAN:
            first, last = ask_days()
    if (count := SPANS[span]) is not None:
        first = figures.today() - timedelta(days=count - 1)
    return {
        "agent_id": None if chosen == ALL_AGENTS else chosen,
        "source": KEPT_BY[source],
        "since": midnight(first),
        "until": midnight(last + timedelta(days=1)) if last else None,
    }


def ask_days() -> tuple[date | None, date | None]:
    form: Asked = {"format": "YYYY-MM-DD", "width": 150, "persist_state": "session"}
    first = st.date_input("From", None, key="calls_from", **form)
    last = st.date_input("To", None, key="calls_to", **form)
    return first, last


def midnight(day: date | None) -> datetime | None:
    return datetime.combine(day, time.min, figures.zone()) if day else None


def ask_more() -> Asked:
    """What narrows the list, and only the list."""
    text = st.text_input(
        "Search in what was said",
        key="calls_text",
        placeholder="Words of the transcript or the summary",
        persist_state="session",
    ).strip()
    with st.expander("More filters", key="calls_more"):
        ending, reason, success, least, most = st.columns(5)
        given: Asked = {
            "text": text or None,
            "ending": ending.selectbox(
                "Ended",
                list(CallEnding),
                index=None,
                format_func=lambda each: badges.ENDINGS[each][0],
                key="calls_ending",
                placeholder="any way",
                persist_state="session",
            ),
            "ended_reason": reason.text_input(
                "Reason, to the letter",
                key="calls_reason",
                placeholder="any",
                help="As its source writes it, such as customer-ended-call.",
                persist_state="session",
            ).strip()
            or None,
            "success": SUCCESSES.get(
                success.selectbox(
                    "Success",
                    list(SUCCESSES),
                    index=None,
                    key="calls_success",
                    placeholder="any",
                    persist_state="session",
                )
                or ""
            ),
            "min_cost": least.number_input(
                "USD, from",
                0.0,
                None,
                None,
                key="calls_least",
                placeholder="any",
                persist_state="session",
            ),
            "max_cost": most.number_input(
                "USD, to",
                0.0,
                None,
                None,
                key="calls_most",
                placeholder="any",
                persist_state="session",
            ),
        }
    return given


# ------------------------------------------------------------------ showing


def show_table(page: CallPage, narrowed: Asked, *, both: bool) -> None:
    st.subheader("Calls")
    if any(value is not None for value in narrowed.values()):
        st.caption("Narrowed by the filters; the figures above are of the whole span.")
    picked = choose_row(
        [row(each, both=both) for each in page.items],
        key=f"calls_table_{st.session_state.get('calls_opened_times', 0)}",
        alt="Calls, newest first",
        columns={
            "Ended": status_column(dict(badges.ENDINGS.values()), width=130),
            "Why": st.column_config.TextColumn(help="In the words of its source"),
            "Summary": st.column_config.TextColumn(width="large"),
        },
    )
    page_buttons(len(page.items), "calls", page.next_cursor, key="calls")
    if picked is not None:
        open_it("call", str(page.items[picked].id))


def row(call: CallRead, *, both: bool) -> dict[str, object]:
    return {
        "Began": figures.moment(call.started_at or call.created_at),
        "Agent": call.agent_id or figures.NOT_MEASURED,
        "Customer": call.customer_name or call.customer_number or figures.NOT_MEASURED,
        "Direction": call.direction or "",
        "Lasted": figures.clock(call.duration_seconds),
        "Ended": [badges.ENDINGS[call.ending][0]] if call.ending else ["not yet"],
        "Why": call.ended_reason or "",
        "Success": badges.success_word(call.success),
        "Score": badges.score_word(call),
        "Cost": figures.money(call.cost_usd, measured=call.ending is not None),
        **({"Source": badges.SOURCES[call.source]} if both else {}),
        "Summary": call.summary or "",
    }


main()
