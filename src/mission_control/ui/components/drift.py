"""How an agent and its assistant at Vapi have moved apart, and what to do about it."""

import difflib

import streamlit as st

from mission_control.api.agents.schemas import AgentDetail, AgentRead, AgentUpdate
from mission_control.api.deployments.errors import ComparedBeforeError
from mission_control.api.drift.schemas import DriftField, DriftRead
from mission_control.client.errors import ApiProblemError
from mission_control.core.words import AgentType, DriftState
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures
from mission_control.ui.components.prompt_diff import prompt_diff
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.tables import show_marked_rows

PROMPT = "system"
NAMES = {PROMPT: "the prompt", "first_message": "the first message"}
MEANING: dict[DriftState, str] = {
    DriftState.CLEAN: "What answers at Vapi is what the current version here says.",
    DriftState.CHANGED_IN_VAPI: (
        "Somebody changed the assistant at Vapi since it was deployed. **Next:** if theirs is "
        "right, take it over as a new version; if not, deploy the version in force again."
    ),
    DriftState.CHANGED_HERE: (
        "The current version here is not what runs at Vapi. **Next:** deploy it when it is good "
        "enough."
    ),
    DriftState.BOTH: (
        "It was changed at Vapi and here. **Next:** compare both below. Take Vapi's text over as a "
        "new version, or deploy yours: that overwrites what was changed there, and a rollback "
        "brings it back."
    ),
    DriftState.NEVER_DEPLOYED: (
        "Nothing was deployed to it from here yet, so nobody can say who moved. **Next:** compare, "
        "then deploy a version or take Vapi's text over."
    ),
    DriftState.UNKNOWN: (
        "Vapi could not be asked, so what runs there is not known. **Next:** remove the cause, then "
        "check again."
    ),
}


def drift_panel(agent: AgentDetail, *, page: str) -> bool:
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
            _fields(agent, found, page=page)
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


def overwritten(found: DriftRead | None) -> None:
    """What somebody changed at Vapi in the texts that we deploy."""
    theirs = [each for each in found.fields if _is_theirs(each)] if found is not None else []
    if not theirs:
        st.caption("The comparison shows no text of theirs any more; check again.")
    for field in theirs:
        st.caption(f"In {NAMES[field.field]}, since it was deployed:")
        _difference(field.deployed, field.live)


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
    if found.error is not None:
        st.warning(badges.plain(found.error.detail))
        since = figures.moment(found.compared_at)
        st.caption(
            "It has never answered."
            if found.compared_at is None
            else f"What follows is what was found when it last answered, on {since}."
        )


def _fields(agent: AgentDetail, found: DriftRead, *, page: str) -> None:
    texts = [each for each in found.fields if _has_text(each)]
    others = [each for each in found.fields if not _has_text(each)]
    for field in texts:
        _text(agent, field, page=page)
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


def _text(agent: AgentDetail, field: DriftField, *, page: str) -> None:
    name = NAMES[field.field]
    with st.expander(f"{name.capitalize()}: {badges.drift_word(field.state)}", expanded=True):
        if _is_theirs(field):
            st.caption(f"What somebody changed in {name} at Vapi since it was deployed:")
            _difference(field.deployed, field.live)
        if field.state is not DriftState.CHANGED_IN_VAPI:
            st.caption(
                f"What deploying version {agent.current_version} would change in {name} at Vapi:"
            )
            _difference(field.live, field.here)
        moved_there = field.state is not DriftState.CHANGED_HERE
        if field.field == PROMPT and moved_there and field.live and field.live != field.here:
            _take_over(agent, field.live, page=page)


def _take_over(agent: AgentDetail, live: str, *, page: str) -> None:
    if st.button("Take Vapi's prompt over as a new version", key=f"{page}_drift_take_over"):
        with refusals_shown():
            request = AgentUpdate(
                prompt=live, note="Taken over from Vapi", based_on=agent.current_version
            )
            saved = api_client().agents.update(agent.id, request)
            api_client().drift.check(agent.id)
            st.toast(f"Version {saved.current_version} has Vapi's prompt. Nothing was deployed.")
            st.rerun()


def _difference(before: str | None, after: str | None) -> None:
    lines = difflib.unified_diff(
        (before or "").splitlines(), (after or "").splitlines(), "before", "after", lineterm=""
    )
    prompt_diff("\n".join(lines), unchanged="The texts are the same.")
