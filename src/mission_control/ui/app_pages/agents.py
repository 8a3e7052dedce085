"""Page: every agent and its state, one of them in detail, and importing another."""

from contextlib import suppress

import streamlit as st

from mission_control.api.agent_import.schemas import ImportCandidate
from mission_control.api.agents.schemas import AgentDetail, AgentRead, AgentUpdate, MeasuredRate
from mission_control.client.errors import ApiError
from mission_control.core.words import AgentType
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures, frame
from mission_control.ui.components.drafts import review_drafts
from mission_control.ui.components.drift import drift_states
from mission_control.ui.components.prompt_diff import prompt_diff
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.tables import choose_row, show_rows, status_column

REFRESH_SECONDS = 10
FROM_FILE, FROM_TEXT, FROM_SUPEROPTIX = "A file", "Text", "SuperOptiX's own"
FROM_VAPI = "A Vapi assistant"


def main() -> None:
    agents = frame.fleet()
    import_agent(first=not agents)
    if not agents:
        st.info("No agents yet: import a playbook, or one that ships with SuperOptiX.")
        return
    fleet_table(agents)
    look_again([(agent.id, agent.updated_at) for agent in agents])
    chosen = frame.chosen_agent()
    if chosen is not None:
        show_agent(api_client().agents.get(chosen.id))


# ------------------------------------------------------------------ the fleet


def fleet_table(agents: list[AgentRead]) -> None:
    drift = drift_states(agents)
    rows = [
        {
            "Agent": agent.name,
            "Id": agent.id,
            "Status": [agent.status.value],
            "Type": badges.TYPES[agent.type],
            "Current": agent.current_version,
            "In force": f"{agent.deployed_version}" if agent.deployed_version else "—",
            "At Vapi": [badges.drift_word(drift[agent.id])] if agent.id in drift else [],
            "Pass rate": figures.share(agent.measured.pass_rate) if agent.measured else "—",
            "Measured on": measured_on(agent.measured),
            "Changed": figures.ago(agent.updated_at),
        }
        for agent in agents
    ]
    picked = choose_row(
        rows,
        key="agents_table",
        alt="All agents with their state",
        columns={
            "Status": status_column(badges.AGENTS),
            "Current": st.column_config.NumberColumn("Current version", format="%d"),
            "In force": st.column_config.TextColumn("Version in force"),
            "At Vapi": status_column(dict(badges.DRIFT.values())),
        },
    )
    if picked != st.session_state.get("agents_picked"):
        st.session_state["agents_picked"] = picked
        if picked is not None:
            frame.choose_next_time(agents[picked].id)
            st.rerun()


def measured_on(found: MeasuredRate | None) -> str:
    """Of the version in force, on the split that no search has seen."""
    if found is None:
        return "not measured on the test split"
    return f"version {found.version}, {found.split}: {figures.runs(found.scenarios, found.repetitions)}"


@st.fragment(run_every=REFRESH_SECONDS)
def look_again(shown: list[tuple[str, object]]) -> None:
    """Run the page again when an agent has changed since it was drawn."""
    with suppress(ApiError):  # looked at again in a while
        if [(agent.id, agent.updated_at) for agent in frame.read_fleet()] != shown:
            st.rerun()


# ------------------------------------------------------------------ one agent


def show_agent(agent: AgentDetail) -> None:
    frame.agent_line(agent)
    if agent.description:
        st.caption(badges.plain(agent.description))
    if agent.warnings:
        st.warning("\n".join(f"- {badges.plain(warning)}" for warning in agent.warnings))
    with st.container(horizontal=True):
        st.page_link("app_pages/evaluate.py", label="Evaluate", icon=":material/fact_check:")
        st.page_link("app_pages/optimize.py", label="Optimize", icon=":material/trending_up:")
        st.page_link("app_pages/deployments.py", label="Deployments", icon=":material/publish:")
        st.page_link("app_pages/calls.py", label="Calls", icon=":material/call:")
    scenarios, prompt, playbook, versions = st.tabs(
        [f"Scenarios ({len(agent.scenarios)})", "Prompt", "Playbook", "Versions"]
    )
    with scenarios:
        show_scenarios(agent)
    with prompt:
        edit_prompt(agent)
        if agent.first_message is not None:
            st.caption("What it says first")
            st.text(agent.first_message)
    with playbook:
        edit_playbook(agent)
    with versions:
        show_versions(agent)


def show_scenarios(agent: AgentDetail) -> None:
    if not agent.scenarios:
        st.info(
            "This version has no scenarios, so it cannot be evaluated. Add some to the playbook."
        )
        return
    review_drafts(agent)
    splits = [scenario.split for scenario in agent.scenarios if not scenario.draft]
    st.caption(
        " · ".join(f"{splits.count(split)} {split}" for split in ("train", "validation", "test"))
        + (f" · {drafts} to review" if (drafts := len(agent.scenarios) - len(splits)) else "")
        + ". The optimizer sees train and validation; test is kept for the comparison."
    )
    show_rows(
        [
            {
                "Scenario": scenario.id,
                "Split": scenario.split,
                "Anchor": "anchor" if scenario.anchor else "",
                "Draft": "to review" if scenario.draft else "",
                "Input": " | ".join(scenario.input.values()),
                "Expected": " | ".join(scenario.expected.values()),
                "Checks": scenario.checks or ["superoptix"],
            }
            for scenario in agent.scenarios
        ],
        key="agents_scenarios",
        alt="Scenarios of the current version",
        columns={
            "Input": st.column_config.TextColumn(width="medium"),
            "Expected": st.column_config.TextColumn(width="medium"),
            "Anchor": st.column_config.TextColumn(help="An anchor may never break"),
            "Checks": st.column_config.ListColumn(),
        },
    )


def edit_prompt(agent: AgentDetail) -> None:
    text = st.text_area(
        f"Prompt of version {agent.current_version}",
        agent.prompt,
        height=360,
        key=f"agents_prompt_{agent.id}_{agent.current_version}",
    )
    note = st.text_input("Note", key="agents_note", placeholder="What you changed, and why")
    if st.button("Save as a new version", key="agents_save", disabled=text == agent.prompt):
        with refusals_shown():
            request = AgentUpdate(prompt=text, note=note, based_on=agent.current_version)
            saved = api_client().agents.update(agent.id, request)
            st.toast(f"Version {saved.current_version} is stored. Nothing was deployed.")
            st.rerun()
    st.caption("A new version is stored and becomes the current one; nothing is deployed by it.")


def edit_playbook(agent: AgentDetail) -> None:
    stored = api_client().agents.version(agent.id, agent.current_version).playbook
    text = st.text_area(
        f"Playbook of version {agent.current_version} (YAML)",
        stored,
        height=460,
        key=f"agents_playbook_{agent.id}_{agent.current_version}",
    )
    if st.button("Save as a new version", key="agents_save_playbook", disabled=text == stored):
        with refusals_shown():
            request = AgentUpdate(playbook=text, based_on=agent.current_version)
            saved = api_client().agents.update(agent.id, request)
            st.toast(f"Version {saved.current_version} is stored. Nothing was deployed.")
            st.rerun()
    st.caption(
        "Scenarios, checks and tools are in here. To accept a scenario that is a draft, correct "
        "what the agent should have said, and take `draft: true` away."
    )


def show_versions(agent: AgentDetail) -> None:
    versions = api_client().agents.versions(agent.id, limit=200).items
    show_rows(
        [
            {
                "Version": version.number,
                "Origin": version.origin.value,
                "From": f"{version.parent}" if version.parent else "—",
                "Note": version.note,
                "Stored": figures.moment(version.created_at),
                "Hash": version.content_hash[:12],
            }
            for version in versions
        ],
        key="agents_versions",
        alt="Versions, newest first",
    )
    if len(versions) < 2:
        st.caption("There is one version, so there is nothing to compare it with.")
        return
    numbers = [version.number for version in versions]
    left, right = st.columns(2)
    before = left.selectbox("Compare version", numbers, index=1, key="agents_before")
    after = right.selectbox("with version", numbers, index=0, key="agents_after")
    prompt_diff(api_client().agents.diff(agent.id, before, after).prompt)


# ------------------------------------------------------------------ one agent more


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
            columns={"Here as": st.column_config.TextColumn(help="The agent that it is already")},
        )
        chosen = found[picked] if picked is not None else None
        if chosen is not None and chosen.refusal:
            st.warning(badges.plain(chosen.refusal))
        ready = chosen is not None and chosen.refusal is None
        if st.button(
            "Import this assistant", type="primary", key="agents_import", disabled=not ready
        ):
            assert chosen is not None
            send_assistant(chosen)
        st.caption(
            "Makes an agent of its prompt, model and tools; nothing is changed at Vapi. Scenarios "
            "made from its last calls are drafts: review them before they count."
            if chosen is not None
            else "Choose the assistant to make an agent of. Nothing is changed at Vapi."
        )


def candidate_row(found: ImportCandidate) -> dict[str, object]:
    return {
        "Assistant": found.name or "unnamed",
        "Model": " ".join(each for each in (found.provider, found.model) if each) or "—",
        "Here as": found.agent_id or "",
        "Cannot be imported": found.refusal or "",
        "Changed at Vapi": found.updated_at or "",
        "Id": found.vapi_assistant_id,
    }


def send_assistant(found: ImportCandidate) -> None:
    agent = api_client().agents.import_assistant(found.vapi_assistant_id)
    frame.choose_next_time(agent.id)
    st.toast(f"{agent.name} is imported. Nothing was changed at Vapi.")
    st.rerun()


main()
