"""Page: every agent and its state, one of them in detail, and importing another."""

from contextlib import suppress

import streamlit as st

from mission_control.api.agents.schemas import (
    AgentDetail,
    AgentRead,
    AgentUpdate,
    MeasuredRate,
)
from mission_control.client.errors import ApiError
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures, frame
from mission_control.ui.components.agent_import import import_agent
from mission_control.ui.components.drafts import review_drafts
from mission_control.ui.components.drift import drift_states
from mission_control.ui.components.prompt_diff import prompt_diff
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.stays_at_vapi import stays_at_vapi
from mission_control.ui.components.tables import choose_row, show_rows, status_column

REFRESH_SECONDS = 10


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
            "Answers": badges.answering_word(agent.answering),
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
            "Answers": st.column_config.TextColumn(
                help="What answers callers now; the agent's own line says since when, and by whom"
            ),
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
    stays_at_vapi(agent.left_at_vapi)
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


main()
