"""The real services every test may ask for. Each is started once, when the first test needs it."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from mission_control.data.migrate import upgrade
from tests import services
from tests.warm_engine import WarmEngine

LEADS = 120  # of the stand-ins' 29,000; the calls go with them

# ------------------------------------------------------------------ Redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with services.redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """A Redis that is empty."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    return redis_server


# ------------------------------------------------------------------ databases


@pytest.fixture(scope="session")
def postgres() -> Iterator[services.PostgresServer]:
    with services.postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres: services.PostgresServer) -> str:
    """Name of a database at the newest schema, to be copied."""
    postgres.create("migrated")
    upgrade(postgres.url("migrated"))
    return "migrated"


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory with a database file at the newest schema, to be copied."""
    directory = tmp_path_factory.mktemp("sqlite")
    upgrade(f"sqlite+aiosqlite:///{directory / 'database.db'}")
    return directory


@pytest.fixture
def postgres_url(postgres: services.PostgresServer, migrated_postgres: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex[:12]}"
    postgres.create(name, template=migrated_postgres)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    copy = shutil.copytree(migrated_sqlite, tmp_path / "sqlite")
    return f"sqlite+aiosqlite:///{copy / 'database.db'}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLAlchemy URL of a database of the test's own, empty and at the newest schema."""
    return request.getfixturevalue(f"{request.param}_url")


# ------------------------------------------------------------------ stand-ins, engine


@pytest.fixture(scope="session")
def model_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL (`http://…/v1`) of the stand-in for a language model."""
    module, directory = "mission_control_sandbox.model_server", tmp_path_factory.mktemp("model")
    with services.sandbox_server(module, directory) as origin:
        yield f"{origin}/v1"


@pytest.fixture(scope="session")
def vapi_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of the stand-in for Vapi. It remembers: name what you make there uniquely."""
    module, directory = "mission_control_sandbox.vapi_server", tmp_path_factory.mktemp("vapi")
    options = ("--data-file", str(directory / "vapi.json"), "--people", str(LEADS))
    with services.sandbox_server(module, directory, *options) as origin:
        yield origin


@pytest.fixture(scope="session")
def close_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of the stand-in for Close, with the leads that the stand-in for Vapi has called."""
    module, directory = "mission_control_sandbox.close_server", tmp_path_factory.mktemp("close")
    with services.sandbox_server(module, directory, "--people", str(LEADS)) as origin:
        yield origin


@pytest.fixture(scope="session")
def warm_engine(engine_python: Path) -> Iterator[WarmEngine]:
    """An engine that stays warm from test to test. It has no state: share it unless you hurt it."""
    warm = WarmEngine()
    yield warm
    warm.end()


@pytest.fixture(scope="session")
def engine_python() -> Path:
    """The interpreter of the engine's own environment."""
    interpreter = services.REPOSITORY / "engine" / ".venv" / "bin" / "python"
    if not interpreter.exists():
        pytest.fail("The engine's environment is not installed: run `make engine/.venv`.")
    return interpreter
