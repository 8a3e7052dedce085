"""One running product for the session, and a client of it."""

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Api, Product, running


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Shared: a test uses agents of its own and leaves no job open."""
    with running(tmp_path_factory.mktemp("product")) as product:
        yield product


@pytest.fixture
def api(product: Product) -> Iterator[Api]:
    with product.client() as api:
        yield api
