"""What the supervisor writes of its processes is what others read of them, and never half of it."""

import fcntl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mission_control.core.part_states import (
    CRASH_LOOP,
    LOCK_FILE,
    STATE_FILE,
    PartState,
    SupervisorState,
    last_state,
    meaning_of_exit,
    running_state,
    write_state,
)


def a_state(*parts: PartState) -> SupervisorState:
    return SupervisorState(pid=7, started_at=datetime(2026, 11, 1, tzinfo=UTC), parts=[*parts])


def test_what_was_written_is_read_whether_it_still_runs_or_not(tmp_path: Path) -> None:
    state = a_state(PartState(name="api", status="ready", pid=8), PartState(name="beat"))
    write_state(tmp_path, state)
    assert last_state(tmp_path) == state
    assert [path.name for path in tmp_path.iterdir()] == [STATE_FILE]
    assert state.part("beat") == state.parts[1]
    assert state.part("worker") is None


def test_a_supervisor_runs_while_it_holds_its_lock(tmp_path: Path) -> None:
    state = a_state(PartState(name="api"))
    write_state(tmp_path, state)
    assert running_state(tmp_path) is None
    with (tmp_path / LOCK_FILE).open("w") as lock:
        assert running_state(tmp_path) is None
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert running_state(tmp_path) == state
    assert running_state(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", '{"pid": "x"}'])
def test_what_cannot_be_read_is_nothing(tmp_path: Path, content: str) -> None:
    assert last_state(tmp_path) is None
    (tmp_path / STATE_FILE).write_text(content)
    assert last_state(tmp_path) is None


@pytest.mark.parametrize(
    ("status", "ends", "trouble"),
    [
        ("ready", 0, None),
        ("done", 0, None),
        ("ready", CRASH_LOOP - 1, None),
        ("starting", 0, "api is starting"),
        ("stopped", 0, "api is stopped"),
        ("ready", CRASH_LOOP, "api keeps ending (3 times in a row, signal SIGKILL)"),
    ],
)
def test_what_keeps_ending_does_not_run_whatever_it_says(
    status: str, ends: int, trouble: str | None
) -> None:
    part = PartState(name="api", status=status, ends_in_a_row=ends, last_exit_code=-9)  # type: ignore[arg-type]
    assert part.trouble == trouble
    assert part.is_running == (trouble is None)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [(0, "exit code 0"), (1, "exit code 1"), (-15, "signal SIGTERM"), (-120, "signal 120")],
)
def test_an_exit_code_is_told_for_a_person(code: int, meaning: str) -> None:
    assert meaning_of_exit(code) == meaning
