"""How long a search has worked, over all its attempts, and whose directory this is."""

import contextlib
import json
import time
from pathlib import Path

from engine_host.errors import EngineFailure


class Clock:
    """Kept in `search.json`, so that a resume neither gets its minutes again nor mixes two searches."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._file = directory / "search.json"
        self._started = time.monotonic()
        self._before = 0.0
        self._fingerprint = ""
        with contextlib.suppress(FileNotFoundError, ValueError, TypeError, KeyError):
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            self._before, self._fingerprint = float(kept["seconds"]), str(kept["fingerprint"])

    def seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def deadline(self, minutes: float | None) -> float | None:
        """The `time.monotonic()` at which the minutes are over."""
        return None if minutes is None else self._started + minutes * 60 - self._before

    def claim(self, fingerprint: str) -> None:
        """Make the directory this search's own; refuse it when it belongs to another one."""
        if self._fingerprint not in {"", fingerprint}:
            raise EngineFailure(
                "config",
                "The directory belongs to another search: the scenarios, the prompt, the models or the "
                "optimizer have changed. Start a new one.",
            )
        self._fingerprint = fingerprint
        self.keep()

    def keep(self) -> None:
        text = json.dumps({"fingerprint": self._fingerprint, "seconds": round(self.seconds(), 3)})
        temporary = self._file.with_suffix(".tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._file)
