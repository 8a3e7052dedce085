"""The optimize page: asking, and what a comparison has shown."""

from uuid import UUID

from streamlit.testing.v1 import AppTest

from mission_control.core.words import JobStatus
from mission_control.data.unit_of_work import UnitOfWork
from tests.builders import a_playbook, a_scenario
from tests.ui.conftest import Open, ServedApi
from tests.ui.rows import an_ended_optimization

PASSED, FAILED = (1, 1, 1), (0, 0, 0)


def said(console: AppTest) -> str:
    shown = [*console.markdown, *console.caption, *console.warning, *console.error]
    return "\n".join(element.value for element in shown)


def metrics(console: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in console.metric}


def test_a_search_is_started_and_watched(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    console = open_page("optimize")
    assert console.info[0].value.startswith("Not optimized yet")
    [needed] = [each.value for each in console.caption if "test split, which needs" in each.value]
    assert "That will be reading 1 of the test split, which needs p < 0.025" in needed
    assert "Never read: 3 of 3 questions" in needed
    console.number_input(key="optimize_calls").set_value(40)
    console.button(key="optimize_start").click().run()

    assert not console.exception
    (job,) = api.get("/api/jobs")["items"]
    assert (job["kind"], job["status"]) == ("optimize", "queued")
    found = api.get("/api/optimize/ada/status")
    assert found["budget"] == {"level": "light", "metric_calls": 40}
    assert console.get("bidi_component")
    console.button(key=f"optimize_cancel_{job['id']}").click().run()
    assert not console.exception
    assert not console.error


def test_a_refusal_is_told_in_the_api_s_words(api: ServedApi, open_page: Open) -> None:
    few = a_playbook(scenarios=[a_scenario(split="train")])
    api.post("/api/agents", {"playbook": few})
    console = open_page("optimize")
    console.button(key="optimize_start").click().run()

    assert console.error[0].value.startswith("An optimization needs scenarios to learn from")
    assert api.get("/api/jobs")["items"] == []


def test_a_better_candidate_is_shown_with_what_it_was_measured_on(
    api: ServedApi, open_page: Open
) -> None:
    api.store(
        lambda uow: an_ended_optimization(
            uow, baseline=[FAILED] * 10 + [PASSED] * 2, candidate=[PASSED] * 12
        )
    )
    console = open_page("optimize")
    shown = metrics(console)
    assert shown["Baseline, version 1"] == "16.7%"
    assert shown["Candidate, version 2"] == "100%"
    assert shown["Difference"] == "+83.3 points"
    assert shown["Fixed / broken"] == "10 / 0"
    assert shown["Cost, in all"] == "$0.0123"
    assert ":green-badge[Better]" in said(console)
    assert "12 scenarios × 3 repetitions for each version" in said(console)
    assert ":orange-badge[SANDBOX]" in said(console)
    assert any("Never promise a price." in html.value for html in console.html)
    assert not [box for box in console.checkbox if box.key == "optimize_deploy_force"]


def test_a_broken_anchor_is_named_and_a_deploy_asks_twice(api: ServedApi, open_page: Open) -> None:
    api.store(
        lambda uow: an_ended_optimization(
            uow,
            baseline=[PASSED] + [FAILED] * 9,
            candidate=[FAILED] + [PASSED] * 9,
            anchors=[0],
            cost_usd=None,
        )
    )
    console = open_page("optimize")
    assert ":red-badge[Worse]" in said(console)
    assert "**Anchors broken** `scenario_0`" in said(console)
    assert metrics(console)["Cost, in all"] == "unpriced"

    console.button(key="optimize_deploy_now").click().run()
    assert console.error[0].value.startswith("Version 2 has not been shown to be better")
    assert api.get("/api/jobs?kind=deploy")["items"] == []

    console.checkbox(key="optimize_deploy_force").check().run()
    console.button(key="optimize_deploy_now").click().run()
    assert not console.error
    assert len(api.get("/api/jobs?kind=deploy")["items"]) == 1


def test_what_could_not_be_measured_is_no_number(api: ServedApi, open_page: Open) -> None:
    nothing = (None, None, None)
    api.store(
        lambda uow: an_ended_optimization(uow, baseline=[nothing] * 6, candidate=[PASSED] * 6)
    )
    console = open_page("optimize")
    assert ":orange-badge[Not enough data]" in said(console)
    assert "Difference" not in metrics(console)
    assert "**Not measured** `scenario_0`" in said(console)


def test_a_comparison_without_a_verdict_is_completed(api: ServedApi, open_page: Open) -> None:
    async def failed(uow: UnitOfWork) -> None:
        found = await an_ended_optimization(uow, baseline=[FAILED] * 2, candidate=[PASSED] * 2)
        found.status, found.comparison, found.verdict = JobStatus.FAILED, None, None
        found.error = {"code": "superoptix_failed", "detail": "Not measured.", "kind": "unreliable"}

    api.store(failed)
    console = open_page("optimize")
    console.button(key="optimize_complete").click().run()

    assert not console.exception
    (job,) = [each for each in api.get("/api/jobs")["items"] if each["status"] == "queued"]
    assert job["kind"] == "optimize"
    assert api.get("/api/optimize/ada/status")["job_id"] == job["id"]
    assert api.get("/api/optimize/ada/status")["phase"] == "comparing"


def test_a_verdict_needs_nothing_to_complete_it(api: ServedApi, open_page: Open) -> None:
    api.store(lambda uow: an_ended_optimization(uow, baseline=[FAILED] * 2, candidate=[PASSED] * 2))
    assert "optimize_complete" not in {each.key for each in open_page("optimize").button}


def test_how_many_scenarios_run_at_once_is_asked_for(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    for page, button in (("optimize", "optimize_start"), ("evaluate", "evaluate_check")):
        console = open_page(page)
        console.number_input(key=f"{page}_concurrency").set_value(3)
        console.button(key=button).click().run()

    jobs = api.get("/api/jobs")["items"]

    async def asked(uow: UnitOfWork) -> list[int]:
        found = [await uow.jobs.get(UUID(each["id"])) for each in jobs]
        return [each.parameters["concurrency"] for each in found]

    assert api.store(asked) == [3, 3]
