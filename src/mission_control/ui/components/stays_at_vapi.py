"""What an assistant has at Vapi and its agent does not carry."""

import streamlit as st

from mission_control.api.agents.schemas import LeftAtVapi
from mission_control.ui.components import badges


def stays_at_vapi(left: list[LeftAtVapi] | None) -> None:
    """What the assistant has and the agent does not carry; a deployment leaves it as it is."""
    if not left:
        return
    with st.expander(f"Stays at Vapi ({len(left)})", icon=":material/link:"):
        st.caption(
            "The agent is linked to its assistant: calls use all of this, deployments leave it as it "
            "is, and evaluations here go without it."
        )
        st.markdown(
            "\n".join(
                f"- **{badges.plain(each.what)}**: {', '.join(map(badges.code, each.items))}"
                for each in left
            )
        )
