"""One gate per model, for all threads together: who was told to wait makes everybody wait."""

import random
import threading
import time
from collections.abc import Callable
from typing import ClassVar

_MOST_AT_ONCE = 128.0
_LOOK_AGAIN_SECONDS = 0.2
_JITTER = 0.1  # of the pause: threads that were stopped together do not come back together


class Gate:
    """Lets calls through, fewer of them after each refusal and one more after each full round."""

    _shared: ClassVar[dict[tuple[str, str | None], "Gate"]] = {}
    _sharing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._opens = 0.0  # time.monotonic()
        self._at_once = _MOST_AT_ONCE
        self._inside = 0
        self._refused_since: float | None = None  # no call has succeeded after it

    @classmethod
    def of(cls, model: str, base_url: str | None) -> "Gate":
        with cls._sharing:
            return cls._shared.setdefault((model, base_url), cls())

    def enter(self, check: Callable[[], None]) -> float:
        """Wait for a turn and give the seconds that it took. `check` raises when nobody shall wait."""
        began = time.monotonic()
        with self._changed:
            while (pause := self._pause()) > 0:
                self._changed.wait(min(pause, _LOOK_AGAIN_SECONDS))
                check()
            self._inside += 1
        return time.monotonic() - began

    def _pause(self) -> float:
        if self._inside >= self._at_once:
            return _LOOK_AGAIN_SECONDS
        return self._opens - time.monotonic()

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def succeeded(self) -> None:
        with self._changed:
            self._at_once = min(_MOST_AT_ONCE, self._at_once + 1 / self._at_once)
            self._refused_since = None

    def refused(self, retry_after: float) -> None:
        """The server wants `retry_after` seconds of peace; half as many calls at once follow."""
        with self._changed:
            now = time.monotonic()
            self._refused_since = self._refused_since or now
            if now >= self._opens:  # the first of those that were refused together
                self._at_once = max(1.0, min(self._at_once, self._inside) / 2)
            pause = retry_after * (1 + random.uniform(0, _JITTER))  # noqa: S311
            self._opens = max(self._opens, now + pause)

    def seconds_refused(self) -> float:
        """How long nothing but refusals came."""
        with self._changed:
            return time.monotonic() - (self._refused_since or time.monotonic())
