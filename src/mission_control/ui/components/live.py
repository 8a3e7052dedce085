"""A job as it happens: the browser follows the API's WebSocket itself."""

from contextlib import suppress
from pathlib import Path
from typing import Literal

import streamlit as st
from streamlit.components.v2 import component

from mission_control.api.jobs.schemas import JobRead
from mission_control.client.errors import ApiError
from mission_control.core.words import JobKind
from mission_control.ui.clients import api_client, api_port
from mission_control.ui.components import badges
from mission_control.ui.components.refusals import refusals_shown

HERE = Path(__file__).parent
FALLBACK_SECONDS = 5

_panel = component(
    "mission_control_live",
    html='<div id="live"></div>\n',
    css=HERE.joinpath("live.css").read_text(encoding="utf-8"),
    js=HERE.joinpath("live.js").read_text(encoding="utf-8"),
)


def watch_live(job: JobRead, *, key: str) -> None:
    """Show an open job until it is over, then run the page again."""
    done = _draw(job, key=f"{key}_live_{job.id}", live=True)
    if done:
        st.rerun()
    _run_again_when_over(job)
    if st.button("Cancel", key=f"{key}_cancel_{job.id}", icon=":material/stop_circle:"):
        with refusals_shown():
            api_client().jobs.cancel(job.id)
            st.toast("Asked to end. What was found so far is kept.")


def show_log(job: JobRead, *, key: str) -> None:
    """The log of an optimization that is over, as far as it is still kept."""
    _draw(job, key=f"{key}_log_{job.id}", live=False)


def _draw(job: JobRead, *, key: str, live: bool) -> bool:
    kind: Literal["optimize", "evaluate"] = (
        "optimize" if job.kind is JobKind.OPTIMIZE else "evaluate"
    )
    result = _panel(
        key=key,
        data={
            "kind": kind,
            "agent_id": job.agent_id,
            "job_id": str(job.id),
            "port": api_port(),
            # Ids of events begin with the time in ms: so the first one of this job can be named.
            "after": f"{int(job.created_at.timestamp() * 1_000) - 1}-0",
            "live": live,
        },
        on_done_change=lambda: None,
    )
    return bool(result.get("done"))


@st.fragment(run_every=FALLBACK_SECONDS)
def _run_again_when_over(job: JobRead) -> None:
    """Where no WebSocket gets through, the page still learns that the job is over.

    One that waits says its place in the queue and what it waits for.
    """
    with suppress(ApiError):  # the panel says itself when the API is away
        now = api_client().jobs.get(job.id)
        if now.status.is_over:
            st.rerun()
        if now.waiting is not None:
            st.caption(badges.plain(now.waiting.detail))
