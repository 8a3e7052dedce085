"""The main job as an operator does it: in a browser, watching it live."""

import re
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.harness import Api, Product


def an_assistant(product: Product) -> str:
    """One of this test's own: an assistant has one agent."""
    headers = {"Authorization": "Bearer any"}
    model = {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "messages": [{"role": "system", "content": "Be brief."}],
    }
    body = {"name": "Operated", "model": model}
    answer = httpx2.post(f"{product.vapi}/assistant", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def has_words_and_a_lead(call: dict[str, Any]) -> bool:
    return bool(call["leads"] and call["turns"])


@pytest.mark.timeout(1800)
def test_an_operator_does_the_main_job_in_the_browser(
    product: Product, api: Api, browser_page: Page
) -> None:
    page = browser_page
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
    page.on("websocket", lambda socket: hosts.add(socket.url.split("/")[2]))
    crashes: list[str] = []
    page.on("pageerror", lambda error: crashes.append(str(error)))
    agent = api.import_agent("remus", "operated", vapi_assistant_id=an_assistant(product))

    # ---------------------------------------------------------------- evaluate, live
    page.goto(f"{product.console}/evaluate?agent={agent}")
    page.get_by_role("button", name="Evaluate as baseline").click()
    expect(page.get_by_text(re.compile(r"^\d+ of 55$"))).to_be_visible()
    expect(page.get_by_test_id("stMetricLabel").filter(has_text="Pass rate")).to_be_visible()
    found = api.get(f"evaluate/{agent}/latest")
    expect(page.get_by_text(f"{found['passed']} of 55", exact=True)).to_be_visible()

    # ---------------------------------------------------------------- optimize, live
    page.get_by_role("link", name="Optimize").first.click()
    page.get_by_label("At most metric calls").fill("120")
    page.get_by_role("button", name="Start", exact=True).click()
    log = page.get_by_role("log")
    expect(log.get_by_text(re.compile("Trial 0: the starting prompt"))).to_be_visible()
    expect(page.get_by_role("img", name="Validation score by trial")).to_be_visible()
    expect(page.get_by_text("Version 2 against version 1")).to_be_visible()
    optimization = api.get(f"optimize/{agent}/status")
    sentence = optimization["comparison"]["sentence"]
    expect(page.get_by_text(sentence)).to_be_visible()
    expect(page.get_by_text("16 scenarios × 3 repetitions for each version")).to_be_visible()

    # ---------------------------------------------------------------- the log can be read again
    page.get_by_role("tab", name="Log").click()
    expect(page.get_by_role("log").get_by_text("Completed")).to_be_attached()

    # ---------------------------------------------------------------- deploy, roll back
    page.get_by_role("button", name="Deploy version 2").click()
    if optimization["verdict"] != "better":
        page.get_by_text("Deploy it all the same").click()
    page.get_by_role("button", name="Deploy now").click()
    expect(page.get_by_text("Version 2 answers at Vapi since")).to_be_visible()
    page.get_by_role("link", name="Deployments").first.click()
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("button", name="Roll back now").click()
    expect(page.get_by_text("what was at Vapi before version 2 answers there")).to_be_visible()
    assert api.get(f"agents/{agent}")["deployed_version"] is None

    assert crashes == []
    ours = {address.removeprefix("http://") for address in (product.console, product.origin)}
    assert hosts <= ours


@pytest.mark.timeout(1800)
def test_an_operator_follows_a_call_to_its_lead_and_changes_it_in_close(
    product: Product, api: Api, browser_page: Page
) -> None:
    page = browser_page
    crashes: list[str] = []
    page.on("pageerror", lambda error: crashes.append(str(error)))

    # ---------------------------------------------------------------- read everything
    page.goto(f"{product.console}/system")
    page.get_by_role("button", name="Sync all").click()
    expect(page.get_by_text("Everything is read.")).to_be_visible()

    # ---------------------------------------------------------------- the calls, and one of them
    page.get_by_role("link", name="Calls").first.click()
    totals = page.get_by_test_id("stMetric").filter(has_text="not judged")
    expect(totals).to_be_visible()
    expect(page.get_by_role("img", name="How the calls ended")).to_be_visible()
    held = api.get("calls?ending=transferred&source=vapi")["items"]
    call = next(each for one in held if has_words_and_a_lead(each := api.get(f"calls/{one['id']}")))
    page.goto(f"{product.console}/calls?call={call['id']}")
    said = page.get_by_role("log")
    expect(said.get_by_text(call["turns"][0]["text"], exact=True)).to_be_visible()

    # ---------------------------------------------------------------- its lead, changed in Close
    lead = call["leads"][0]
    page.get_by_role("tab", name=re.compile("Leads")).click()
    page.get_by_role("link", name=lead["name"]).click()
    expect(page.get_by_role("heading", name=lead["name"])).to_be_visible()
    page.get_by_role("tab", name="Change").click()
    page.get_by_role("textbox", name="Name", exact=True).fill("Renamed Freight")
    page.get_by_role("button", name="Write to Close").click()
    expect(page.get_by_role("heading", name="Renamed Freight")).to_be_visible()
    assert api.get(f"leads/{lead['id']}")["name"] == "Renamed Freight"
    assert crashes == []
