"""What the person in front of `mission-control up` sees, and the log files behind it."""

import json
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, cast

from rich.console import Console
from rich.text import Text

from mission_control.core.clock import utc_now

COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "red")
ROTATE_AT_BYTES = 10 * 1024 * 1024
LOUD = frozenset({"warning", "error", "critical"})
PLAIN_LOUD = re.compile(r"^\W*(WARNING|ERROR|CRITICAL)\b")
BOOKKEEPING = frozenset({"event", "level", "logger", "timestamp", "exception"})


class Terminal:
    """Short lines, each prefixed with the part that it is about."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._console = Console(file=file, highlight=False, soft_wrap=True)
        self._colours: dict[str, str] = {}

    def say(self, part: str, text: str, style: str = "", *, at: datetime | None = None) -> None:
        """One line about a part, with the time now, or when it happened."""
        colour = self._colours.setdefault(part, COLOURS[len(self._colours) % len(COLOURS)])
        clock = f"{(at or utc_now()).astimezone():%H:%M:%S}"  # the reader's own time
        clean = "".join(letter if letter.isprintable() else " " for letter in text)
        self._console.print(
            Text.assemble((clock, "dim"), " ", (f"{part:<13}", colour), " ", (clean, style))
        )

    def headline(self, text: str, style: str = "bold") -> None:
        self._console.print(Text(text, style))


class LogFile:
    """Everything a part says. When it has grown too large, the file before it is forgotten.

    A full disk costs lines and nothing else: a part whose output nobody takes would stand still.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path = path
        self._file = path.open("ab", buffering=0)

    def write(self, line: bytes) -> None:
        with suppress(OSError):
            if self._file.tell() > ROTATE_AT_BYTES:
                self._rotate()
            self._file.write(line + b"\n")

    def close(self) -> None:
        self._file.close()

    def _rotate(self) -> None:
        self._file.close()
        self._path.replace(self._path.with_suffix(".log.1"))
        self._file = self._path.open("ab", buffering=0)


def worth_showing(line: str) -> str | None:
    """A log line as the terminal shows it; None when it is below 'warning'."""
    record = _record(line)
    is_loud = PLAIN_LOUD.match(line) if record is None else record.get("level") in LOUD
    return readable(line) if is_loud else None


def readable(line: str) -> str:
    """A log line as a person reads it."""
    record = _record(line)
    if record is None:
        return line
    fields = " ".join(f"{key}={value}" for key, value in record.items() if key not in BOOKKEEPING)
    reason = str(record.get("exception", "")).strip().rpartition("\n")[2]
    parts = (f"{record['level']}: {record.get('event', '')}", fields, reason)
    return " ".join(" · ".join(part for part in parts if part).split())


def _record(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return (
        cast("dict[str, Any]", record) if isinstance(record, dict) and "level" in record else None
    )
