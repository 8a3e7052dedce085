"""One line per message on the pipe, and the reply of one request: open until it is answered."""

import os
import threading
from collections.abc import Callable

from pydantic import BaseModel

from engine_host import environment
from engine_host.errors import EngineFailure, cleaned
from mission_control_protocol import ErrorKind, Failed, Log, Usage


class Pipe:
    """The console's end of this process's output. Lines of several threads never mix."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def write(self, message: BaseModel) -> None:
        line = memoryview(message.model_dump_json().encode() + b"\n")
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:  # the console is gone
                environment.end(0)


class Reply:
    """What one request sends back: any number of events, then exactly one answer."""

    def __init__(self, pipe: Pipe, request_id: str, secrets: tuple[str, ...] = ()) -> None:
        self.id = request_id
        self.secrets = secrets
        self.cancelled = threading.Event()
        self.usage: Callable[[], Usage] = Usage
        self._pipe = pipe
        self._lock = threading.Lock()
        self.is_open = True

    def send(self, event: BaseModel) -> None:
        with self._lock:
            if self.is_open:
                self._pipe.write(event)

    def finish(self, answer: BaseModel) -> None:
        with self._lock:
            if self.is_open:
                self.is_open = False
                self._pipe.write(answer)

    def fail(self, kind: ErrorKind, detail: object) -> None:
        text = cleaned(detail, self.secrets)
        self.finish(Failed(id=self.id, kind=kind, detail=text, usage=self.usage()))

    def refuse(self, failure: EngineFailure) -> None:
        self.fail(failure.kind, failure.detail)

    def log(self, text: str, *, warning: bool = False) -> None:
        self.send(
            Log(
                id=self.id,
                level="warning" if warning else "info",
                text=cleaned(text, self.secrets),
            )
        )
