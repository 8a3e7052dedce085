"""The agents page: the fleet, one agent, importing."""

import pytest
from streamlit.testing.v1 import AppTest

from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import a_playbook, a_version, an_agent
from tests.services import HANG_SECONDS
from tests.ui.conftest import ENTRY, Open, ServedApi
from tests.ui.records import records


def test_without_agents_it_says_what_to_do(api: ServedApi, open_page: Open) -> None:
    console = open_page("agents")
    assert console.info[0].value.startswith("No agents yet: import")
    assert not console.dataframe


def test_a_playbook_is_imported_and_shown(api: ServedApi, open_page: Open) -> None:
    console = open_page("agents")
    console.file_uploader(key="agents_file").upload("ada.yaml", a_playbook().encode())
    console.button(key="agents_import").click().run()

    assert not console.exception
    assert not console.error
    assert [agent["id"] for agent in api.get("/api/agents")["items"]] == ["ada"]
    row = console.dataframe[0].value.iloc[0]
    assert (row["Agent"], row["Pass rate"]) == ("ADA", "—")
    assert row["Measured on"] == "not measured on the test split"
    assert console.selectbox(key="agent").value == "ada"


def test_a_refused_playbook_is_told_in_the_api_s_words(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    console = open_page("agents")
    console.file_uploader(key="agents_file").upload("ada.yaml", a_playbook().encode())
    console.button(key="agents_import").click().run()

    assert console.error[0].value.startswith("An agent with this id exists already")
    assert not console.exception


def test_an_edited_prompt_becomes_a_version_and_nothing_is_deployed(
    api: ServedApi, open_page: Open
) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    console = open_page("agents")
    console.text_area(key="agents_prompt_ada_1").set_value("Answer the phone politely.").run()
    console.button(key="agents_save").click().run()

    agent = api.get("/api/agents/ada")
    assert (agent["current_version"], agent["deployed_version"]) == (2, None)
    assert agent["prompt"] == "Answer the phone politely."
    assert console.text_area(key="agents_prompt_ada_2").value == "Answer the phone politely."


def test_names_of_others_are_no_markup(api: ServedApi, open_page: Open) -> None:
    async def write(uow: UnitOfWork) -> None:
        agent = await an_agent(uow, name=":red[**x**]", current_version=1)
        await a_version(uow, agent)

    api.store(write)
    console = open_page("agents")
    assert any(r":red\[\*\*x\*\*\]" in text.value for text in console.markdown)


def test_the_address_says_which_agent_it_is_about(api: ServedApi) -> None:
    for agent_id in ("ada", "bob"):
        api.post("/api/agents", {"playbook": a_playbook(agent_id)})
    console = AppTest.from_file(ENTRY, default_timeout=HANG_SECONDS)
    console.query_params["agent"] = "ada"
    console.run()
    assert console.selectbox(key="agent").value == "ada"
    assert any(text.value.startswith("**ADA** `ada`") for text in console.markdown)


@pytest.mark.parametrize("page", ["agents", "optimize", "deployments", "evaluate"])
def test_an_address_of_an_agent_that_is_not_there_opens_no_other(api: ServedApi, page: str) -> None:
    api.post("/api/agents", {"playbook": a_playbook("ada")})
    console = AppTest.from_file(ENTRY, default_timeout=HANG_SECONDS)
    console.query_params["agent"] = "ghost"
    console.run()
    console.switch_page(f"app_pages/{page}.py").run()

    assert "There is no agent `ghost`" in console.error[0].value
    assert console.sidebar.selectbox(key="agent").value is None
    starts = {"optimize_start", "evaluate_check", "deployments_rollback"}
    assert not starts & {button.key for button in console.button}

    console.sidebar.selectbox(key="agent").select("ada").run()
    assert not console.error
    assert not console.exception


def test_an_assistant_at_vapi_becomes_an_agent(api: ServedApi, open_page: Open) -> None:
    console = open_page("agents")
    console.segmented_control(key="agents_source").set_value("A Vapi assistant").run()
    candidates = {row["Assistant"] for row in records(console.dataframe[0])}
    assert {"REMUS", "GENESIS", "SCOUT"} <= candidates
    assert console.button(key="agents_import").disabled
    assert not console.exception
