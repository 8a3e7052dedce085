"""Both sides of the engine protocol declare the same messages, each in its own code."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from mission_control.integrations.superoptix import protocol

REPOSITORY = Path(__file__).parents[2]
DUMP = """
import json
from engine_host.messages import FROM_ENGINE, TO_ENGINE
print(json.dumps({"to": TO_ENGINE.json_schema(), "from": FROM_ENGINE.json_schema()}))
"""


def without_words(schema: Any) -> Any:
    """The schema without titles and descriptions: each side documents for its own readers."""
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


@pytest.fixture(scope="module")
def hosts() -> dict[str, Any]:
    """The engine host's schemas, dumped by its own interpreter."""
    python = REPOSITORY / "engine" / ".venv" / "bin" / "python"
    dumped = subprocess.run([python, "-c", DUMP], capture_output=True, text=True, check=True)
    return json.loads(dumped.stdout)


@pytest.mark.parametrize(
    ("direction", "ours"), [("to", protocol.TO_ENGINE), ("from", protocol.FROM_ENGINE)]
)
def test_both_sides_declare_the_same(
    direction: str, ours: TypeAdapter[Any], hosts: dict[str, Any]
) -> None:
    assert without_words(hosts[direction]) == without_words(ours.json_schema())


def test_every_message_is_told_apart_by_its_type() -> None:
    for adapter, count in ((protocol.TO_ENGINE, 7), (protocol.FROM_ENGINE, 12)):
        mapping = adapter.json_schema()["discriminator"]["mapping"]
        assert len(mapping) == count


def test_unknown_fields_and_types_are_refused() -> None:
    with pytest.raises(ValidationError):
        protocol.FROM_ENGINE.validate_json('{"type": "ready", "id": "", "pid": 1, "code": "x"}')
    with pytest.raises(ValidationError):
        protocol.FROM_ENGINE.validate_json('{"type": "exec", "id": ""}')


def test_a_key_travels_to_the_engine_and_is_shown_nowhere_else() -> None:
    model = protocol.Model(name="openai/x", api_key=SecretStr("sk-secret"))
    assert "sk-secret" not in repr(model)
    assert "sk-secret" not in str(model.model_dump())
    assert json.loads(model.model_dump_json())["api_key"] == "sk-secret"
