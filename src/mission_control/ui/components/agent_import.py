"""Importing an agent: from a file, a text, SuperOptiX's own playbooks, or an assistant at Vapi."""

import streamlit as st

from mission_control.api.agent_import.schemas import ImportCandidate
from mission_control.core.words import AgentType
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, frame
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.stays_at_vapi import stays_at_vapi
from mission_control.ui.components.tables import choose_row

FROM_FILE, FROM_TEXT, FROM_SUPEROPTIX = "A file", "Text", "SuperOptiX's own"
FROM_VAPI = "A Vapi assistant"


def import_agent(*, first: bool) -> None:
    with st.expander("Import an agent", expanded=first, icon=":material/add:"):
        source = st.segmented_control(
            "From",
            [FROM_FILE, FROM_TEXT, FROM_SUPEROPTIX, FROM_VAPI],
            default=FROM_FILE,
            key="agents_source",
            required=True,
        )
        if source == FROM_VAPI:
            import_assistant()
            return
        playbook, marketplace = choose_playbook(source)
        left, right = st.columns(2)
        kind = left.selectbox(
            "Type", list(AgentType), format_func=badges.TYPES.__getitem__, key="agents_type"
        )
        assistant = right.text_input(
            "Vapi assistant id",
            key="agents_assistant",
            disabled=kind is not AgentType.PHONE_BOT,
            help="Left empty, the assistant with the agent's name is looked up when you deploy.",
        )
        if st.button("Import", type="primary", key="agents_import"):
            send_import(playbook, marketplace, kind, assistant)


def choose_playbook(source: str | None) -> tuple[str | None, str | None]:
    """Text of a playbook, or the name of one of SuperOptiX's own."""
    if source == FROM_TEXT:
        return st.text_area("Playbook (YAML)", height=220, key="agents_text") or None, None
    if source == FROM_SUPEROPTIX:
        with refusals_shown():
            names = api_client().agents.marketplace().names
            return None, st.selectbox("Playbook", names, key="agents_marketplace", index=None)
        return None, None
    file = st.file_uploader("Playbook (YAML)", type=["yaml", "yml"], key="agents_file")
    return (file.getvalue().decode("utf-8", errors="replace") if file else None), None


def send_import(
    playbook: str | None, marketplace: str | None, kind: AgentType, assistant: str
) -> None:
    if playbook is None and marketplace is None:
        st.error("Choose a playbook first.")
        return
    with refusals_shown():
        agent = api_client().agents.import_(
            playbook, marketplace=marketplace, type=kind, vapi_assistant_id=assistant or None
        )
        frame.choose_next_time(agent.id)
        st.rerun()


def import_assistant() -> None:
    with refusals_shown():
        found = api_client().agents.candidates().items
        if not found:
            st.info("There is no assistant at Vapi. Make one there, then come back.")
            return
        picked = choose_row(
            [candidate_row(each) for each in found],
            key="agents_candidates",
            alt="Assistants at Vapi",
            columns={
                "Its agent": st.column_config.TextColumn(
                    help="The agent that it is already; in brackets: the id that it would get"
                )
            },
        )
        chosen = found[picked] if picked is not None else None
        if chosen is not None and chosen.refusal:
            st.warning(badges.plain(chosen.refusal))
        ready = chosen is not None and chosen.refusal is None
        name, agent_id = name_and_id(chosen) if ready else (None, None)
        if chosen is not None:
            stays_at_vapi(chosen.left_at_vapi)
        if st.button(
            "Import this assistant", type="primary", key="agents_import", disabled=not ready
        ):
            assert chosen is not None
            send_assistant(chosen, name, agent_id)
        st.caption(
            "Makes an agent of its prompt, model and tools; nothing is changed at Vapi. Scenarios "
            "made from its last calls are drafts: review them before they count."
            if chosen is not None
            else "Choose the assistant to make an agent of. Nothing is changed at Vapi."
        )


def name_and_id(found: ImportCandidate | None) -> tuple[str | None, str | None]:
    """What the agent is to be called; None where the proposal was left as it is."""
    assert found is not None
    left, right = st.columns(2)
    at_vapi = found.name or ""
    name = left.text_input("Name", at_vapi, key=f"agents_name_{found.vapi_assistant_id}")
    agent_id = right.text_input(
        "Id",
        found.proposed_id,
        key=f"agents_id_{found.vapi_assistant_id}",
        help="Lower-case letters, digits, `_` and `-`. It stays the same for ever.",
    )
    return (
        name if name.strip() and name != at_vapi else None,
        agent_id if agent_id and agent_id != found.proposed_id else None,
    )


def candidate_row(found: ImportCandidate) -> dict[str, object]:
    return {
        "Assistant": found.name or "unnamed",
        "Its agent": found.agent_id or ("" if found.refusal else f"({found.proposed_id})"),
        "Model": " ".join(each for each in (found.provider, found.model) if each) or "—",
        "Cannot be imported": found.refusal or "",
        "Stays at Vapi": f"{len(found.left_at_vapi)} kinds of things",
        "Changed at Vapi": found.updated_at or "",
        "Id": found.vapi_assistant_id,
    }


def send_assistant(found: ImportCandidate, name: str | None, agent_id: str | None) -> None:
    agent = api_client().agents.import_assistant(
        found.vapi_assistant_id, name=name, agent_id=agent_id
    )
    frame.choose_next_time(agent.id)
    st.toast(f"{agent.name} is imported. Nothing was changed at Vapi.")
    st.rerun()
