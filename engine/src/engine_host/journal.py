"""The model calls that were paid for: written before they are used, answered from here ever after."""

import contextlib
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, cast
from weakref import WeakValueDictionary, finalize

from pydantic import BaseModel, ConfigDict, ValidationError

from engine_host.answers import Ending
from engine_host.errors import EngineFailure, Halt
from mission_control_protocol import Usage

Number = TypeVar("Number", int, float)


class Call(BaseModel):
    """One finished model call. `number` counts calls with the same `key`, from 1."""

    model_config = ConfigDict(frozen=True)

    key: str
    number: int
    role: str
    characters: int  # of the prompt
    outputs: list[Any]
    input_tokens: int | None  # None: the server did not say
    output_tokens: int | None
    cost_usd: float | None  # None: unpriced
    ending: Ending = "whole"
    thinking: str | None = None

    def usage(self) -> Usage:
        return Usage(
            calls=1,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cost_usd=self.cost_usd,
        )


def added(first: Usage, second: Usage) -> Usage:
    """The sum; what one part with calls in it does not know, the sum does not know."""
    parts = [usage for usage in (first, second) if usage.calls]
    return Usage(
        calls=first.calls + second.calls,
        input_tokens=_sum([part.input_tokens for part in parts]),
        output_tokens=_sum([part.output_tokens for part in parts]),
        cost_usd=_sum([part.cost_usd for part in parts]),
    )


def _sum(values: Sequence[Number | None]) -> Number | None:
    known = [value for value in values if value is not None]
    return cast("Number", sum(known)) if len(known) == len(values) else None


class Journal:
    """The calls of one directory, shared by every request of this process that names it."""

    _shared: ClassVar[WeakValueDictionary[Path, "Journal"]] = WeakValueDictionary()
    _sharing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, directory: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, int], Call] = {}
        self._total = Usage(cost_usd=0.0)
        self._dearest: dict[str, tuple[float, int]] = {}
        self._file: int | None = None
        self._size = 0
        if directory is not None:
            self._file = self._open(directory / "calls.jsonl")

    @classmethod
    def at(cls, directory: str | None) -> "Journal":
        """The journal of `directory`, or one that lives in memory only."""
        if directory is None:
            return cls()
        path = private(directory)
        with cls._sharing:
            found = cls._shared.get(path)
            if found is None or not found.is_current(path):
                found = cls._shared[path] = cls(path)
            return found

    def is_current(self, directory: Path) -> bool:
        """Whether it knows all that is in the file, which another process may have added to."""
        if self._file is None:
            return True
        ours = os.fstat(self._file)
        with contextlib.suppress(FileNotFoundError):
            found = (directory / "calls.jsonl").stat()
            return found.st_ino == ours.st_ino and found.st_size == self._size
        return False

    def _open(self, path: Path) -> int:
        content = path.read_bytes() if path.exists() else b""
        for line in content.splitlines():
            # A line torn by a kill holds a call that was not used yet.
            with contextlib.suppress(ValidationError):
                self._remember(Call.model_validate_json(line))
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if content and not content.endswith(b"\n"):
            os.write(file, b"\n")
        self._size = os.fstat(file).st_size
        finalize(self, os.close, file)
        return file

    def find(self, key: str, number: int) -> Call | None:
        with self._lock:
            return self._calls.get((key, number))

    def add(self, call: Call) -> None:
        line = call.model_dump_json().encode() + b"\n"
        with self._lock:
            if self._file is not None:
                self._write(self._file, line)
            self._remember(call)

    def _write(self, file: int, line: bytes) -> None:
        try:
            self._size += os.write(file, line)
        except OSError as error:
            raise Halt("internal", f"The journal cannot be written: {error.strerror}.") from error

    def _remember(self, call: Call) -> None:
        self._calls.setdefault((call.key, call.number), call)
        self._total = added(self._total, call.usage())
        if call.cost_usd is not None:
            usd, longest = self._dearest.get(call.role, (0.0, 1))
            self._dearest[call.role] = (max(usd, call.cost_usd), max(longest, call.characters))

    def dearest(self, role: str) -> tuple[float, int] | None:
        """USD of the dearest call of this role and characters of the longest; None before the first."""
        with self._lock:
            return self._dearest.get(role)

    def total(self) -> Usage:
        """Everything paid into this journal, each call once."""
        with self._lock:
            total = self._total
        # Sums of floats differ in their last digits with the order of the calls.
        cost = None if total.cost_usd is None else round(total.cost_usd, 9)
        return total.model_copy(update={"cost_usd": cost})


def private(directory: str) -> Path:
    """The directory, created for this user alone."""
    path = Path(directory)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
    except OSError as error:
        raise EngineFailure(
            "config", f"The directory for this job cannot be used: {error.strerror}."
        ) from error
    return path.resolve()


def json_text(value: object) -> str:
    """Canonical JSON: what is equal has one text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
