"""The evaluate page: asking, watching, reading."""

from tests.builders import a_playbook
from tests.ui.conftest import Open, ServedApi


def test_an_evaluation_is_asked_for_and_read(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    console = open_page("evaluate")
    assert console.info[0].value.startswith("Not evaluated yet")
    console.number_input(key="evaluate_repetitions").set_value(2)
    console.button(key="evaluate_baseline").click().run()
    assert not console.exception
    assert console.get("bidi_component")

    api.work()
    console.run()
    found = api.get("/api/evaluate/ada/latest")
    assert found["purpose"] == "baseline"
    shown = {metric.label: metric.value for metric in console.metric}
    assert shown["Passed"] == f"{found['passed']} of 18"
    assert shown["Not measured"] == "0"
    assert shown["Cost"] == "unpriced"
    assert "Version 1, 9 scenarios × 2 repetitions (3 train, 3 validation, 3 test)" in "".join(
        caption.value for caption in console.caption
    )
    assert len(console.dataframe[0].value) == 9


def test_only_the_chosen_splits_are_run(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook()})
    console = open_page("evaluate")
    console.multiselect(key="evaluate_splits").set_value(["test"])
    console.button(key="evaluate_check").click().run()
    assert not console.error
    (evaluation,) = api.get("/api/evaluate/ada/history")["items"]
    assert (evaluation["scenarios"], evaluation["purpose"]) == (3, "check")


def test_a_refusal_is_told_in_the_api_s_words(api: ServedApi, open_page: Open) -> None:
    api.post("/api/agents", {"playbook": a_playbook(scenarios=[])})
    console = open_page("evaluate")
    console.button(key="evaluate_check").click().run()
    assert console.error[0].value.startswith("There is no scenario to evaluate")
    assert not console.exception


def test_without_agents_it_points_to_the_import(api: ServedApi, open_page: Open) -> None:
    console = open_page("evaluate")
    assert console.info[0].value.startswith("No agents yet")
    assert console.page_link[0].value == "Import an agent"
