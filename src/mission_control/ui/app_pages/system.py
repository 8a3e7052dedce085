"""Page: the parts of this installation, the mirrors of what is outside, and all jobs."""

import streamlit as st

from mission_control.api.jobs.schemas import JobRead
from mission_control.api.system.schemas import Component, ComponentState
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures
from mission_control.ui.components.refusals import api_errors_shown
from mission_control.ui.components.syncing import sync_panel
from mission_control.ui.components.tables import show_marked_rows, show_rows, status_column

REFRESH_SECONDS = 10
STATES: dict[ComponentState, str] = {
    "ok": ":green-badge[ok]",
    "degraded": ":orange-badge[degraded]",
    "down": ":red-badge[down]",
}


def main() -> None:
    st.subheader("Parts")
    show_parts()
    st.subheader("Mirrors")
    with api_errors_shown():
        sync_panel()
    st.subheader("Jobs")
    show_jobs()


@st.fragment(parallel=True)
def show_parts() -> None:
    with api_errors_shown():
        found = api_client().system_status()
        st.markdown(f"{STATES[found.state]} Mission Control {found.version}")
        show_marked_rows(
            [part_row(component) for component in found.components],
            alt="Parts of this installation",
        )
        st.button("Ask again", key="system_refresh", icon=":material/refresh:")


def part_row(component: Component) -> dict[str, str]:
    milliseconds = component.milliseconds
    return {
        "Part": f"**{component.name}** {badges.SANDBOX if component.stand_in else ''}",
        "State": STATES[component.state],
        "What it says": badges.plain(component.detail),
        "Took": figures.duration(milliseconds),
    }


@st.fragment(run_every=REFRESH_SECONDS)
def show_jobs() -> None:
    with api_errors_shown():
        jobs = api_client().jobs.list(limit=50).items
        for job in [job for job in jobs if not job.status.is_over]:
            open_job(job)
        ended = [job for job in jobs if job.status.is_over]
        if not jobs:
            st.caption("No jobs yet. Evaluations, optimizations and deployments appear here.")
        elif ended:
            ended_jobs(ended)


def open_job(job: JobRead) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"{badges.run(job.status)} **{job.kind.value}**{of_agent(job)} "
            f"{progress(job)} &ensp;asked {figures.ago(job.created_at)}"
        )
        if job.waiting is not None:
            st.caption(badges.plain(job.waiting.detail))
        if st.button("Cancel", key=f"system_cancel_{job.id}", icon=":material/stop_circle:"):
            api_client().jobs.cancel(job.id)
            st.toast("Asked to end. What was found so far is kept.")


def of_agent(job: JobRead) -> str:
    return f" of `{job.agent_id}`" if job.agent_id else ""


def progress(job: JobRead) -> str:
    done, total = job.progress.get("done"), job.progress.get("total")
    if done is not None and total is not None:
        return f"&ensp;{done} of {total} runs"
    phase = job.progress.get("phase")
    return f"&ensp;{badges.plain(str(phase))}" if phase else ""


def ended_jobs(jobs: list[JobRead]) -> None:
    show_rows(
        [
            {
                "Asked": figures.moment(job.created_at),
                "Job": job.kind.value,
                "Agent": job.agent_id or "—",
                "Status": [job.status.value],
                "Took": took(job),
                "Why it failed": job.error.detail if job.error else "",
                "Id": str(job.id),
            }
            for job in jobs
        ],
        key="system_jobs",
        alt="Jobs that have ended, newest first",
        columns={
            "Status": status_column(badges.RUNS),
        },
    )


def took(job: JobRead) -> str:
    if job.started_at is None or job.finished_at is None:
        return figures.NOT_MEASURED
    return figures.duration((job.finished_at - job.started_at).total_seconds() * 1_000)


main()
