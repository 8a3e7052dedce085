"""Counts what the calls of one request cost, and refuses the next one when it must not be made."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from engine_host.errors import EngineFailure, Halt, cleaned, kind_of
from engine_host.journal import Call, Journal, added
from mission_control_protocol import ErrorKind, Usage

_MARGIN = 1.25  # the next call may be dearer than any before
_FAILURES_WITHOUT_SUCCESS = 6
_REFLECTIONS_IN_A_ROW = 3
_TOO_MANY = 0.2
_ENOUGH_CALLS = 10
_ENOUGH_FAILURES = 3

UNKNOWN_COST = (
    "The model's server does not say how many tokens a call used, so a limit in USD cannot be kept. "
    "Limit the run by calls or minutes."
)

USED: ContextVar["Bucket | None"] = ContextVar("USED", default=None)


@dataclass
class Bucket:
    """What one scenario used; set in `USED` for the thread that runs it."""

    usage: Usage = field(default_factory=lambda: Usage(cost_usd=0.0))
    waited_seconds: float = 0.0  # for a server that said when to come back
    is_cut: bool = False  # the agent's last answer
    thinking: list[str] = field(default_factory=list[str])


@dataclass
class Limits:
    """What may stop a request: the console's cancel, money, the clock. `reserve_calls` are held back."""

    cancelled: Callable[[], bool]
    usd: float | None = None
    reserve_calls: int = 0
    deadline: float | None = None  # time.monotonic()
    patience: float = 600.0  # seconds without any success that a rate limit may last
    strict: bool = False  # a search: failed calls would become scores of zero, so they end it


class Meter:
    """The calls of one request: numbered per key, reserved before and booked after."""

    def __init__(self, journal: Journal, limits: Limits) -> None:
        self.journal = journal
        self.limits = limits
        self._changed = threading.Condition()
        self._numbers: Counter[str] = Counter()
        self._in_flight: dict[str, list[float]] = {}
        self._succeeded = 0
        self._failures: list[ErrorKind] = []
        self._reflections_failed = 0
        self._closed = False
        self.last_failure = ""
        self.cut_replies = 0
        self.failed_task_calls = 0

    # ------------------------------------------------------------------ before a call

    def recall(self, key: str, *, repeatable: bool) -> tuple[int, Call | None]:
        """The number of this call among those with its key, and its answer if it was paid before.

        A search asks the same question again and again; at temperature zero (`repeatable`) it pays
        for the first time only. An evaluation pays for each of its repetitions.
        """
        self.check()
        first = self.journal.find(key, 1) if repeatable and self.limits.strict else None
        if first is not None:
            self._use(first)
            return 1, first
        with self._changed:
            self._numbers[key] += 1
            number = self._numbers[key]
        call = self.journal.find(key, number)
        if call is not None:
            self._use(call)
        return number, call

    def check(self) -> None:
        """Raise `Halt` when this request must make no further call."""
        if self._closed:
            raise Halt("closed")
        if self.limits.cancelled():
            raise Halt("cancelled", "Cancelled. What was paid for is kept.")
        if self.limits.deadline is not None and time.monotonic() > self.limits.deadline:
            raise Halt("budget_minutes")

    def sleep(self, seconds: float) -> None:
        """Wait before another try; ends early, with `Halt`, when the request must end."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.2))

    @contextmanager
    def flight(self, role: str, characters: int) -> Generator[None]:
        """Hold money back for one call while it is under way."""
        reserved = self._reserve(role, characters)
        try:
            yield
        finally:
            with self._changed:
                self._in_flight[role].remove(reserved)
                self._changed.notify_all()

    def _reserve(self, role: str, characters: int) -> float:
        with self._changed:
            while not self._may_start(role, characters):
                if not any(self._in_flight.values()):
                    raise Halt("budget_usd")
                self._changed.wait(0.2)
                self.check()
            expected = self._expected(role, characters)
            self._in_flight.setdefault(role, []).append(expected)
            return expected

    def _may_start(self, role: str, characters: int) -> bool:
        if self.limits.usd is None:
            return True
        if self.journal.total().cost_usd is None:
            raise Halt("config", UNKNOWN_COST)
        if self.journal.dearest(role) is None and self._in_flight.get(role):
            return False  # what a call of this role costs is not known yet: one until it is
        pending = sum(sum(calls) for calls in self._in_flight.values())
        return self.spent() + pending + self._expected(role, characters) <= self.available()

    def _expected(self, role: str, characters: int) -> float:
        usd, longest = self.journal.dearest(role) or (0.0, 1)
        return usd * _MARGIN * max(1.0, characters / longest)

    def available(self) -> float:
        """USD that may be spent in all, after what is held back for later."""
        usd, _ = self.journal.dearest("task") or (0.0, 1)
        return (self.limits.usd or 0.0) - self.limits.reserve_calls * usd

    def spent(self) -> float:
        return self.journal.total().cost_usd or 0.0

    def close(self) -> None:
        """Make no further call, and wait for those under way, which are paid whatever happens."""
        self._closed = True
        with self._changed:
            while any(self._in_flight.values()) and not self.limits.cancelled():
                self._changed.wait(0.2)

    # ------------------------------------------------------------------ after a call

    def paid(self, call: Call) -> None:
        """Book a finished call. It is in the journal before anybody sees its answer."""
        self.journal.add(call)
        with self._changed:
            self._succeeded += 1
            self.cut_replies += call.role == "task" and call.ending == "cut"
            if call.role == "reflection":
                self._reflections_failed = 0
            self._changed.notify_all()
        self._use(call)

    def failed(self, role: str, error: Exception) -> None:
        """Count a call that failed for good; in a search, raise `Halt` when there were too many."""
        kind = kind_of(error)
        with self._changed:
            self._failures.append(kind)
            self.last_failure = cleaned(error)
            self._reflections_failed += role == "reflection"
            self.failed_task_calls += role == "task"
        if self.limits.strict:
            self._halt_if_hopeless(kind)

    def unusable(self, role: str, failure: EngineFailure) -> None:
        """Count an answer that was paid, and cannot be used."""
        with self._changed:
            self.failed_task_calls += role == "task"
            self.last_failure = failure.detail

    def _halt_if_hopeless(self, kind: ErrorKind) -> None:
        failures, calls = len(self._failures), len(self._failures) + self._succeeded
        if self._reflections_failed >= _REFLECTIONS_IN_A_ROW:
            detail = f"The reflection model failed three times in a row: {self.last_failure}"
            raise Halt("reflection", detail)
        if not self._succeeded and failures >= _FAILURES_WITHOUT_SUCCESS:
            raise Halt(kind, f"No model call succeeded: {self.last_failure}")
        enough = calls >= _ENOUGH_CALLS or failures >= _ENOUGH_FAILURES
        if self._succeeded and enough and failures > _TOO_MANY * calls:
            detail = f"{failures} of {calls} model calls failed, so scores would be noise: {self.last_failure}"
            raise Halt("unreliable", detail)

    def total(self) -> Usage:
        return self.journal.total()

    @staticmethod
    def _use(call: Call) -> None:
        bucket = USED.get()
        if bucket is None:
            return
        bucket.usage = added(bucket.usage, call.usage())
        if call.role == "task":
            bucket.is_cut = call.ending == "cut"
            bucket.thinking += [call.thinking] if call.thinking else []
