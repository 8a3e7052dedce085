"""Reads requests from stdin, line by line, and answers each in a thread of its own."""

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from pydantic import SecretStr, ValidationError

from engine_host import environment
from engine_host.errors import EngineFailure, Halt, cleaned, kind_of
from engine_host.wire import Pipe, Reply
from mission_control_protocol import (
    TO_ENGINE,
    VERSION,
    Cancel,
    Compile,
    Doctor,
    Evaluate,
    Failed,
    Marketplace,
    Model,
    Optimize,
    Ready,
    Run,
    ToEngine,
)

_MOST_AT_ONCE = 64


class Host:
    """The requests in progress, by their id."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._replies: dict[str, Reply] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="request")

    def receive(self, line: bytes) -> None:
        """Start what one line asks for; a line that cannot be understood is answered, never ignored."""
        try:
            request = TO_ENGINE.validate_json(line)
        except ValidationError as error:
            self._pipe.write(_not_understood(line, error))
            return
        if isinstance(request, Cancel):
            self._cancel(request)
            return
        reply = Reply(self._pipe, request.id, secrets_of(request))
        with self._lock:
            before = self._replies.get(request.id)
            taken = before is not None and before.is_open
            if not taken:
                self._replies[request.id] = reply
        if taken:
            reply.fail("internal", "A request with this id is already running.")
            return
        self._pool.submit(self._answer, request, reply)

    def _cancel(self, request: Cancel) -> None:
        with self._lock:
            reply = self._replies.get(request.target)
        if reply is not None:
            reply.cancelled.set()
            reply.fail("cancelled", "Cancelled. What was paid for is kept.")

    def _answer(self, request: ToEngine, reply: Reply) -> None:
        try:
            environment.load()
            _perform(request, reply)
        except Halt as halt:
            reply.refuse(halt.as_failure())
        except EngineFailure as failure:
            reply.refuse(failure)
        except ImportError as error:
            reply.fail("config", f"SuperOptiX does not load in this environment: {error}")
        except Exception as error:  # noqa: BLE001 - the request must be answered whatever happens
            traceback.print_exc(file=sys.stderr)
            reply.fail(kind_of(error), f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                if self._replies.get(request.id) is reply:
                    del self._replies[request.id]


def _perform(request: ToEngine, reply: Reply) -> None:
    # Imported here because these modules need SuperOptiX and DSPy, which take a second to load.
    from engine_host import compiler, doctor, evaluate, execute, marketplace, optimize  # noqa: PLC0415

    handlers: dict[type, Callable[[Any, Reply], None]] = {
        Doctor: doctor.answer,
        Compile: compiler.answer,
        Marketplace: marketplace.answer,
        Evaluate: evaluate.answer,
        Run: execute.answer,
        Optimize: optimize.answer,
    }
    handlers[type(request)](request, reply)


def secrets_of(request: ToEngine) -> tuple[str, ...]:
    """The keys that travel in this request, so that no error text repeats them."""
    models = [value for _, value in request if isinstance(value, Model)]
    return tuple(
        model.api_key.get_secret_value() for model in models if model.api_key != SecretStr("")
    )


def _not_understood(line: bytes, error: ValidationError) -> Failed:
    problem = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    detail = cleaned(f"The engine does not understand this request: {where}: {problem['msg']}")
    return Failed(id=_id_in(line), kind="internal", detail=detail)


def _id_in(line: bytes) -> str:
    try:
        content = json.loads(line)
    except ValueError:
        return ""
    found = cast("dict[str, Any]", content).get("id") if isinstance(content, dict) else None
    return found if isinstance(found, str) else ""


def _lines(descriptor: int) -> Iterator[bytes]:
    with os.fdopen(descriptor, "rb") as stdin:
        yield from stdin


def serve(descriptor: int) -> None:
    """Speak the protocol until stdin ends, which is how the console says goodbye or vanishes."""
    pipe = Pipe(descriptor)
    pipe.write(Ready(pid=os.getpid(), protocol=VERSION))
    host = Host(pipe)
    threading.Thread(target=environment.load, name="warm-up", daemon=True).start()
    for line in _lines(0):
        if line.strip():
            host.receive(line)
    environment.end(0)
