"""A colleague's hotfix at Vapi, in the browser: from its first sign to each of the three ways out."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.e2e.harness import Api, Product
from tests.services import HANG_SECONDS

OURS = "You answer the phone of a roofing company.\nAsk for the address first.\nBe brief."
HOTFIX = "HOTFIX by Ana: never quote prices."
HEADERS = {"Authorization": "Bearer any"}


class Assistant:
    """At the stand-in for Vapi, with a colleague at its dashboard."""

    def __init__(self, vapi: httpx2.Client) -> None:
        self._vapi = vapi
        model = {
            "provider": "openai",
            "model": "gpt-4o-mini",
            "messages": [{"role": "system", "content": "Written in Vapi."}],
            "toolIds": ["3d0a6f1b-94c7-4e52-8b1f-5a60c9e7d711"],
        }
        made = self._vapi.post("/assistant", json={"name": "\u4e88\u7d04 Desk", "model": model})
        self.id: str = made.raise_for_status().json()["id"]

    def says(self) -> list[dict[str, Any]]:
        there = self._vapi.get(f"/assistant/{self.id}").raise_for_status().json()
        return there["model"]["messages"]

    def is_edited(self, text: str) -> None:
        model = self._vapi.get(f"/assistant/{self.id}").raise_for_status().json()["model"]
        model["messages"] = [{"role": "system", "content": text}]
        self._vapi.patch(f"/assistant/{self.id}", json={"model": model}).raise_for_status()


def system(text: str) -> list[dict[str, Any]]:
    return [{"role": "system", "content": text}]


def is_now(product: Product, agent: str, prompt: str) -> None:
    """Somebody edits the agent here."""
    address = f"{product.origin}/api/agents/{agent}"
    httpx2.put(address, json={"prompt": prompt}, timeout=HANG_SECONDS).raise_for_status()


@pytest.fixture
def there(product: Product) -> Iterator[Assistant]:
    with httpx2.Client(base_url=product.vapi, headers=HEADERS) as vapi:
        yield Assistant(vapi)


@pytest.mark.timeout(1800)
def test_a_hotfix_is_kept_overwritten_and_merged(
    product: Product, api: Api, browser_page: Page, there: Assistant
) -> None:
    page = browser_page

    # ---------------------------------------------------------------- import, with an id of its own
    page.goto(product.console)
    importing = page.get_by_text("Import an agent")
    expect(importing).to_be_visible()
    if not page.get_by_text("A Vapi assistant").is_visible():
        importing.click()
    page.get_by_text("A Vapi assistant").click()
    expect(page.get_by_text("Choose the assistant to make an agent of")).to_be_visible()
    wanted = {"vapi_assistant_id": there.id, "id": "front_desk", "name": "Front desk"}
    agent = api.post("agents/import", wanted, expect=201)["id"]
    assert api.get(f"agents/{agent}")["answering"]["state"] == "never_deployed"
    is_now(product, agent, OURS)
    api.complete(api.post(f"optimize/{agent}/deploy", {"version": 2, "force": True}))

    # ---------------------------------------------------------------- the first sign
    there.is_edited(f"{HOTFIX}\n{OURS}")
    page.goto(f"{product.console}/deployments?agent={agent}")
    expect(page.get_by_text("Version 2 answers at Vapi since")).to_be_visible()
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("A text that somebody wrote at Vapi answers there")).to_be_visible()
    expect(page.get_by_text("Deployed last")).to_be_visible()
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("button", name="Roll back now").click()
    expect(page.get_by_text("Nothing was rolled back.")).to_be_visible()
    page.keyboard.press("Escape")

    # ---------------------------------------------------------------- keep theirs
    page.get_by_label("Why").fill("Ana was right")
    page.get_by_role("button", name="Keep theirs as a version").click()
    expect(page.get_by_text("taken over from Vapi")).to_be_visible()
    assert there.says() == system(f"{HOTFIX}\n{OURS}")
    assert api.get(f"agents/{agent}")["prompt"] == f"{HOTFIX}\n{OURS}"

    # ---------------------------------------------------------------- overwrite theirs
    there.is_edited("Theirs, again.")
    page.get_by_role("button", name="Check now").click()
    page.get_by_role("tab", name="Overwrite theirs").click()
    there.is_edited("Theirs, and once more.")  # what was not shown is not overwritten
    page.get_by_role("button", name="Overwrite theirs with version 3").click()
    expect(page.get_by_text("It was changed at Vapi once more")).to_be_visible()
    assert there.says() == system("Theirs, and once more.")
    page.get_by_role("button", name="Show it").click()
    page.get_by_role("button", name="Overwrite theirs with version 3").click()
    expect(page.get_by_text("Deployed. The target was read back")).to_be_visible()
    assert there.says() == system(f"{HOTFIX}\n{OURS}")
    newest = api.get(f"deployments?agent_id={agent}")["items"][0]
    assert newest["overwritten"][0]["live"] == "Theirs, and once more."
    assert newest["requested_by"] == "the local owner, by the console"

    # ---------------------------------------------------------------- merge both
    is_now(product, agent, f"{HOTFIX}\n{OURS} Be kind.")
    there.is_edited(f"{HOTFIX}\n{OURS}".replace("a roofing", "the best roofing"))
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("It was changed at Vapi and here.")).to_be_visible()
    page.get_by_role("tab", name="Merge both").click()
    page.get_by_role("button", name="Save it as a version and deploy it").click()
    expect(page.get_by_text("Deployed. The target was read back")).to_be_visible()
    both = f"{HOTFIX}\n{OURS} Be kind.".replace("a roofing", "the best roofing")
    assert there.says() == system(both)
    line = api.get(f"agents/{agent}/status")["answering"]["line"]
    expect(page.get_by_text(line)).to_be_visible()
