"""One of many: which one is open stands in the address of the page, so that it can be shared."""

from typing import Literal

import streamlit as st

What = Literal["call", "lead"]
PAGES: dict[What, str] = {"call": "app_pages/calls.py", "lead": "app_pages/leads.py"}


def opened(what: What) -> str | None:
    """Id of the one that is open."""
    return st.query_params.get(what)


def open_it(what: What, its_id: str) -> None:
    """Open one, from whatever page. Counted, so that coming back finds nothing chosen any more."""
    counter = f"{what}s_opened_times"
    st.session_state[counter] = st.session_state.get(counter, 0) + 1
    st.switch_page(PAGES[what], query_params={what: its_id})


def close_it(what: What, *, label: str) -> None:
    if st.button(label, icon=":material/arrow_back:", key=f"{what}s_back"):
        st.switch_page(PAGES[what])


def link_to(what: What, its_id: str, label: str) -> None:
    st.page_link(PAGES[what], label=label, query_params={what: its_id})
