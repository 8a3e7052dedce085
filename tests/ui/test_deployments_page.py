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


def test_a_deployment_to_nothing_is_refused(api: ServedApi, open_page: Open) -> None:
    api.post(
        "/api/agents",
        {"playbook": a_playbook("nobody"), "type": "phone_bot", "vapi_assistant_id": "not-there"},
    )
    console = open_page("deployments")
    console.checkbox(key="deployments_deploy_force").check().run()
    console.button(key="deployments_deploy_now").click().run()
    assert len(console.error) == 1
    assert api.get("/api/deployments")["items"] == []


def test_a_failed_deployment_says_why(
    api: ServedApi, open_page: Open, assistant: "Assistant"
) -> None:
    linked = {"type": "phone_bot", "vapi_assistant_id": assistant.id}
    api.post("/api/agents", {"playbook": a_playbook(), **linked})
    console = open_page("deployments")
    console.checkbox(key="deployments_deploy_force").check().run()
    console.button(key="deployments_deploy_now").click().run()
    assistant.edit("Changed while it waits.")
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


def deployed(api: ServedApi, assistant: Assistant) -> None:
    linked = {"type": "phone_bot", "vapi_assistant_id": assistant.id}
    api.post("/api/agents", {"playbook": a_playbook(), **linked})
    api.post("/api/optimize/ada/deploy", {"version": 1, "force": True})
    api.work()


def hotfixed(api: ServedApi, open_page: Open, assistant: Assistant, prompt: str) -> AppTest:
    """The page once a colleague's hotfix was found."""
    deployed(api, assistant)
    assistant.edit(prompt)
    console = open_page("deployments")
    console.button(key="deployments_drift_check").click().run()
    assert ":orange-badge[changed in Vapi]" in badges_of(console)
    assert any(prompt.rsplit(maxsplit=1)[-1] in part.value for part in console.html)
    assert any("A text that somebody wrote at Vapi answers" in m.value for m in console.markdown)
    return console


def test_the_first_comparison(api: ServedApi, open_page: Open, assistant: Assistant) -> None:
    linked = {"type": "phone_bot", "vapi_assistant_id": assistant.id}
    api.post("/api/agents", {"playbook": a_playbook(), **linked})
    console = open_page("deployments")
    assert any("Not compared with Vapi yet" in info.value for info in console.info)
    console.button(key="deployments_drift_check").click().run()
    assert ":gray-badge[never deployed]" in badges_of(console)


def test_a_hotfix_at_vapi_is_kept_as_a_version(
    api: ServedApi, open_page: Open, assistant: Assistant
) -> None:
    console = hotfixed(api, open_page, assistant, "Be rude.")
    console.button(key="deployments_keep").click().run()
    api.work()
    console.run()
    assert not console.exception
    agent = api.get("/api/agents/ada")
    assert (agent["prompt"], agent["deployed_version"]) == ("Be rude.", 2)
    assert assistant.prompt() == "Be rude."
    assert ":green-badge[in step]" in badges_of(console)


def test_a_hotfix_at_vapi_is_overwritten_on_request_only(
    api: ServedApi, open_page: Open, assistant: Assistant
) -> None:
    console = hotfixed(api, open_page, assistant, "Be rude.")
    console.button(key="deployments_rollback_now").click().run()
    assert console.error[0].value.startswith("Somebody changed the prompt at Vapi")
    assert assistant.prompt() == "Be rude."
    console.button(key="deployments_overwrite").click().run()
    api.work()
    console.run()
    assert not console.exception
    assert console.success[0].value.startswith("Deployed.")
    row = console.dataframe[0].value.iloc[0]
    assert row["Overwrote"] == "theirs in system"
    assert row["Asked by"] == "the local owner, by the console"
    assert assistant.prompt() == api.get("/api/agents/ada")["prompt"]


def test_a_hotfix_at_vapi_is_merged_as_a_version(
    api: ServedApi, open_page: Open, assistant: Assistant
) -> None:
    deployed(api, assistant)
    ours = api.get("/api/agents/ada")["prompt"]
    assistant.edit(f"{ours} Never quote prices.")
    api.put("/api/agents/ada", {"prompt": f"Be brief. {ours}"})
    console = open_page("deployments")
    console.button(key="deployments_drift_check").click().run()
    assert ":red-badge[changed on both sides]" in badges_of(console)
    console.button(key="deployments_merge").click().run()
    api.work()
    console.run()
    assert not console.exception
    assert assistant.prompt() == f"Be brief. {ours} Never quote prices."
    assert api.get("/api/agents/ada")["deployed_version"] == 3


def test_the_fleet_shows_drift_in_one_request(
    api: ServedApi, open_page: Open, assistant: Assistant
) -> None:
    linked = {"type": "phone_bot", "vapi_assistant_id": assistant.id}
    api.post("/api/agents", {"playbook": a_playbook(), **linked})
    api.post("/api/agents/ada/drift")
    row = open_page("agents").dataframe[0].value.iloc[0]
    assert row["At Vapi"] == ["never deployed"]
