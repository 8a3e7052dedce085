"""How an agent and its assistant at Vapi have moved apart, and what to do about it."""

import streamlit as st

from mission_control.api.agents.schemas import AgentDetail, AgentRead
from mission_control.api.drift.errors import ComparedBeforeError
from mission_control.api.drift.schemas import DriftField, DriftRead
from mission_control.client.errors import ApiProblemError
from mission_control.core.words import AgentType, DriftState
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.tables import show_marked_rows
from mission_control.ui.components.text_changes import NAMES, difference, theirs_shown
from mission_control.ui.components.ways_out import ways_out

MEANING: dict[DriftState, str] = {
    DriftState.CLEAN: "What answers at Vapi is what the current version here says.",
    DriftState.CHANGED_IN_VAPI: (
        "Somebody changed the assistant at Vapi since it was last written or read here."
    ),
    DriftState.CHANGED_HERE: (
        "The current version here is not what runs at Vapi. **Next:** deploy it when it is good "
        "enough."
    ),
    DriftState.BOTH: "It was changed at Vapi and here.",
    DriftState.NEVER_DEPLOYED: (
        "Nothing was deployed to it from here yet. **Next:** compare, then deploy a version."
    ),
    DriftState.UNKNOWN: (
        "Vapi could not be asked, so what runs there is not known. **Next:** remove the cause, then "
        "check again."
    ),
}


def drift_panel(agent: AgentDetail, *, page: str, can_act: bool = True) -> bool:
    """The latest comparison of a phone bot. True when somebody has changed its texts at Vapi."""
    if agent.type is not AgentType.PHONE_BOT:
        return False
    st.subheader("Here and at Vapi")
    found = latest(agent.id)
    with st.container(border=True, key=f"{page}_drift"):
        if found is None:
            st.info("Not compared with Vapi yet. Check now, or wait for the next regular check.")
        else:
            _head(found)
        if st.button("Check now", key=f"{page}_drift_check", icon=":material/sync_alt:"):
            with refusals_shown():
                api_client().drift.check(agent.id)
                st.rerun()
        if found is not None:
            _fields(agent, found, page=page, can_act=can_act)
    return found is not None and any(_is_theirs(field) for field in found.fields)


def theirs_at_vapi(agent: AgentRead) -> bool:
    """True when the latest comparison shows a text that somebody changed there."""
    found = latest(agent.id) if agent.type is AgentType.PHONE_BOT else None
    return found is not None and any(_is_theirs(field) for field in found.fields)


def latest(agent_id: str) -> DriftRead | None:
    """None when the agent was never compared."""
    try:
        return api_client().drift.get(agent_id)
    except ApiProblemError as problem:
        if problem.status != 404:
            raise
        return None


def drift_states(agents: list[AgentRead]) -> dict[str, DriftState]:
    """The state of every agent that was compared, in one request."""
    if not any(agent.type is AgentType.PHONE_BOT for agent in agents):
        return {}
    return {each.agent_id: each.state for each in api_client().drift.list(limit=200).items}


def _is_theirs(field: DriftField) -> bool:
    return _has_text(field) and field.state in {DriftState.CHANGED_IN_VAPI, DriftState.BOTH}


def _head(found: DriftRead) -> None:
    st.markdown(
        f"{badges.drift(found.state)} &ensp;asked {figures.ago(found.checked_at)}, "
        f"assistant `{found.assistant_id}`"
    )
    if found.error is not None and found.error.code == ComparedBeforeError.code:
        st.info(found.error.detail)
        return
    st.markdown(MEANING[found.state])
    for warning in found.warnings:
        st.warning(badges.plain(warning))
    if found.error is not None:
        st.warning(badges.plain(found.error.detail))
        since = figures.moment(found.compared_at)
        st.caption(
            "It has never answered."
            if found.compared_at is None
            else f"What follows is what was found when it last answered, on {since}."
        )


def _fields(agent: AgentDetail, found: DriftRead, *, page: str, can_act: bool) -> None:
    texts = [each for each in found.fields if _has_text(each)]
    others = [each for each in found.fields if not _has_text(each)]
    for field in texts:
        _text(agent, field)
    theirs = [each for each in texts if _is_theirs(each)]
    if theirs and can_act:
        ways_out(agent, theirs, page=page)
    if others:
        st.markdown(
            "**Other settings** that are not the same. A deployment leaves them as they are."
        )
        show_marked_rows(
            [{"Field": f"`{each.field}`", "State": badges.drift(each.state)} for each in others],
            alt="Other settings that differ",
        )


def _has_text(field: DriftField) -> bool:
    return field.field in NAMES


def _text(agent: AgentDetail, field: DriftField) -> None:
    name = NAMES[field.field]
    with st.expander(f"{name.capitalize()}: {badges.drift_word(field.state)}", expanded=True):
        if _is_theirs(field):
            theirs_shown(field.field, field.deployed, field.live)
        if field.state is not DriftState.CHANGED_IN_VAPI:
            st.caption(
                f"What deploying version {agent.current_version} would change in {name} at Vapi:"
            )
            difference(field.live, field.here)
