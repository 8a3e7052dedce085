"""Installed from its wheel, with no engine beside it: it says what is missing, and how to get it."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services import HANG_SECONDS, REPOSITORY, free_ports_in_a_row

MISSING = "The engine's source is not beside this installation. No engine was started."


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel holds; what it depends on comes from this environment."""
    place = tmp_path_factory.mktemp("site-packages")
    without_bytecode = shutil.ignore_patterns("__pycache__")
    for package in ("mission_control", "mission_control_sandbox"):
        shutil.copytree(REPOSITORY / "src" / package, place / package, ignore=without_bytecode)
    return place


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        yield busy.getsockname()[1]


def run(site_packages: Path, home: Path, ui_port: int, *module: str) -> tuple[int, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(site_packages),
        "MC_DATA_DIR": str(home / "data"),
        "MC_API_PORT": str(free_ports_in_a_row(4)),
        "MC_UI_PORT": str(ui_port),
    }
    done = subprocess.run(
        [sys.executable, "-m", *module],
        env=environment, cwd=home, capture_output=True, text=True, timeout=HANG_SECONDS, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def test_it_is_said_at_start(site_packages: Path, tmp_path: Path, taken_port: int) -> None:
    """On a port that is taken, so that nothing else is started."""
    code, said = run(site_packages, tmp_path, taken_port, "mission_control.supervisor")
    said = " ".join(said.split())
    assert (code, f"Port {taken_port} for console is taken." in said) == (2, True)
    assert MISSING in said
    assert "Until then no agent can be imported, measured or optimized." in said


def test_the_doctor_says_it_too(site_packages: Path, tmp_path: Path, taken_port: int) -> None:
    command = ("mission_control.cli", "doctor", "--json")
    code, said = run(site_packages, tmp_path, taken_port, *command)
    found = {each["name"]: each for each in json.loads(said)["findings"]}
    assert code != 0
    assert found["engine"]["state"] == "problem"
    assert found["engine"]["sentence"].startswith(MISSING)
    assert "docs/operations.md" in found["engine"]["sentence"]
    assert found["engine"]["to_do"] == "Set SUPEROPTIX_PATH."


def test_a_checkout_has_nothing_to_say(tmp_path: Path, taken_port: int) -> None:
    _, said = run(REPOSITORY / "src", tmp_path, taken_port, "mission_control.supervisor")
    assert "engine" not in said
