"""The whole product, started by one command on an empty directory, and stopped again."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mission_control.core.part_states import SupervisorState, last_state, running_state
from tests.services import HANG_SECONDS, free_ports_in_a_row


@contextmanager
def up(data_dir: Path, first_port: int) -> Generator[subprocess.Popen[bytes]]:
    environment = {
        "PATH": os.environ["PATH"],
        "MC_DATA_DIR": str(data_dir),
        "MC_API_PORT": str(first_port),
        "MC_UI_PORT": str(first_port + 4),
        "MC_WORKER_PROCESSES": "1",
        "MC_DEMO": "0",
        "MC_SANDBOX_LEADS": "50",
    }
    with (data_dir.parent / "terminal").open("wb") as terminal:
        command = [sys.executable, "-m", "mission_control.supervisor"]
        product = subprocess.Popen(
            command, env=environment, cwd=data_dir.parent, stdout=terminal, stderr=terminal
        )
    try:
        yield product
    finally:
        product.kill()
        product.wait()


def until_ready(data_dir: Path, product: subprocess.Popen[bytes]) -> SupervisorState:
    terminal = data_dir.parent / "terminal"
    until = time.monotonic() + HANG_SECONDS
    while "Ctrl-C stops everything." not in terminal.read_text():
        assert product.poll() is None, terminal.read_text()
        assert time.monotonic() < until, terminal.read_text()
        time.sleep(0.05)
    state = running_state(data_dir)
    assert state is not None
    return state


def processes_of(data_dir: Path) -> list[str]:
    """Command lines of the living processes that know this directory."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(data_dir).encode() in environment + command and process.name != str(os.getpid()):
            found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_up_starts_everything_and_stops_without_a_trace(tmp_path: Path) -> None:
    data_dir, first_port = tmp_path / "data", free_ports_in_a_row(5)
    with up(data_dir, first_port) as product:
        state = until_ready(data_dir, product)

        assert [(part.name, part.status) for part in state.parts] == [
            ("redis", "ready"),
            ("migrations", "done"),
            ("api", "ready"),
            ("worker-engine", "ready"),
            ("worker-deployments", "ready"),
            ("worker-background", "ready"),
            ("beat", "ready"),
            ("sandbox-model", "ready"),
            ("sandbox-vapi", "ready"),
            ("sandbox-close", "ready"),
            ("console", "ready"),
        ]
        assert sum(part.restarts for part in state.parts) == 0
        assert [part.name for part in state.parts if part.stand_in] == [
            "sandbox-model",
            "sandbox-vapi",
            "sandbox-close",
        ]
        assert len(processes_of(data_dir)) >= 11
        with urllib.request.urlopen(
            f"http://127.0.0.1:{first_port}/readyz", timeout=HANG_SECONDS
        ) as answer:
            assert answer.status == 200

        product.send_signal(signal.SIGINT)
        assert product.wait(HANG_SECONDS) == 0

    assert processes_of(data_dir) == []
    assert data_dir.stat().st_mode & 0o077 == 0

    with up(data_dir, first_port) as product:
        state = until_ready(data_dir, product)

        assert state.part("migrations") is None, "a current database is not migrated again"
        product.send_signal(signal.SIGTERM)
        assert product.wait(HANG_SECONDS) == 0

    last = last_state(data_dir)
    assert last is not None
    assert {part.status for part in last.parts} == {"stopped"}
    assert processes_of(data_dir) == []
