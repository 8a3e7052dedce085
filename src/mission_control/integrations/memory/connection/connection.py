"""One attempt to be connected to a memory server, and what came of it."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from mission_control.integrations.memory.connection.trouble import (
    Diagnosis,
    Trouble,
    TroubledError,
)
from mission_control.integrations.memory.connection.wire import Wire

if TYPE_CHECKING:
    from mission_control.integrations.memory.connection.session import Session

T = TypeVar("T")
LAST_ERROR_SECONDS = 0.2


@dataclass(slots=True, eq=False)
class Connection:
    """Its owner, a task, alone enters and leaves it."""

    wire: Wire = field(default_factory=Wire)
    settled: asyncio.Event = field(default_factory=asyncio.Event)  # connected, or it failed
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    session: "Session | None" = None
    failure: Diagnosis | None = None
    owner: "asyncio.Task[None] | None" = None

    @property
    def is_usable(self) -> bool:
        return self.failure is None and not self.leave.is_set()

    async def answer(self, question: Coroutine[Any, Any, T]) -> T:
        """In a task of its own: what ends the connection must not end whoever asks."""
        assert self.owner is not None
        call = asyncio.create_task(question)
        call.add_done_callback(_forget)
        try:
            await asyncio.wait({call, self.owner}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({call}, timeout=LAST_ERROR_SECONDS)  # its own error says more
            if call.done() and not call.cancelled():
                return call.result()
        finally:
            call.cancel()
        lost = self.failure or Diagnosis(Trouble.LOST, "ended the connection")
        raise TroubledError(lost, sent=True)


def _forget(call: "asyncio.Task[Any]") -> None:
    """Nobody may be left to look at how it ended."""
    if not call.cancelled():
        call.exception()
