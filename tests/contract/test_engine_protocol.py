"""The messages between console and engine, and what happens when each has its own version of them."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from mission_control.core import words
from mission_control.core.settings import Settings
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix_client import SuperOptiXClient
from mission_control.supervisor.doctor import examine
from mission_control.supervisor.supervise import run
from mission_control_protocol import (
    FROM_ENGINE,
    TO_ENGINE,
    VERSION,
    Level,
    Model,
    OptimizerName,
)
from tests.services import free_port

REPOSITORY = Path(__file__).parents[2]
ENVIRONMENT = REPOSITORY / "engine" / ".venv"
# What the messages of this version are made of. Changed them? Count VERSION up, then write down
# the new pair: an engine of the version before must not be taken for one of yours.
SHAPE = (1, "ee41e48893da6773")


def without_words(schema: Any) -> Any:
    """The schema without what is written for readers."""
    match schema:
        case dict():
            return {
                key: without_words(value)
                for key, value in schema.items()
                if not (key in {"title", "description"} and isinstance(value, str))
            }
        case list():
            return [without_words(each) for each in schema]
        case _:
            return schema


def test_a_change_of_a_message_changes_the_version() -> None:
    schemas = [without_words(each.json_schema()) for each in (TO_ENGINE, FROM_ENGINE)]
    text = json.dumps(schemas, sort_keys=True)
    assert (VERSION, hashlib.sha256(text.encode()).hexdigest()[:16]) == SHAPE


def test_every_message_is_told_apart_by_its_type() -> None:
    for adapter, count in ((TO_ENGINE, 7), (FROM_ENGINE, 12)):
        mapping = adapter.json_schema()["discriminator"]["mapping"]
        assert len(mapping) == count


def test_unknown_fields_and_types_are_refused() -> None:
    with pytest.raises(ValidationError):
        FROM_ENGINE.validate_json('{"type": "evaluated", "id": "", "code": "x"}')
    with pytest.raises(ValidationError):
        FROM_ENGINE.validate_json('{"type": "exec", "id": ""}')


def test_a_key_travels_to_the_engine_and_is_shown_nowhere_else() -> None:
    model = Model(name="openai/x", api_key=SecretStr("sk-secret"))
    assert "sk-secret" not in repr(model)
    assert "sk-secret" not in str(model.model_dump())
    assert json.loads(model.model_dump_json())["api_key"] == "sk-secret"


@pytest.fixture
def another_release(tmp_path: Path) -> Path:
    """An environment with SuperOptiX and an engine of its own: this one, one version later."""
    environment = tmp_path / "another-release"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(ENVIRONMENT / "bin" / "python")
    [packages] = ENVIRONMENT.glob("lib/python*/site-packages")
    own = environment / packages.relative_to(ENVIRONMENT)
    own.mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text((ENVIRONMENT / "pyvenv.cfg").read_text())
    for installed in packages.iterdir():
        if not installed.name.startswith(("engine_host", "mission_control_protocol")):
            (own / installed.name).symlink_to(installed)
    (own / "engine_host-2.dist-info").mkdir()
    shutil.copytree(REPOSITORY / "engine/src/engine_host", own / "engine_host")
    protocol = own / "mission_control_protocol"
    shutil.copytree(REPOSITORY / "protocol/src/mission_control_protocol", protocol)
    text = (protocol / "__init__.py").read_text()
    assert f"VERSION = {VERSION}\n" in text
    (protocol / "__init__.py").write_text(
        text.replace(f"VERSION = {VERSION}\n", f"VERSION = {VERSION + 1}\n")
    )
    return environment


SAID = (
    "These settings cannot work: the engine at SUPEROPTIX_PATH is of another release"
    f" (it speaks version {VERSION + 1} of the protocol, this Mission Control version {VERSION})."
    " Nothing was changed. Correct them, then start again."
)


class TestAnEngineOfAnotherRelease:
    async def test_is_refused_before_anything_is_asked_of_it(self, another_release: Path) -> None:
        client = SuperOptiXClient(EngineLocation(another_release))
        with pytest.raises(SuperOptiXError) as refused:
            await client.doctor()
        await client.aclose()
        assert (refused.value.kind, refused.value.message) == ("config", SAID)

    async def test_is_a_problem_to_the_doctor(self, another_release: Path, tmp_path: Path) -> None:
        settings = Settings(
            _env_file=None, superoptix_path=another_release, mc_data_dir=tmp_path / "data"
        )
        [engine] = [each for each in await examine(settings) if each.name == "engine"]
        assert (engine.state, engine.sentence) == ("problem", SAID)

    async def test_stops_the_start(
        self, another_release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        data = tmp_path / "data"
        settings = Settings(
            _env_file=None, superoptix_path=another_release, mc_data_dir=data,
            mc_api_port=free_port(), mc_ui_port=free_port(),
        )  # fmt: skip
        assert await run(settings) == 2
        assert SAID.replace("\n", " ") in " ".join(capsys.readouterr().out.split())
        assert not (data / "supervisor.json").exists()

    async def test_one_older_than_versions_is_of_another_release_too(
        self, another_release: Path
    ) -> None:
        [serve] = another_release.glob("lib/python*/site-packages/engine_host/serve.py")
        serve.write_text(serve.read_text().replace(", protocol=VERSION", ""))
        client = SuperOptiXClient(EngineLocation(another_release))
        with pytest.raises(SuperOptiXError, match=r"speaks version 0 of the protocol"):
            await client.warm_up()
        await client.aclose()


async def test_an_engine_that_is_installed_with_its_superoptix_needs_no_source_of_ours() -> None:
    location = EngineLocation(ENVIRONMENT)
    assert location.sources() == []
    client = SuperOptiXClient(location)
    assert (await client.doctor()).problems == []
    await client.aclose()


async def test_an_environment_that_has_superoptix_alone_is_lent_our_engine(
    another_release: Path,
) -> None:
    packages = next(another_release.glob("lib/python*/site-packages"))
    (packages / "engine_host-2.dist-info").rmdir()
    for lent in ("engine_host", "mission_control_protocol"):
        shutil.rmtree(packages / lent)
    client = SuperOptiXClient(EngineLocation(another_release))
    assert (await client.doctor()).problems == []
    await client.aclose()


def test_the_command_line_has_the_words_of_the_protocol() -> None:
    assert (words.Level, words.OptimizerName) == (Level, OptimizerName)
