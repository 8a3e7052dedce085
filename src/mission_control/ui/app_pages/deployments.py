"""Page: what is in force, how it and Vapi have moved apart, deploying, rolling back, history."""

import streamlit as st

from mission_control.api.agents.schemas import AgentRead
from mission_control.api.deployments.schemas import DeploymentRead
from mission_control.core.agent_context import MemoryRecord
from mission_control.core.words import AnsweringState, DeploymentStatus, Verdict
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures, frame
from mission_control.ui.components.deploying import (
    deploy_button,
    deployment_job,
    deployment_progress,
    rollback_button,
)
from mission_control.ui.components.drift import drift_panel, theirs_at_vapi
from mission_control.ui.components.prompt_diff import prompt_diff
from mission_control.ui.components.tables import show_rows, status_column


def main() -> None:
    agent_id = frame.need_agent().id
    job = deployment_job(agent_id, page="deployments")
    agent = api_client().agents.get(agent_id)
    deployments = api_client().deployments(agent_id, limit=50).items
    top = st.empty()
    with top.container():
        frame.agent_line(agent)
    busy = deployment_progress(job, page="deployments")
    moved = theirs_at_vapi(agent)
    show_standing(agent, deployments, busy=busy, theirs=moved)
    drift_panel(agent, page="deployments", can_act=not busy)
    if not busy:
        deploy_another(agent, again=moved)
    show_history(deployments)
    now = api_client().agents.get(agent_id)
    if now.answering != agent.answering:  # what was asked on this page has told more
        with top.container():
            frame.agent_line(now)


def show_standing(
    agent: AgentRead, deployments: list[DeploymentRead], *, busy: bool, theirs: bool
) -> None:
    standing = next(
        (each for each in deployments if each.status is DeploymentStatus.VERIFIED), None
    )
    if standing is None:
        st.info("No deployment of this agent is in force, so there is nothing to roll back.")
        return
    with st.container(border=True, key="deployments_standing"):
        cells = st.columns([2, 3, 3, 3])
        is_in_force = agent.answering.state is AnsweringState.OURS
        title = "In force" if is_in_force else "Deployed last"
        cells[0].metric(title, f"Version {standing.version}")
        cells[1].metric("Target", badges.TARGETS[standing.target])
        cells[2].metric("Read back", figures.moment(standing.finished_at))
        cells[3].metric("Before", _before(standing))
        changed = ", ".join(f"`{name}`" for name in standing.changed) or "nothing"
        if standing.taken_over:
            changed = "nothing, it was there already"
        for warning in standing.warnings:
            st.warning(badges.plain(warning))
        st.caption(f"Changed on the target: {changed}. Target id: `{standing.target_id or '—'}`.")
        if standing.memories is not None:
            st.caption(badges.plain(_memory_line(standing.memories)))
        if not busy:
            rollback_button(agent, page="deployments", theirs=theirs)


def _memory_line(memory: MemoryRecord) -> str:
    """What of the memory stands in the prompt, and of which servers that is not all."""
    unread = {
        "not known": memory.missing,
        "silent": list(memory.stale),
        "read in part": memory.partly_read,
    }
    said = [f"{how}: {', '.join(servers)}" for how, servers in unread.items() if servers]
    return ". ".join([f"With {len(memory.items)} memories in its prompt", *said]) + "."


def deploy_another(agent: AgentRead, *, again: bool) -> None:
    """`again`: the target has moved, so what is in force can be put there once more."""
    numbers = [each.number for each in api_client().agents.versions(agent.id, limit=200).items]
    others = [number for number in numbers if again or number != agent.deployed_version]
    if not others:
        return
    title = "Deploy another version" if agent.deployed_version and not again else "Deploy a version"
    with st.expander(title, icon=":material/publish:"):
        version = st.selectbox("Version", others, key=f"deployments_version_{agent.id}")
        in_force = agent.deployed_version or agent.current_version
        if version != in_force:
            st.caption(f"What it changes against version {in_force}:")
            prompt_diff(api_client().agents.diff(agent.id, in_force, version).prompt)
        deploy_button(
            agent, version, verdict_of(agent.id, version), page="deployments", theirs=again
        )


def verdict_of(agent_id: str, version: int) -> Verdict | None:
    """What the newest optimization that ended in this version has shown."""
    found = api_client().optimization_history(agent_id, limit=200).items
    return next((each.verdict for each in found if each.candidate_version == version), None)


def _before(deployment: DeploymentRead) -> str:
    """A first deployment has none of ours before it."""
    before = deployment.previous_version
    return f"Version {before}" if before not in (None, deployment.version) else "—"


def _overwrote(deployment: DeploymentRead) -> str:
    """Whose text gave way, on whose word."""
    undone = deployment.rollback_overwritten
    said = [f"theirs in {each.field}" for each in deployment.overwritten or []]
    said += [f"theirs in {each.field}, by the rollback" for each in undone or []]
    return ", ".join(said)


def show_history(deployments: list[DeploymentRead]) -> None:
    st.subheader("History")
    if not deployments:
        st.caption("No deployment yet.")
        return
    show_rows(
        [
            {
                "Asked": figures.moment(each.created_at),
                "Version": each.version,
                "Before": _before(each),
                "Target": badges.TARGETS[each.target],
                "Status": [badges.deployment_word(each.status)],
                "Asked by": each.requested_by or "—",
                "Changed": ", ".join(each.changed),
                "Overwrote": _overwrote(each),
                "Why it failed": each.error.detail if each.error else "",
            }
            for each in deployments
        ],
        key="deployments_history",
        alt="Deployments, newest first",
        columns={
            "Status": status_column(dict(badges.DEPLOYMENTS.values())),
        },
    )


main()
