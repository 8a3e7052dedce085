"""What every page has around it: the chosen agent, what is only a stand-in, and a lost API."""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st

from mission_control.api.agents.schemas import AgentRead
from mission_control.api.system.schemas import Component
from mission_control.client.errors import ApiError, ApiUnreachableError
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges

MOST_AGENTS = 200
CHOOSE = "Choose another on the left."
STAND_INS_SECONDS = 60
RETRY_SECONDS = 3

MEANING = {
    "model": "scores come from a stand-in for the language model",
    "vapi": "deployments reach a stand-in for Vapi, its calls are invented, no real callers",
    "close": "leads come from a stand-in for Close, nobody real is among them",
}


def read_fleet() -> list[AgentRead]:
    return api_client().agents.list(limit=MOST_AGENTS).items


def fleet() -> list[AgentRead]:
    """All agents, as they were read when this run of the page began."""
    return st.session_state["frame_fleet"]


def choose_agent() -> None:
    """The agent that the pages are about, kept in the address of the page."""
    agents = st.session_state["frame_fleet"] = read_fleet()
    ids = [agent.id for agent in agents]
    if (wanted := st.session_state.pop("frame_wanted", None)) in ids:
        st.session_state["agent"] = wanted
    _look_for_the_one_named(ids)
    missing: str | None = st.session_state.get("frame_missing")
    if ids:
        # Ids, as they are: a label of another wording would be what the address carries.
        index = None if missing else 0
        st.sidebar.selectbox("Agent", ids, index=index, key="agent", bind="query-params")
    if missing and not st.session_state.get("agent"):
        name = badges.plain(missing[:64])
        st.error(f"There is no agent `{name}`: it was deleted, or the address is wrong. {CHOOSE}")


def _look_for_the_one_named(ids: Sequence[str]) -> None:
    """An address may name an agent that is not there: then none is opened in its place."""
    named = st.query_params.get("agent")
    if named and named not in ids:
        del st.query_params["agent"]
        st.session_state["frame_missing"] = named
        st.session_state["agent"] = None
    elif st.session_state.get("agent"):
        st.session_state.pop("frame_missing", None)


def choose_next_time(agent_id: str) -> None:
    """Choose an agent when the page runs again; now its choice is drawn already."""
    st.session_state["frame_wanted"] = agent_id


def chosen_agent() -> AgentRead | None:
    agent_id = st.session_state.get("agent")
    return next((agent for agent in fleet() if agent.id == agent_id), None)


def need_agent() -> AgentRead:
    """The chosen agent; without any agent, the page says what to do and ends."""
    agent = chosen_agent()
    if agent is None and fleet():
        st.stop()  # the frame has said why none is chosen
    if agent is None:
        st.info("No agents yet. Import one on the Agents page, then come back.")
        st.page_link("app_pages/agents.py", label="Import an agent", icon=":material/add:")
        st.stop()
    return agent


def agent_line(agent: AgentRead) -> None:
    """Who this page is about, and where it stands."""
    st.markdown(
        f"**{badges.plain(agent.name)}** `{agent.id}` {badges.agent(agent.status)} "
        f"&ensp;{badges.TYPES[agent.type]} &ensp;current version {agent.current_version}"
    )
    measured = f" {agent.answering.measured}" if agent.answering.measured else ""
    st.markdown(badges.plain(f"{agent.answering.line}{measured}"))


@st.fragment(parallel=True)
def stand_in_line() -> None:
    """Every page says which parts only play the real thing."""
    try:
        components = _stand_ins()
    except ApiError:
        return  # the page itself says that the API is away
    if components:
        names = ", ".join(component.name for component in components)
        meanings = "; ".join(MEANING[each.name] for each in components if each.name in MEANING)
        st.markdown(f"{badges.SANDBOX} **{names}**: {meanings or 'not the real thing'}.")


def is_stand_in(name: str) -> bool:
    """Whether this part only plays the real thing."""
    with suppress(ApiError):
        return any(component.name == name for component in _stand_ins())
    return False


def show_unreachable(error: ApiUnreachableError) -> None:
    st.error(f"{badges.plain(error.message)} This page comes back by itself.")
    st.button("Try again now", key="frame_retry", icon=":material/refresh:")
    _come_back()


@st.fragment(run_every=RETRY_SECONDS)
def _come_back() -> None:
    try:
        api_client().agents.list(limit=1)
    except ApiError:
        return
    st.rerun()


@st.cache_data(ttl=STAND_INS_SECONDS, show_spinner=False)
def _stand_ins() -> list[Component]:
    return [each for each in api_client().system_status().components if each.stand_in]
