"""The system page, the badge on every page, and a console without its API."""

import pytest

from tests.builders import a_playbook
from tests.ui.conftest import Open, ServedApi

PAGES = ("agents", "evaluate", "optimize", "deployments", "calls", "leads", "memory", "system")


def test_parts_are_told_apart_from_stand_ins(api: ServedApi, open_page: Open) -> None:
    table = open_page("system").table[0].value.set_index("Part")
    (vapi,) = [name for name in table.index if "vapi" in name]
    (database,) = [name for name in table.index if "database" in name]
    assert "SANDBOX" in vapi
    assert "SANDBOX" not in database
    assert table.loc[database, "State"] == ":green-badge[ok]"


def test_an_open_job_is_cancelled(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    job = api.post("/api/evaluate/ada")
    console = open_page("system")
    console.button(key=f"system_cancel_{job['id']}").click().run()
    assert not console.exception
    api.work()
    console.run()
    assert api.get(f"/api/jobs/{job['id']}")["status"] == "cancelled"
    assert console.dataframe[0].value.iloc[0]["Status"] == ["cancelled"]


def test_every_page_says_what_is_a_stand_in(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    console = open_page("agents")
    for page in PAGES:
        console.switch_page(f"app_pages/{page}.py").run()
        lines = [text.value for text in console.markdown]
        assert any(line.startswith(":orange-badge[SANDBOX] **vapi, close**") for line in lines), (
            page
        )


def test_a_sync_is_followed_to_its_end_and_told_by_system(api: ServedApi, open_page: Open) -> None:
    console = open_page("system")
    mirrors = console.table[1].value.set_index("System")
    (vapi,) = [name for name in mirrors.index if "Vapi" in name]
    assert "SANDBOX" in vapi
    assert mirrors.loc[vapi, "State"] == ":gray-badge[not read yet]"

    console.button(key="system_sync").click().run()
    said = [caption.value for caption in console.caption]
    assert any("No worker serves the queue background" in each for each in said), said
    assert not [button for button in console.button if button.key == "system_sync"]
    (job,) = api.get("/api/jobs?kind=sync")["items"]
    console.button(key="system_sync_cancel").click().run()
    api.work()
    console.run()
    assert console.warning[0].value.startswith("The sync was cancelled.")
    assert api.get(f"/api/jobs/{job['id']}")["status"] == "cancelled"
    assert console.button(key="system_sync").label == "Sync all"
    assert not console.exception


@pytest.mark.usefixtures("no_api")
def test_without_the_api_every_page_has_one_banner(open_page: Open) -> None:
    console = open_page("agents")
    for page in PAGES:
        console.switch_page(f"app_pages/{page}.py").run()
        (banner,) = console.error
        assert banner.value.startswith("The API does not answer at http")
        assert console.button(key="frame_retry")
        assert not console.metric
        assert not console.exception
