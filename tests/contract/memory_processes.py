"""Looks at the processes that the memory client has started, as the kernel sees them."""

import os
from pathlib import Path


def descendants() -> dict[int, str]:
    """The command line of every process below this one."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (directory / "stat").read_text().rpartition(") ")[2].split()[:2]
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            parents[int(directory.name)], commands[int(directory.name)] = int(parent), command
    return {pid: command for pid, command in commands.items() if _is_ours(pid, parents)}


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _is_ours(pid: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == os.getpid():
            return True
    return False
