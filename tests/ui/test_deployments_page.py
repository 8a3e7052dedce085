"""The deployments page: deploying, rolling back, and being told why not."""

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
