"""Process-wide access of the pages to the API."""

import streamlit as st

from mission_control.client.api_client import ApiClient
from mission_control.core.settings import get_settings

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # where it listens, not where to call


@st.cache_resource(on_release=ApiClient.close)
def api_client() -> ApiClient:
    settings = get_settings()
    host = ANY_ADDRESS.get(settings.mc_host, settings.mc_host)
    return ApiClient(f"http://{host}:{settings.mc_api_port}", name="mission-control-console")


def api_port() -> int:
    """Where the API listens: browsers reach it under the name by which they reached the console."""
    return get_settings().mc_api_port
