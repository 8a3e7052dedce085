"""Somebody changed a text at Vapi: keep theirs, overwrite it, or merge both as a version."""

import streamlit as st

from mission_control.api.agents.schemas import AgentDetail, AgentUpdate
from mission_control.api.drift.schemas import DriftField
from mission_control.client.errors import ApiProblemError
from mission_control.core.text_merge import merged
from mission_control.ui.clients import api_client
from mission_control.ui.components.deploying import changes_shown, follow
from mission_control.ui.components.text_changes import PROMPT

EXPLAINED = (
    "**Somebody changed this at Vapi.** A deployment or rollback is refused until you decide. "
    "Whatever you choose, both texts stay: theirs in the record of the deployment, ours as a version."
)


def ways_out(agent: AgentDetail, theirs: list[DriftField], *, page: str) -> None:
    """Draw the three ways. Their effect is a job, which the page follows."""
    st.markdown(EXPLAINED)
    keep, overwrite, merge = st.tabs(["Keep theirs", "Overwrite theirs", "Merge both"])
    with keep:
        _keep(agent, page=page)
    with overwrite:
        _overwrite(agent, theirs, page=page)
    with merge:
        _merge(agent, theirs, page=page)


def _keep(agent: AgentDetail, *, page: str) -> None:
    st.markdown("Their text becomes a new version, the one in force. Nothing changes at Vapi.")
    note = st.text_input("Why", key=f"{page}_keep_note", placeholder="Ana's hotfix")
    if st.button("Keep theirs as a version", type="primary", key=f"{page}_keep"):
        with changes_shown(agent.id):
            follow(api_client().take_over(agent.id, note=note), page=page)


def _overwrite(agent: AgentDetail, theirs: list[DriftField], *, page: str) -> None:
    version = agent.deployed_version or agent.current_version
    st.markdown(
        f"Version {version} is put there again. That it replaced their text is recorded with who "
        "asked; a rollback brings their text back."
    )
    if st.button(f"Overwrite theirs with version {version}", key=f"{page}_overwrite"):
        with changes_shown(agent.id):
            if _is_still_so(agent, theirs):
                job = api_client().deploy(agent.id, version=version, force=True, overwrite=True)
                follow(job, page=page)


def _is_still_so(agent: AgentDetail, theirs: list[DriftField]) -> bool:
    """Only what was shown may be overwritten: it is looked at once more."""
    now = {each.field: each.live for each in api_client().drift.check(agent.id).fields}
    if all(now.get(each.field) == each.live for each in theirs):
        return True
    st.warning("It was changed at Vapi once more meanwhile; nothing was done. Look at it again.")
    st.button("Show it", key=f"{agent.id}_show_again")
    return False


def _merge(agent: AgentDetail, theirs: list[DriftField], *, page: str) -> None:
    prompt = next((each for each in theirs if each.field == PROMPT), None)
    if prompt is None or prompt.live is None or prompt.here is None:
        st.markdown("Only prompts can be merged here. Edit the agent's playbook instead.")
        return
    both = merged(prompt.deployed or "", prompt.here, prompt.live)
    st.markdown(
        "Both changes are in this text; read it."
        if both is not None
        else "Both changed the same place. This is their text: put into it what is ours."
    )
    text = st.text_area(
        "The merged prompt", both if both is not None else prompt.live, height=260,
        key=f"{page}_merged_{hash((prompt.here, prompt.live))}",
    )  # fmt: skip
    if st.button("Save it as a version and deploy it", type="primary", key=f"{page}_merge"):
        with changes_shown(agent.id):
            if _is_still_so(agent, theirs):
                version = _saved(agent, text)
                job = api_client().deploy(agent.id, version=version, force=True, overwrite=True)
                follow(job, page=page)


def _saved(agent: AgentDetail, text: str) -> int:
    request = AgentUpdate(
        prompt=text, note="Merged with what was changed at Vapi", based_on=agent.current_version
    )
    try:
        return api_client().agents.update(agent.id, request).current_version
    except ApiProblemError:
        st.caption("Nothing was saved or deployed.")
        raise
