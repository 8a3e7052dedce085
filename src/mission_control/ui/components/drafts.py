"""Scenarios that were made from calls: read, then taken or thrown away, many at once."""

from collections.abc import Collection
from typing import Any, cast

import streamlit as st

from mission_control.api.agents.schemas import AgentDetail, AgentUpdate, ScenarioRead
from mission_control.core import safe_yaml
from mission_control.core.counting import counted
from mission_control.ui.clients import api_client
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.tables import choose_rows


def review_drafts(agent: AgentDetail) -> None:
    """Nothing for an agent without drafts."""
    drafts = [each for each in agent.scenarios if each.draft]
    if not drafts:
        return
    with st.expander(f"Review {counted(len(drafts), 'draft')}", icon=":material/rule:"):
        st.caption(
            "Made from calls: what the agent said there is not yet what it should have said. Take "
            "those that are right; correct the others on the Playbook tab, or throw them away."
        )
        rows = choose_rows(
            [_row(each) for each in drafts],
            key=f"drafts_{agent.id}_{agent.current_version}",
            alt="Scenarios to review",
        )
        chosen = {drafts[row].id for row in rows}
        with st.container(horizontal=True):
            take = st.button(
                f"Take {len(chosen)}", type="primary", key="drafts_take", disabled=not chosen
            )
            drop = st.button(f"Throw {len(chosen)} away", key="drafts_drop", disabled=not chosen)
        if take or drop:
            _store(agent, chosen, take=take)


def _row(draft: ScenarioRead) -> dict[str, object]:
    return {
        "Scenario": draft.id,
        "The caller says": " | ".join(draft.input.values()),
        "The agent said": " | ".join(draft.expected.values()),
    }


def _store(agent: AgentDetail, chosen: Collection[str], *, take: bool) -> None:
    done = "taken" if take else "thrown away"
    with refusals_shown():
        stored = api_client().agents.version(agent.id, agent.current_version).playbook
        request = AgentUpdate(
            playbook=reviewed(stored, chosen, take=take),
            note=f"Drafts {done}: {len(chosen)}",
            based_on=agent.current_version,
        )
        saved = api_client().agents.update(agent.id, request)
        st.toast(f"{counted(len(chosen), 'draft')} {done}: version {saved.current_version}.")
        st.rerun()


def reviewed(playbook: str, chosen: Collection[str], *, take: bool) -> str:
    """The playbook with these drafts as scenarios that count, or without them."""
    document = cast("dict[str, Any]", safe_yaml.load(playbook))
    features: dict[str, Any] = document["spec"]["feature_specifications"]
    scenarios: list[dict[str, Any]] = features["scenarios"]
    if take:
        for scenario in scenarios:
            if scenario.get("name") in chosen:
                scenario.pop("draft", None)
    else:
        features["scenarios"] = [each for each in scenarios if each.get("name") not in chosen]
    return safe_yaml.dump(document)
