"""Deploying and rolling back: asked twice, followed until the target was read back."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from uuid import UUID

import streamlit as st

from mission_control.api.agents.schemas import AgentRead
from mission_control.api.jobs.schemas import JobRead
from mission_control.client.errors import ApiError, ApiProblemError
from mission_control.core.words import AgentType, JobKind, JobStatus, Verdict
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.text_changes import theirs_shown

POLL_SECONDS = 1
DOING = {JobKind.DEPLOY: "Deploying", JobKind.ROLLBACK: "Rolling back"}
OVERWRITE = "Also replace what somebody changed at Vapi (it is recorded who asked)"
DONE = {
    JobKind.DEPLOY: "Deployed. The target was read back and is as it should be.",
    JobKind.ROLLBACK: "Rolled back. The target was read back.",
}


def deploy_button(
    agent: AgentRead, version: int, verdict: Verdict | None, *, page: str, theirs: bool = False
) -> None:
    """Deploy a version; an unproven one, or one over somebody's change, only on a word more."""
    with st.popover(
        f"Deploy version {version}", type="primary", icon=":material/publish:", key=f"{page}_deploy"
    ):
        st.markdown(_what_happens(agent, version))
        force = False
        if verdict is not Verdict.BETTER:
            found = badges.VERDICTS[verdict][0].lower() if verdict else "not compared"
            st.warning(f"Version {version} was not shown to be better ({found}).")
            force = st.checkbox("Deploy it all the same", key=f"{page}_deploy_force")
        overwrite = theirs and st.checkbox(OVERWRITE, key=f"{page}_deploy_overwrite")
        with_memory = agent.type is AgentType.PHONE_BOT and st.checkbox(
            "With what its context chooses of the memory, as it is now",
            key=f"{page}_deploy_memory",
        )
        if st.button("Deploy now", type="primary", key=f"{page}_deploy_now"):
            with changes_shown(agent.id):
                job = api_client().deploy(
                    agent.id,
                    version=version,
                    force=force,
                    overwrite=overwrite,
                    include_memory=with_memory,
                )
                follow(job, page=page)


def rollback_button(agent: AgentRead, *, page: str, theirs: bool = False) -> None:
    with st.popover("Roll back", icon=":material/undo:", key=f"{page}_rollback"):
        st.markdown(
            f"Takes back what the deployment of version {agent.deployed_version} changed on "
            f"{_target(agent)}, at once. What others changed elsewhere since is kept."
        )
        overwrite = theirs and st.checkbox(OVERWRITE, key=f"{page}_rollback_overwrite")
        if st.button("Roll back now", type="primary", key=f"{page}_rollback_now"):
            with changes_shown(agent.id):
                follow(api_client().rollback(agent.id, overwrite=overwrite), page=page)


@contextmanager
def changes_shown(agent_id: str) -> Generator[None]:
    """A refusal for somebody's change at Vapi shows that change, and is compared anew below."""
    with refusals_shown():
        try:
            yield
        except ApiProblemError as problem:
            if problem.code == "changed_at_vapi":
                with suppress(ApiError):
                    api_client().drift.check(agent_id)
                for change in problem.fields.get("changes", []):
                    theirs_shown(change["field"], change["known"], change["live"])
                st.caption("The ways out are under *Here and at Vapi*.")
            raise


def deployment_job(agent_id: str, *, page: str) -> JobRead | None:
    """The deployment or rollback that is going on, or else the one begun on this page.

    Ask for it before anything else: what is read after it is never older than its end.
    """
    jobs = api_client().jobs.list(agent_id=agent_id, limit=20).items
    going_on = [job for job in jobs if job.kind in DOING and not job.status.is_over]
    return going_on[0] if going_on else _begun_here(agent_id, page=page)


def deployment_progress(job: JobRead | None, *, page: str) -> bool:
    """Draw how far it is, or how it ended. True while it is going on."""
    if job is None:
        return False
    if not job.status.is_over:
        st.info(f"{DOING[job.kind]}: {job.status.value}.", icon=":material/hourglass_top:")
        _run_again_when_over(job.id)
        return True
    if job.status is JobStatus.COMPLETED:
        del st.session_state[f"{page}_begun"]  # said once: later it may no longer be so
        st.success(DONE[job.kind])
    elif job.error is not None:
        st.error(f"{DOING[job.kind]} failed. {badges.plain(job.error.detail)}")
    else:
        st.warning(f"{DOING[job.kind]} was cancelled. Look at the target before you go on.")
    return False


def follow(job: JobRead, *, page: str) -> None:
    st.session_state[f"{page}_begun"] = job.id
    st.rerun()


def _begun_here(agent_id: str, *, page: str) -> JobRead | None:
    job_id: UUID | None = st.session_state.get(f"{page}_begun")
    if job_id is None:
        return None
    job = api_client().jobs.get(job_id)
    return job if job.agent_id == agent_id else None


@st.fragment(run_every=POLL_SECONDS)
def _run_again_when_over(job_id: UUID) -> None:
    with suppress(ApiError):  # asked again in a second
        if api_client().jobs.get(job_id).status.is_over:
            st.rerun()


def _what_happens(agent: AgentRead, version: int) -> str:
    return (
        f"Puts the prompt of version {version} on {_target(agent)}, reads it back, and calls it "
        "live only then. Takes effect at once; what is there now is kept for a rollback."
    )


def _target(agent: AgentRead) -> str:
    if agent.type is not AgentType.PHONE_BOT:
        return "this installation"
    if agent.vapi_assistant_id:
        return f"the Vapi assistant `{agent.vapi_assistant_id}`"
    return f"the Vapi assistant that is called {badges.plain(agent.name)}"
