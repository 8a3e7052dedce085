"""Entry point of the console: navigation, the chosen agent, and what to say when the API is away."""

from pathlib import Path

import streamlit as st

from mission_control.client.errors import ApiProblemError, ApiUnreachableError
from mission_control.ui.components import frame
from mission_control.ui.components.refusals import show_problem

HERE = Path(__file__).parent
ICON = str(HERE / "icon.png")

st.set_page_config(page_title="Mission Control", page_icon=ICON, layout="wide")

page = st.navigation(
    [
        st.Page("app_pages/agents.py", title="Agents", icon=":material/smart_toy:", default=True),
        st.Page("app_pages/evaluate.py", title="Evaluate", icon=":material/fact_check:"),
        st.Page("app_pages/optimize.py", title="Optimize", icon=":material/trending_up:"),
        st.Page("app_pages/deployments.py", title="Deployments", icon=":material/publish:"),
        st.Page("app_pages/calls.py", title="Calls", icon=":material/call:"),
        st.Page("app_pages/leads.py", title="Leads", icon=":material/contacts:"),
        st.Page("app_pages/memory.py", title="Memory", icon=":material/psychology:"),
        st.Page("app_pages/system.py", title="System", icon=":material/dns:"),
    ]
)
st.logo(str(HERE / "logo.svg"), size="large", icon_image=ICON)
st.title(page.title)
try:
    frame.choose_agent()
    frame.stand_in_line()
    page.run()
except ApiUnreachableError as error:
    frame.show_unreachable(error)
except ApiProblemError as problem:
    show_problem(problem)
