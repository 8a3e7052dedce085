"""One running product for the session, a client of it, and a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.harness import Api, Product, running
from tests.services import HANG_SECONDS, find_browser

# No GPU, and none of the browser's own errands: every request that is left is the console's.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Shared: a test uses agents of its own and leaves no job open."""
    with running(tmp_path_factory.mktemp("product")) as product:
        yield product


@pytest.fixture
def api(product: Product) -> Iterator[Api]:
    with product.client() as api:
        yield api


@pytest.fixture
def browser_page() -> Iterator[Page]:
    browser = find_browser()
    if browser is None:
        pytest.fail("There is no Chromium: run `python -m tests.install_browser`.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        page = chromium.new_page(viewport={"width": 1360, "height": 1000})
        page.set_default_timeout(HANG_SECONDS * 1000)
        expect.set_options(timeout=HANG_SECONDS * 1000)
        yield page
        chromium.close()
