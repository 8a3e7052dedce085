"""What the supervisor tells others about its processes: `<data_dir>/supervisor.json`."""

import fcntl
import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

STATE_FILE = "supervisor.json"
LOCK_FILE = "supervisor.lock"

PartStatus = Literal["waiting", "starting", "ready", "restarting", "done", "stopped"]


CRASH_LOOP = 3  # unexpected ends without a calm life between them


class PartState(BaseModel):
    """One process of ours. `done`: it had one thing to do (migrations) and did it."""

    name: str
    status: PartStatus = "waiting"
    stand_in: bool = False
    pid: int | None = None
    port: int | None = None
    command: list[str] = Field(default_factory=list)
    started_at: datetime | None = None
    ready_after_seconds: float | None = None
    restarts: int = 0
    ends_in_a_row: int = 0  # since it last ran calmly for a while
    last_exit_code: int | None = None

    @property
    def is_running(self) -> bool:
        return self.status in {"ready", "done"} and not self.keeps_ending

    @property
    def keeps_ending(self) -> bool:
        return self.ends_in_a_row >= CRASH_LOOP

    @property
    def trouble(self) -> str | None:
        """What is wrong with it, for a person; None when it runs."""
        if self.keeps_ending:
            last = meaning_of_exit(self.last_exit_code or 0)
            return f"{self.name} keeps ending ({self.ends_in_a_row} times in a row, {last})"
        return None if self.is_running else f"{self.name} is {self.status}"


def meaning_of_exit(code: int) -> str:
    """An exit code as Python gives it, for a person: negative ones are signals."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


class SupervisorState(BaseModel):
    pid: int
    started_at: datetime
    parts: list[PartState]

    def part(self, name: str) -> PartState | None:
        return next((part for part in self.parts if part.name == name), None)


def running_state(data_dir: Path) -> SupervisorState | None:
    """The parts of the supervisor that runs on this data directory; None when there is none."""
    return last_state(data_dir) if _is_locked(data_dir / LOCK_FILE) else None


def last_state(data_dir: Path) -> SupervisorState | None:
    """What the supervisor wrote last, whether it still runs or not."""
    try:
        return SupervisorState.model_validate_json((data_dir / STATE_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_state(data_dir: Path, state: SupervisorState) -> None:
    """Replace the file in one step: who reads it sees the old or the new, never half of one."""
    unfinished = data_dir / f".{STATE_FILE}.{os.getpid()}"
    unfinished.write_text(state.model_dump_json(indent=1))
    unfinished.replace(data_dir / STATE_FILE)


def _is_locked(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
