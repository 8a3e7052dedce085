"""Close's own Python client works against the stand-in, and gives up where it would at Close."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.install_vendor_clients import python_client
from tests.services import HANG_SECONDS, sandbox_server

SCRIPT = Path(__file__).parent / "vendor_clients" / "close_python.py"
PEOPLE = 450


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    installed = python_client("close")
    if not installed.exists():
        pytest.fail("The vendors' clients are missing: python -m tests.install_vendor_clients")
    module, directory = "mission_control_sandbox.close_server", tmp_path_factory.mktemp("close")
    options = ("--people", str(PEOPLE), "--api-key", "key", "--today", "2026-11-23")
    with sandbox_server(module, directory, *options) as origin:
        run = subprocess.run(
            [sys.executable, "-W", "error", str(SCRIPT), origin],
            env={"PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        yield json.loads(run.stdout)


def test_lists_every_lead_once(seen: dict[str, Any]) -> None:
    assert (seen["leads"], seen["total"]) == (PEOPLE, PEOPLE)
    assert (seen["calls"], seen["more_calls"]) == (100, True)
    assert seen["search"] == 100
    assert seen["events"] == 50


def test_reads_and_writes(seen: dict[str, Any]) -> None:
    assert seen["me"] == "dana@northline.example"
    assert seen["lead"] is True
    assert seen["contacts"] == ["Somebody"]
    assert seen["changed"] == "Quoted"
    assert seen["statuses"] == 7
    assert seen["deleted"] == {}


def test_understands_the_refusals(seen: dict[str, Any]) -> None:
    assert seen["refused"] == {"_limit": "Input should be less than or equal to 200"}
    assert (seen["unauthorized"], seen["gone"]) == (401, 404)


def test_waits_out_a_rate_limit(seen: dict[str, Any]) -> None:
    assert seen["limited"]["id"].startswith("user_")
    assert seen["limited"]["tries"] == 2
    assert seen["limited"]["slept"] >= 1
    assert seen["limited_silently"]["tries"] == 3


def test_does_not_retry_an_internal_error(seen: dict[str, Any]) -> None:
    assert seen["failed"] == 500
