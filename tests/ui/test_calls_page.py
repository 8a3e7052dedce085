"""The calls page: figures of many, one in detail, and what it says when there is nothing."""

from decimal import Decimal

from streamlit.testing.v1 import AppTest

from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import an_agent
from tests.services import HANG_SECONDS
from tests.ui import mirrored
from tests.ui.conftest import ENTRY, Open, ServedApi
from tests.ui.records import records


def test_without_calls_it_says_what_to_do(api: ServedApi, open_page: Open) -> None:
    console = open_page("calls")
    assert console.info[0].value.startswith("No calls were read yet: *Sync now*")
    assert any("never read to the end yet" in text.value for text in console.markdown)
    assert not console.dataframe


def test_many_calls_are_added_up_and_paged(api: ServedApi, open_page: Open) -> None:
    async def write(uow: UnitOfWork) -> None:
        await an_agent(uow, current_version=1)
        good = [mirrored.call_facts() for _ in range(50)]
        failed = mirrored.call_facts(
            cost=None,
            costBreakdown=None,
            endedReason="pipeline-error-openai-llm-failed",
            analysis={"successEvaluation": "false"},
            createdAt="2026-11-01T00:00:00Z",
        )
        await uow.calls.store([*good, failed])

    api.store(write)
    console = open_page("calls")
    console.selectbox(key="calls_span").select("Ever").run()

    shown = {metric.label: metric.value for metric in console.metric}
    assert shown == {"Calls": "51", "Success": "98%", "Cost": "$10.50", "Minutes": "106"}
    more = {metric.label: metric.delta for metric in console.metric}
    assert more["Success"] == "of 51; 0 not judged"
    assert more["Cost"] == "1 call unpriced"
    assert len(console.dataframe[0].value) == 50

    console.button(key="calls_older").click().run()
    (row,) = records(console.dataframe[0])
    assert (row["Ended"], row["Cost"], row["Success"]) == (["error"], "unpriced", "no")
    console.button(key="calls_newer").click().run()
    assert len(console.dataframe[0].value) == 50

    console.selectbox(key="calls_ending").select_index(7).run()
    assert len(console.dataframe[0].value) == 1
    console.text_input(key="calls_text").input("nobody says this").run()
    assert console.info[0].value == "No call is like that. Take a filter away."
    assert not console.exception


def open_call(call_id: object) -> AppTest:
    console = AppTest.from_file(ENTRY, default_timeout=HANG_SECONDS)
    console.query_params["call"] = str(call_id)
    console.run()
    return console.switch_page("app_pages/calls.py").run()


def test_scores_stand_apart_and_a_call_of_two_systems_once(api: ServedApi, open_page: Open) -> None:
    plan = {"analysisPlan": {"successEvaluationPlan": {"rubric": "NumericScale"}}}

    async def write(uow: UnitOfWork) -> None:
        await an_agent(uow, current_version=1)
        nine = mirrored.call_facts(assistant=plan, analysis={"successEvaluation": "9"})
        yes = mirrored.call_facts(customer={"number": "+15125550199"})
        theirs = mirrored.close_call("lead_1", customer_number=mirrored.NUMBER)
        await uow.calls.store([nine, yes, theirs])

    api.store(write)
    console = open_page("calls")
    console.segmented_control(key="calls_source").set_value("Both").run()
    shown = {metric.label: metric.value for metric in console.metric}
    assert (shown["Calls"], shown["Success"]) == ("2", "100%")
    said = [text.value for text in console.caption]
    assert any("1 to 10: 89 of 100 on average in 1 call" in each for each in said)
    told = {(row["Success"], row["Score"], row["Source"]) for row in records(console.dataframe[0])}
    assert told == {("—", "89 of 100, 1 to 10", "Vapi"), ("yes", "—", "Vapi")}


def test_a_squads_call_says_who_had_it(api: ServedApi) -> None:
    names = ("Front", "Billing")
    artifact = {
        "assistantActivations": [{"assistantName": name} for name in names],
        "messages": [
            {"role": "bot", "message": f"{name} <here>.", "secondsFromStart": at * 60, "assistantName": name}
            for at, name in enumerate(names)
        ],
    }  # fmt: skip

    async def write(uow: UnitOfWork) -> object:
        await an_agent(uow, current_version=1)
        await uow.calls.store([mirrored.close_call("lead_1", customer_number=mirrored.NUMBER)])
        return await mirrored.a_call(uow, artifact=artifact, analysis={"successEvaluation": "Fair"})

    console = open_call(api.store(write))
    parts = [
        (row["Assistant"], row["Had the call"], row["Cost, by time"])
        for row in records(console.table[0])
    ]
    assert parts == [("Front", "1:00", "$0.1008"), ("Billing", "1:05", "$0.1092")]
    (turns,) = [part.value for part in console.html if "mc-turns" in part.value]
    assert '<span class="who">Billing</span>' in turns
    said = [text.value for text in console.caption]
    assert "Judged by a rubric that is not known: Fair" in said
    assert any(each.startswith("Close keeps this call too") for each in said)


def test_a_call_is_shown_with_whom_it_may_belong_to(api: ServedApi) -> None:
    async def write(uow: UnitOfWork) -> object:
        await an_agent(uow, current_version=1)
        await mirrored.a_lead(uow, "lead_1")
        await mirrored.a_lead(uow, "lead_2", name="Calloway & Sons")
        return await mirrored.a_call(uow)

    console = open_call(api.store(write))
    shown = {metric.label: metric.value for metric in console.metric}
    assert (shown["Lasted"], shown["Success"], shown["Cost"]) == ("2:05", "yes", "$0.2100")
    (turns,) = [part.value for part in console.html if "mc-turns" in part.value]
    assert "&lt;b&gt;Hi&lt;/b&gt;" in turns  # what a caller says is no markup
    assert "2.5 s" in turns
    assert 'class="late slow"' in turns
    parts = [tuple(row.values()) for row in records(console.table[0])]
    assert parts[-1] == ("**In all**", "0.2100")
    assert sum(Decimal(usd) for _, usd in parts[:-1]) == Decimal("0.21")
    told = [text.value for text in console.markdown]
    assert sum(":orange-badge[by number]" in each for each in told) == 2
    assert "Nothing in the call says which of them it was." in [
        caption.value for caption in console.caption
    ]
    assert not console.exception


def test_what_the_source_keeps_to_itself_is_said(api: ServedApi) -> None:
    async def write(uow: UnitOfWork) -> object:
        await an_agent(uow, current_version=1)
        return await mirrored.a_call(uow, artifact={}, analysis={}, customer={})

    console = open_call(api.store(write))
    assert console.info[0].value.startswith("Vapi tells nothing of what was said in this call")
    assert "Its source made no analysis of this call." in [c.value for c in console.caption]


def test_an_address_of_no_call_is_refused(api: ServedApi) -> None:
    console = open_call("00000000-0000-4000-8000-000000000000")
    assert len(console.error) == 1
    assert not console.exception
