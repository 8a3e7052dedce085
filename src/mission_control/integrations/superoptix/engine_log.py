"""What an engine says on the side: its last lines, for the sentence that says why it died."""

import asyncio
import re
from collections import deque

import structlog

from mission_control_protocol import Model, ToEngine

log = structlog.get_logger(__name__)

MOST_LINES = 40
LINE_CHARACTERS = 500

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_PROGRESS_BAR = re.compile(r"\d%\|")  # of DSPy's; they would push out what says why


class EngineLog:
    """Its last lines, without the keys that it was given."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._secrets: set[str] = set()

    @property
    def last_lines(self) -> list[str]:
        return list(self._lines)

    def hide_keys_of(self, message: ToEngine) -> None:
        models = [value for _, value in message if isinstance(value, Model)]
        self._secrets |= {model.api_key.get_secret_value() for model in models} - {""}

    async def follow(self, process: asyncio.subprocess.Process) -> None:
        """Read its log until that ends."""
        assert process.stderr is not None
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # longer than any line may be, and dropped
                continue
            if not line:
                return
            text = self._cleaned(line.decode(errors="replace"))
            if not _PROGRESS_BAR.search(text):
                self._lines.append(text)
            log.debug("engine_said", pid=process.pid, text=text)

    def _cleaned(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return _CONTROL.sub("", text).strip()[:LINE_CHARACTERS]
