"""A warm engine that tests share unless they hurt it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import services
from tests.engine.harness import PYTHON, Engine, engine


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if not PYTHON.exists():
        pytest.fail("The engine's environment is not installed: run `make engine/.venv`.")
    with engine(tmp_path_factory.mktemp("engine")) as started:
        yield started


@pytest.fixture(scope="session")
def slow_model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The stand-in at a pace that leaves time to kill somebody."""
    directory = tmp_path_factory.mktemp("slow-model")
    module = "mission_control_sandbox.model_server"
    with services.sandbox_server(module, directory, "--latency-ms", "25") as origin:
        yield f"{origin}/v1"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The directory of one job."""
    return tmp_path / "job"
