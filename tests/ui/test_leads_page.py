"""The leads page: finding one, its calls told as one, and writing a field to Close."""

from datetime import timedelta

import httpx2
from streamlit.testing.v1 import AppTest

from mission_control.api.mirrors.close.sync import sync_close
from mission_control.api.mirrors.report import unreported
from mission_control.core.clock import utc_now
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import an_agent
from tests.services import HANG_SECONDS
from tests.ui import mirrored
from tests.ui.conftest import ENTRY, Open, ServedApi
from tests.ui.records import records


def open_lead(lead_id: str) -> AppTest:
    console = AppTest.from_file(ENTRY, default_timeout=HANG_SECONDS)
    console.query_params["lead"] = lead_id
    console.run()
    return console.switch_page("app_pages/leads.py").run()


async def two_leads(uow: UnitOfWork) -> None:
    await uow.leads.store_fields(list(mirrored.fields()))
    await mirrored.a_lead(uow, "lead_1")
    await mirrored.a_lead(
        uow, "lead_2", name="Dune Depot", custom={"cf_roof": "Gable"}, phones=["+15125550999"]
    )


def test_without_leads_it_says_what_to_do(api: ServedApi, open_page: Open) -> None:
    console = open_page("leads")
    assert console.info[0].value.startswith("No leads were read yet.")
    assert console.button(key="leads_sync").label == "Sync now"


def test_leads_are_found_by_words_and_by_a_custom_field(api: ServedApi, open_page: Open) -> None:
    api.store(two_leads)
    console = open_page("leads")
    assert {row["Lead"] for row in records(console.dataframe[0])} == {
        "Calloway Farms",
        "Dune Depot",
    }
    console.selectbox(key="leads_field").select("cf_roof").run()
    console.selectbox(key="leads_value_cf_roof").select("Gable").run()
    (row,) = records(console.dataframe[0])
    assert (row["Lead"], row["Roof type"]) == ("Dune Depot", "Gable")
    console.text_input(key="leads_search").input("farms").run()
    assert console.info[0].value.startswith("No lead is like that.")
    assert not console.exception


def test_a_call_that_both_know_is_shown_once_and_marked(api: ServedApi) -> None:
    async def write(uow: UnitOfWork) -> None:
        await an_agent(uow, current_version=1)
        await two_leads(uow)
        await mirrored.a_call(uow)
        began = utc_now() - timedelta(hours=2)
        alone = mirrored.close_call("lead_1", began=began - timedelta(days=3))
        await uow.calls.store([mirrored.close_call("lead_1", began=began), alone])

    api.store(write)
    console = open_lead("lead_1")
    rows = records(console.dataframe[0])
    assert [row["Known to"] for row in rows] == ["Vapi and Close", "Close"]
    assert [row["Belongs here"] for row in rows] == [["by Close"], ["by Close"]]
    people, fields = (records(table) for table in console.table)
    assert people[0]["Name"] == "Ines Calloway"
    assert {row["Field"]: row["Value"] for row in fields} == {
        "Roof type": "Flat",
        "Interests": "Repair",
    }
    assert not console.exception


def test_a_field_is_written_to_close_and_read_back(api: ServedApi, close_server: str) -> None:
    api.do(sync_close(api.resources, unreported))
    known = api.get("/api/leads/fields")["fields"]
    field = next(each for each in known if each["accepts_multiple"] and each["choices"])
    lead = api.get("/api/leads?limit=1")["items"][0]
    held = lead["custom"].get(field["id"], [])
    added = next(each for each in field["choices"] if each not in held)

    console = open_lead(lead["id"])
    console.selectbox(key="lead_change_what").select(field["id"]).run()
    console.selectbox(key=f"lead_change_{lead['id']}_{field['id']}_add").select(added)
    console.button(key="lead_change_send").click().run()

    assert not console.error
    assert not console.exception
    address = f"{close_server}/api/v1/lead/{lead['id']}/"
    at_close = httpx2.get(address, auth=("sandbox", "")).raise_for_status().json()
    assert at_close[f"custom.{field['id']}"] == [*held, added]
    here = api.get(f"/api/leads/{lead['id']}")["custom"][field["id"]]
    assert here == [*held, added]


def test_what_close_refuses_changes_nothing_and_is_said(api: ServedApi) -> None:
    api.store(two_leads)  # Close knows none of them
    console = open_lead("lead_1")
    console.selectbox(key="lead_change_what").select("cf_roof").run()
    console.selectbox(key="lead_change_lead_1_cf_roof").select("Gable")
    console.button(key="lead_change_send").click().run()
    assert len(console.error) == 1
    assert api.get("/api/leads/lead_1")["custom"]["cf_roof"] == "Flat"


def test_nothing_is_sent_without_a_value(api: ServedApi) -> None:
    api.store(two_leads)
    console = open_lead("lead_1")
    console.selectbox(key="lead_change_what").select("cf_wants").run()
    console.button(key="lead_change_send").click().run()
    assert console.error[0].value == "Give Interests a value first; nothing was sent."
