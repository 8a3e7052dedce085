"""What a connection noticed on its way, which the protocol's own errors do not say."""

import time
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field

LAST_LINES = 5
LINE_CHARACTERS = 300


@dataclass(slots=True)
class Exchange:
    """What was seen of one call, or of connecting."""

    status: int | None = None
    network_error: str | None = None
    retry_after: float | None = None
    too_large: bool = False


# Whose exchange it is follows the call into the tasks that the MCP client starts for it.
EXCHANGE: ContextVar[Exchange | None] = ContextVar("memory_exchange", default=None)


@dataclass(slots=True)
class Wire:
    """What was seen of a connection: filled by its transport, read when something failed.

    `broken`: what the server did that no server may do, such as flooding us.
    """

    exit_code: int | None = None
    has_exited: bool = False
    too_large: bool = False
    broken: str | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque[str](maxlen=LAST_LINES))


class Allowance:
    """So many at once, refilled at a steady rate."""

    def __init__(self, *, at_once: int, per_second: float) -> None:
        self._most = float(at_once)
        self._per_second = per_second
        self._left = self._most
        self._at = time.monotonic()

    def take(self) -> bool:
        """Whether there was one left."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
