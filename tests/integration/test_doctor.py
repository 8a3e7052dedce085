"""The doctor finds what is wrong, says what to do, keeps to its time and tells no secret."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mission_control.core.clock import utc_now
from mission_control.core.part_states import PartState, SupervisorState, write_state
from mission_control.core.settings import Settings
from mission_control.data.migrate import downgrade
from mission_control.supervisor import doctor
from mission_control.supervisor.doctor import Finding, examine
from mission_control.supervisor.lock import sole_supervisor
from tests.services import HANG_SECONDS, free_port, free_ports_in_a_row

HIDDEN = "sk-very-secret-0123456789"


def settings_for(data_dir: Path, **changes: object) -> Settings:
    first = free_ports_in_a_row(5)
    ports = {"mc_api_port": first, "mc_ui_port": first + 4}
    return Settings(_env_file=None, mc_data_dir=data_dir, **(ports | changes))  # type: ignore[call-arg,arg-type]


async def finding(name: str, settings: Settings) -> Finding:
    (found,) = await examine(settings, only={name})
    assert HIDDEN not in str(found)
    return found


@pytest.fixture(autouse=True)
def _patient_doctor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine what is well may take longer to say so than a person is made to wait."""
    if "silent_port" not in request.fixturenames:
        monkeypatch.setattr(doctor, "CHECK_SECONDS", HANG_SECONDS)
        monkeypatch.setattr(doctor, "ENGINE_SECONDS", HANG_SECONDS)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Something that accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


async def test_before_the_first_start_nothing_is_wrong_and_nothing_is_made(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    found = await examine(settings_for(data_dir))

    assert {one.name: one.sentence for one in found if one.state == "problem"} == {}
    assert [one.name for one in found if one.stand_in] == ["model", "vapi", "close"]
    assert not data_dir.exists()


async def test_the_engine_tells_its_versions(tmp_path: Path) -> None:
    engine = await finding("engine", settings_for(tmp_path))

    assert engine.state == "ok"
    assert engine.sentence.startswith("SuperOptiX 0.")


async def test_a_superoptix_path_that_is_not_one_is_a_problem(tmp_path: Path) -> None:
    engine = await finding("engine", settings_for(tmp_path, superoptix_path=tmp_path))

    assert (engine.state, engine.to_do) == ("problem", "Correct SUPEROPTIX_PATH.")
    assert "SUPEROPTIX_PATH" in engine.sentence


async def test_a_secret_key_that_is_none_is_a_problem(tmp_path: Path) -> None:
    key = await finding("secret key", settings_for(tmp_path, mc_secret_key=HIDDEN))

    assert key.state == "problem"
    assert "MC_SECRET_KEY is not a Fernet key" in key.sentence


async def test_a_webhook_secret_that_the_stand_in_makes_useless_is_a_warning(
    tmp_path: Path, vapi_server: str
) -> None:
    useless = settings_for(tmp_path, vapi_webhook_secret=HIDDEN)
    of_use = settings_for(tmp_path, vapi_webhook_secret=HIDDEN, vapi_api_key=HIDDEN)
    own_stand_in = settings_for(tmp_path, vapi_webhook_secret=HIDDEN, vapi_base_url=vapi_server)

    found = await finding("settings", useless)

    assert found.state == "warning"
    assert "VAPI_WEBHOOK_SECRET is not used" in found.sentence
    assert (await finding("settings", of_use)).state == "ok"
    assert (await finding("settings", own_stand_in)).state == "ok"


async def test_a_part_that_keeps_ending_is_a_problem(tmp_path: Path) -> None:
    beat = PartState(name="beat", status="ready", ends_in_a_row=4, restarts=4, last_exit_code=-9)
    with sole_supervisor(tmp_path):
        state = SupervisorState(pid=1, started_at=utc_now(), parts=[beat])
        write_state(tmp_path, state)

        processes = await finding("processes", settings_for(tmp_path))

    assert processes.state == "problem"
    assert processes.sentence == "beat keeps ending (4 times in a row, signal SIGKILL)."


async def test_a_migrated_database_is_fine_and_an_older_one_is_not(
    tmp_path: Path, database_url: str
) -> None:
    settings = settings_for(tmp_path, database_url=database_url)
    assert (await finding("database", settings)).state == "ok"

    await asyncio.to_thread(downgrade, database_url)

    database = await finding("database", settings)
    assert (database.state, database.to_do) == ("warning", "mission-control up migrates it.")


async def test_a_database_that_is_not_there_is_a_problem_without_its_password(
    tmp_path: Path,
) -> None:
    url = f"postgresql://mission:{HIDDEN}@127.0.0.1:{free_port()}/x"
    database = await finding("database", settings_for(tmp_path, database_url=url))

    assert database.state == "problem"
    assert database.to_do == "Check DATABASE_URL."


async def test_redis_is_asked_where_it_is_configured(tmp_path: Path, redis_url: str) -> None:
    assert (await finding("redis", settings_for(tmp_path, redis_url=redis_url))).state == "ok"

    url = f"redis://:{HIDDEN}@127.0.0.1:{free_port()}/0"
    redis = await finding("redis", settings_for(tmp_path, redis_url=url))
    assert (redis.state, redis.to_do) == ("problem", "Check REDIS_URL.")


async def test_a_taken_port_is_named_with_its_setting(tmp_path: Path, silent_port: int) -> None:
    ports = await finding("ports", settings_for(tmp_path, mc_ui_port=silent_port))

    assert ports.state == "problem"
    assert str(silent_port) in ports.sentence
    assert "MC_UI_PORT" in ports.to_do


async def test_a_data_directory_that_others_can_enter_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)

    directory = await finding("data directory", settings_for(tmp_path))

    assert (directory.state, directory.to_do) == ("warning", f"Run: chmod 700 {tmp_path}")


async def test_a_model_server_that_answers_is_fine(tmp_path: Path, model_server: str) -> None:
    settings = settings_for(tmp_path, openai_base_url=model_server, openai_api_key=HIDDEN)

    model = await finding("model", settings)

    assert (model.state, model.stand_in) == ("ok", False)


async def test_a_vapi_that_takes_our_key_is_fine(tmp_path: Path, vapi_server: str) -> None:
    settings = settings_for(tmp_path, vapi_base_url=vapi_server, vapi_api_key=HIDDEN)

    assert (await finding("vapi", settings)).state == "ok"


async def test_a_vapi_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings = settings_for(tmp_path, vapi_base_url=url, vapi_api_key=HIDDEN)

    vapi = await finding("vapi", settings)

    assert (vapi.state, vapi.to_do) == ("problem", "Check VAPI_API_KEY and VAPI_BASE_URL.")


async def test_whoever_does_not_answer_costs_five_seconds_and_no_more(
    tmp_path: Path, silent_port: int
) -> None:
    url = f"http://127.0.0.1:{silent_port}"
    settings = settings_for(
        tmp_path, openai_base_url=url, vapi_base_url=url, vapi_api_key=HIDDEN,
        redis_url=f"redis://127.0.0.1:{silent_port}/0",
    )  # fmt: skip

    asked = await examine(settings, only={"model", "vapi", "redis"})

    assert {one.name: one.state for one in asked} == dict.fromkeys(
        ("model", "vapi", "redis"), "problem"
    )
    sentences = {one.name: one.sentence for one in asked if one.name != "redis"}
    assert set(sentences.values()) == {"No answer within 5 seconds."}
