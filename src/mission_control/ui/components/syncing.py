"""The mirrors of the systems outside: how far they are read, and reading them now."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import streamlit as st

from mission_control.api.jobs.schemas import JobRead
from mission_control.api.sync.schemas import SyncRead, SystemSync
from mission_control.client.sync import parts
from mission_control.core.counting import all_counted
from mission_control.core.words import JobStatus, SyncStatus, SyncSystem
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures
from mission_control.ui.components.refusals import api_errors_shown, refusals_shown
from mission_control.ui.components.tables import show_marked_rows

POLL_SECONDS = 1
NAMES: dict[str, str] = {
    SyncSystem.VAPI: "Vapi",
    SyncSystem.CLOSE: "Close",
    SyncSystem.MEMORY: "Memory",
}


def sync_panel() -> None:
    """Every system: what is mirrored of it, until when, and what went wrong."""
    found = api_client().syncs.read()
    show_marked_rows([_system_row(each) for each in found.systems], alt="What is mirrored here")
    sync_button(found, key="system", label="Sync all")


def sync_line(system: SyncSystem, *, key: str) -> SystemSync:
    """One line about the mirror that a page shows, and a button to read what is new."""
    found = api_client().syncs.read()
    one = next(each for each in found.systems if each.system is system)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(_status_line(one))
        if found.job_id is None:
            _start_button(key=key, label="Sync now")
    if one.error is not None:
        st.warning(f"The last reading failed. {badges.plain(one.error.detail)}")
    _follow(found, key=key)
    return one


def memory_sync_line(*, key: str) -> None:
    """The same for the memory servers, which can be read without the other systems."""
    found = api_client().syncs.read()
    one = next(each for each in found.systems if each.system is SyncSystem.MEMORY)
    with st.container(horizontal=True, vertical_alignment="center"):
        last = figures.ago(one.complete_until) if one.complete_until else "never"
        st.markdown(f"Last synced {last}. {badges.plain(all_counted(one.counts))}")
        if found.job_id is None and st.button(
            "Sync now", key=f"{key}_sync", icon=":material/sync:"
        ):
            with refusals_shown():
                st.session_state[f"{key}_synced"] = api_client().memory.sync().id
                st.rerun()
    if one.error is not None:
        st.warning(f"The last sync was not whole. {badges.plain(one.error.detail)}")
    _follow(found, key=key)


def sync_button(found: SyncRead, *, key: str, label: str) -> None:
    """A button, or while a sync runs how far it is."""
    if found.job_id is None:
        _start_button(key=key, label=label)
    _follow(found, key=key)


def _start_button(*, key: str, label: str) -> None:
    if st.button(label, key=f"{key}_sync", icon=":material/sync:"):
        with refusals_shown():
            st.session_state[f"{key}_synced"] = api_client().syncs.start().id
            st.rerun()


def _follow(found: SyncRead, *, key: str) -> None:
    begun: UUID | None = st.session_state.get(f"{key}_synced")
    if found.job_id is not None:
        st.session_state[f"{key}_synced"] = found.job_id  # its end is told here, whoever began it
        _progress(found.job_id, key=key)
    elif begun is not None:
        del st.session_state[f"{key}_synced"]  # said once
        _ending(api_client().jobs.get(begun))


@st.fragment(run_every=POLL_SECONDS)
def _progress(job_id: UUID, *, key: str) -> None:
    with api_errors_shown():
        job = api_client().jobs.get(job_id)
        if job.status.is_over:
            st.rerun()
        with st.container(border=True, key=f"{key}_sync_progress"):
            head, end = st.columns([5, 1], vertical_alignment="center")
            asked = figures.ago(job.created_at)
            head.markdown(f"**Reading what is new** {badges.run(job.status)} asked {asked}")
            if end.button("Cancel", key=f"{key}_sync_cancel", icon=":material/stop_circle:"):
                api_client().jobs.cancel(job_id)
                st.toast("Asked to end. What was read so far is kept.")
            if not parts(job):
                st.caption(badges.plain(job.waiting.detail) if job.waiting else "It begins.")
            for name, part in parts(job).items():
                _part(name, part)


def _part(name: str, part: Mapping[str, Any]) -> None:
    status = SyncStatus(part["status"])
    title = f"**{NAMES.get(name, badges.plain(name))}** {badges.sync(status)}"
    if status is SyncStatus.RUNNING:
        st.progress(_share(part), f"{title} &ensp;{_reached(part)}")
    elif status is SyncStatus.FAILED:
        st.markdown(f"{title} &ensp;{badges.plain(_why(part))}")
    else:
        st.markdown(f"{title} &ensp;{_changed(part)}")
    servers: Mapping[str, Mapping[str, Any]] = part.get("servers") or {}
    for server, reached in servers.items():
        st.caption(f"{badges.plain(server)}: {reached['phase']}, {reached['count']:,} read")


def _share(part: Mapping[str, Any]) -> float:
    total = part.get("total")
    return min(1.0, part.get("done", 0) / total) if total else 0.0


def _reached(part: Mapping[str, Any]) -> str:
    if not part.get("phase"):
        return "asking"
    total = part.get("total")
    of = f" of {total:,}" if total else ""
    return f"{badges.plain(str(part['phase']))}: {part.get('done', 0):,}{of}"


def _why(part: Mapping[str, Any]) -> str:
    error: Mapping[str, Any] = part.get("error") or {}
    return str(error.get("detail", "It did not say why."))


def _ending(job: JobRead) -> None:
    if job.status is JobStatus.COMPLETED:
        changes = [
            f"{NAMES.get(name, name)}: {_changed(part)}"
            for name, part in parts(job).items()
            if part["status"] == SyncStatus.COMPLETED
        ]
        st.success(f"Everything is read. {'; '.join(changes)}.", icon=":material/done:")
    elif job.status is JobStatus.CANCELLED:
        st.warning(
            "The sync was cancelled. What was read is kept; the next one goes on from there."
        )
    elif job.error is not None:
        st.error(badges.plain(job.error.detail))


def _system_row(found: SystemSync) -> dict[str, str]:
    return {
        "System": f"**{NAMES[found.system]}** {badges.SANDBOX if found.stand_in else ''}",
        "State": badges.sync(found.status),
        "Mirrored here": badges.plain(all_counted(found.counts))
        if found.counts
        else figures.NOT_MEASURED,
        "Complete until": figures.moment(found.complete_until),
        "What went wrong": badges.plain(found.error.detail) if found.error else "",
    }


def _changed(part: Mapping[str, Any]) -> str:
    rows: Mapping[str, int] = part.get("changed") or {}
    changed = {name: count for name, count in rows.items() if count}
    return f"{badges.plain(all_counted(changed))} new or changed" if changed else "nothing new"


def _status_line(found: SystemSync) -> str:
    sandbox = f"{badges.SANDBOX} " if found.stand_in else ""
    if found.complete_until is None:
        state = "never read to the end yet"
    else:
        state = f"complete until {figures.moment(found.complete_until)}"
    return f"{sandbox}Mirror of **{NAMES[found.system]}**, {state}."
