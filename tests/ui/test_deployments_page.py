"""The deployments page: deploying, rolling back, drift, and being told why not."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from streamlit.testing.v1 import AppTest

from tests.builders import a_playbook
from tests.ui.conftest import Open, ServedApi


def test_a_version_is_deployed_and_rolled_back(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    console = open_page("deployments")
    assert "nothing to roll back" in console.info[0].value
    console.checkbox(key="deployments_deploy_force").check().run()
    console.button(key="deployments_deploy_now").click().run()
    assert console.info[0].value == "Deploying: queued."

    api.work()
    console.run()
    assert console.success[0].value.startswith("Deployed. The target was read back")
    assert api.get("/api/agents/ada")["deployed_version"] == 1
    console.button(key="deployments_rollback_now").click().run()
    assert console.info[0].value == "Rolling back: queued."

    api.work()
    console.run()
    assert console.success[0].value.startswith("Rolled back.")
    assert not console.exception
    assert api.get("/api/agents/ada")["deployed_version"] is None
    assert console.dataframe[0].value.iloc[0]["Status"] == ["rolled back"]


def test_an_unproven_version_is_refused_without_a_word_more(
    api: ServedApi, open_page: Open
) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    console = open_page("deployments")
    console.button(key="deployments_deploy_now").click().run()
    assert console.error[0].value.startswith("Version 1 has not been shown to be better")
    assert api.get("/api/deployments")["items"] == []


def test_a_failed_deployment_says_why(api: ServedApi, open_page: Open) -> None:
    api.post(
        "/api/agents",
        {"playbook": a_playbook("nobody"), "type": "phone_bot", "vapi_assistant_id": "not-there"},
    )
    console = open_page("deployments")
    console.checkbox(key="deployments_deploy_force").check().run()
    console.button(key="deployments_deploy_now").click().run()
    api.work()
    console.run()
    assert console.error[0].value.startswith("Deploying failed. ")
    row = console.dataframe[0].value.iloc[0]
    assert row["Status"] == ["failed"]
    assert row["Why it failed"]


# ------------------------------------------------------------------ here and at Vapi


BADGE = re.compile(r":\w+-badge\[[^\]]+\]")


class Assistant:
    """An assistant at Vapi, and somebody who edits it there."""

    def __init__(self, origin: str) -> None:
        headers = {"Authorization": "Bearer sandbox"}
        self._vapi = httpx2.Client(base_url=origin, headers=headers)
        self._model: dict[str, Any] = {"provider": "openai", "model": "gpt-4o", "temperature": 0.2}
        made = self._vapi.post(
            "/assistant", json={"name": "Edited", "model": self._prompted("Be kind.")}
        )
        self.id: str = made.raise_for_status().json()["id"]

    def edit(self, prompt: str) -> None:
        change = {"model": self._prompted(prompt)}
        self._vapi.patch(f"/assistant/{self.id}", json=change).raise_for_status()

    def prompt(self) -> str:
        return self._vapi.get(f"/assistant/{self.id}").json()["model"]["messages"][0]["content"]

    def remove(self) -> None:
        self._vapi.delete(f"/assistant/{self.id}")
        self._vapi.close()

    def _prompted(self, prompt: str) -> dict[str, Any]:
        return {**self._model, "messages": [{"role": "system", "content": prompt}]}


@pytest.fixture
def assistant(vapi_server: str) -> Iterator[Assistant]:
    made = Assistant(vapi_server)
    yield made
    made.remove()


def badges_of(console: AppTest) -> list[str]:
    return [found for text in console.markdown for found in BADGE.findall(text.value)]


def test_what_somebody_changed_at_vapi_is_shown_taken_over_or_overwritten(
    api: ServedApi, open_page: Open, assistant: Assistant
) -> None:
    linked = {"type": "phone_bot", "vapi_assistant_id": assistant.id}
    api.post("/api/agents", {"playbook": a_playbook(), **linked})
    console = open_page("deployments")
    assert any("Not compared with Vapi yet" in info.value for info in console.info)
    console.button(key="deployments_drift_check").click().run()
    assert ":gray-badge[never deployed]" in badges_of(console)

    api.post("/api/optimize/ada/deploy", {"version": 1, "force": True})
    api.work()
    assistant.edit("Be rude.")
    console.button(key="deployments_drift_check").click().run()
    assert ":orange-badge[changed in Vapi]" in badges_of(console)
    assert any("Be rude." in part.value for part in console.html)

    console.button(key="deployments_rollback_now").click().run()
    api.work()
    console.run()
    assert console.error[0].value.startswith("Rolling back failed. ")
    assert assistant.prompt() == "Be rude."
    console.button(key="deployments_drift_take_over").click().run()
    assert api.get("/api/agents/ada")["prompt"] == "Be rude."

    console.button(key="deployments_rollback_over").click().run()
    api.work()
    console.run()
    assert console.success[0].value.startswith("Rolled back.")
    assert assistant.prompt() == "Be kind."
    assert not console.exception


def test_the_fleet_shows_drift_in_one_request(
    api: ServedApi, open_page: Open, assistant: Assistant
) -> None:
    linked = {"type": "phone_bot", "vapi_assistant_id": assistant.id}
    api.post("/api/agents", {"playbook": a_playbook(), **linked})
    api.post("/api/agents/ada/drift")
    row = open_page("agents").dataframe[0].value.iloc[0]
    assert row["At Vapi"] == ["never deployed"]
