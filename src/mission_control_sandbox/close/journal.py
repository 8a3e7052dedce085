"""What outlives the process: one line of JSON per change, on disk before it is answered."""

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, cast

from mission_control_sandbox.close.errors import StandInError

Line = dict[str, Any]


@dataclass
class Journal:
    """A file that is only appended to; None keeps nothing."""

    path: Path | None
    grown: int = 0  # characters appended since it was begun anew
    _waiting: list[str] = field(default_factory=list[str])

    def note(self, line: Line) -> None:
        """Remember a change; `flush` puts it on disk."""
        if self.path is not None:
            self._waiting.append(json.dumps(line, separators=(",", ":")))

    def flush(self) -> None:
        if self.path is None or not self._waiting:
            return
        text = "".join(f"{line}\n" for line in self._waiting)
        self.grown += len(text)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        self._waiting.clear()

    def read(self) -> list[Line]:
        """Everything noted, oldest first. A last line that a crash cut short never was."""
        if self.path is None or not self.path.exists():
            return []
        *whole, _cut_short = self.path.read_text(encoding="utf-8").split("\n")
        try:
            lines = cast("list[Line]", [json.loads(line) for line in whole])
            date.fromisoformat(lines[0]["today"])
        except (ValueError, KeyError, IndexError, TypeError) as exc:
            raise StandInError(
                f"{self.path} is not a file of this stand-in. Nothing was changed; "
                "move it away to start afresh."
            ) from exc
        return lines

    def rewrite(self, lines: Iterable[Line]) -> None:
        """Keep only these lines. Replaced in one step: a crash leaves the old file or the new."""
        self._waiting.clear()
        self.grown = 0
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=self.path.parent, prefix=".close-", delete=False, encoding="utf-8"
        ) as new:
            for line in lines:
                new.write(json.dumps(line, separators=(",", ":")) + "\n")
            new.flush()
            os.fsync(new.fileno())
        Path(new.name).replace(self.path)
