"""What the supervisor tells others about its processes: `<data_dir>/supervisor.json`."""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import Literal, TextIO

from pydantic import BaseModel, Field, ValidationError

from mission_control.supervisor.errors import AlreadyRunningError, DataDirectoryError

STATE_FILE = "supervisor.json"
LOCK_FILE = "supervisor.lock"

PartStatus = Literal["waiting", "starting", "ready", "restarting", "done", "stopped"]


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
    last_exit_code: int | None = None


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


@contextmanager
def sole_supervisor(data_dir: Path) -> Generator[None]:
    """Own the data directory for the length of the block. The kernel lets go of it if we are killed.

    Raises:
        AlreadyRunningError: Another supervisor owns it.
        DataDirectoryError: It cannot be made, written or locked.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (data_dir / LOCK_FILE).open("a+")
    except OSError as exc:
        raise DataDirectoryError(
            f"{data_dir} cannot be written ({exc.strerror}). Set MC_DATA_DIR to a directory of yours."
        ) from exc
    with file:
        _lock(file, data_dir)
        yield


def _lock(file: TextIO, data_dir: Path) -> None:
    for patience in (0.05, 0.1, 0.2, None):
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if patience is None:
                raise _already_running(data_dir) from None
            sleep(patience)  # somebody may just be looking whether it is locked
        except OSError as exc:
            raise DataDirectoryError(
                f"{data_dir} is on a file system without locks ({exc.strerror}). "
                "Set MC_DATA_DIR to a local directory."
            ) from exc
    return None


def _already_running(data_dir: Path) -> AlreadyRunningError:
    state = last_state(data_dir)
    who = f" as process {state.pid}" if state else ""
    return AlreadyRunningError(
        f"Mission Control already runs on {data_dir}{who}. Stop it, or set MC_DATA_DIR and "
        "MC_API_PORT, MC_UI_PORT for a second one."
    )


def _is_locked(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
