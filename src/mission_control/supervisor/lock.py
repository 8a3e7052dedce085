"""One supervisor for each data directory, held by a lock that the kernel lets go of when we die."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import TextIO

from mission_control.core.part_states import LOCK_FILE, last_state
from mission_control.supervisor.errors import AlreadyRunningError, DataDirectoryError


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
