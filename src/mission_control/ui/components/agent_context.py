"""What of the memory an agent is given: choosing it, seeing it as the prompt does, and saving it."""

import streamlit as st

from mission_control.api.agents.schemas import AgentRead
from mission_control.api.memory.schemas import ContextRead, ContextWrite
from mission_control.core.agent_context import MARK, ContextSettings
from mission_control.core.counting import counted
from mission_control.core.words import MemoryKind
from mission_control.ui.clients import api_client
from mission_control.ui.components import badges, figures
from mission_control.ui.components.refusals import refusals_shown
from mission_control.ui.components.tables import show_rows


def agent_context(agent: AgentRead) -> None:
    client = api_client().memory
    with refusals_shown():
        saved = client.context(agent.id)
        _say_where_it_stands(agent, saved)
        settings = _ask(agent, saved)
        shown = saved if settings == saved.settings else client.preview(agent.id, settings)
        _preview(shown)
        _buttons(agent, saved, settings)
        _versions(agent)


def _say_where_it_stands(agent: AgentRead, saved: ContextRead) -> None:
    name = badges.plain(agent.name)
    if saved.number is None:
        st.markdown(f"**{name}** is given nothing of the memory. Choose, look, then save.")
        return
    when = figures.ago(saved.created_at) if saved.created_at else ""
    st.markdown(f"**{name}** is given version {saved.number} of its context, saved {when}.")


def _ask(agent: AgentRead, saved: ContextRead) -> ContextSettings:
    """Keys carry the saved version, so that a new one fills the form anew."""
    now = saved.settings
    key = f"context_{agent.id}_{saved.latest}"
    kinds, tiers, budget = st.columns([3, 3, 2])
    chosen_kinds = kinds.pills(
        "Kinds", list(MemoryKind), default=now.kinds, selection_mode="multi", key=f"{key}_kinds",
        help="None chosen: all of them.",
    )  # fmt: skip
    chosen_tiers = tiers.pills(
        "Importance", [1, 2, 3], default=now.tiers, selection_mode="multi", key=f"{key}_tiers",
        help="None chosen: all of them.",
    )  # fmt: skip
    tokens = budget.number_input(
        "Tokens at the most", 50, 20_000, now.token_budget, 50, key=f"{key}_budget"
    )
    query = st.text_input(
        "Only what shares words with", now.query or "", key=f"{key}_query", max_chars=4_000
    ).strip()
    excluded = st.multiselect(
        "Never load", [*now.excluded, *(each.memory.ref for each in saved.items)],
        default=now.excluded, key=f"{key}_excluded",
    )  # fmt: skip
    pinned = st.multiselect(
        "Always load first", [*now.pinned, *(
            each.memory.ref for each in saved.items if each.memory.ref not in now.pinned
        )],
        default=now.pinned, key=f"{key}_pinned",
    )  # fmt: skip
    return ContextSettings(
        kinds=list(chosen_kinds),
        tiers=list(chosen_tiers),
        query=query or None,
        token_budget=int(tokens),
        pinned=pinned,
        excluded=excluded,
    )


def _preview(shown: ContextRead) -> None:
    budget = shown.settings.token_budget
    st.progress(min(1.0, shown.tokens / budget), f"{shown.tokens:,} of {budget:,} tokens")
    left_out = f" {shown.left_out:,} more do not fit." if shown.left_out else ""
    st.caption(
        f"{counted(len(shown.items), 'memory')}.{left_out} "
        f"They stand at `{MARK}` in the prompt, or below a heading at its end."
    )
    for each in shown.servers:
        if each.error is not None:
            age = f"what it held {figures.ago(each.stale_since)}" if each.stale_since else "nothing"
            st.warning(f"**{badges.plain(each.server)}** is silent; shown of it is {age}.")
    if shown.text:
        st.code(shown.text, language=None, wrap_lines=True)
    else:
        st.info("Nothing that is remembered is chosen by this.")


def _buttons(agent: AgentRead, saved: ContextRead, settings: ContextSettings) -> None:
    is_new = saved.number is None or settings != saved.settings
    with st.container(horizontal=True):
        save = st.button("Save", type="primary", key="context_save", disabled=not is_new)
        reset = st.button("Give it nothing", key="context_reset", disabled=saved.number is None)
        if saved.number is not None:
            st.download_button(
                "Export",
                lambda: api_client().memory.export_context(agent.id).model_dump_json(indent=2),
                f"{agent.id}-context.json",
                "application/json",
                key="context_export",
            )
    if save:
        request = ContextWrite(settings=settings, based_on=saved.latest)
        stored = api_client().memory.save_context(agent.id, request)
        st.toast(f"Saved as version {stored.number}. From now on every execution loads it.")
        st.rerun()
    if reset:
        api_client().memory.reset_context(agent.id)
        st.toast("Reset. Executions load nothing of the memory any more.")
        st.rerun()


def _versions(agent: AgentRead) -> None:
    page = api_client().memory.context_versions(agent.id)
    if page.items:
        with st.expander("Versions"):
            show_rows(
                [
                    {
                        "Version": each.number,
                        "Saved": figures.moment(each.created_at),
                        "Tokens at the most": each.settings.token_budget if each.settings else None,
                        "What": each.note or ("" if each.settings else "Reset"),
                    }
                    for each in page.items
                ],
                key="context_versions",
                alt="Versions of the context, newest first",
            )
