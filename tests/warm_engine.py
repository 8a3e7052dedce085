"""One warm engine for all the tests of a session, whichever event loop each of them runs in."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from mission_control.integrations.superoptix.failures import UNCHANGED
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix.process import EngineProcess
from mission_control.integrations.superoptix_client import SuperOptiXClient
from mission_control_protocol import FromEngine, ToEngine

STOP_SECONDS = 10
ResultT = TypeVar("ResultT")


class WarmEngine:
    """A real engine on an event loop and a thread of its own. One that died is replaced."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._engine: EngineProcess | None = None
        self._thread.start()

    def lend(self) -> "BorrowedEngine":
        if self._engine is None or not self._engine.is_usable():
            self._engine = self._do(self._new())
        return BorrowedEngine(self._engine, self.loop)

    @property
    def pid(self) -> int | None:
        return self._engine.pid if self._engine else None

    def end(self) -> None:
        if self._engine is not None:
            self._do(self._engine.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(STOP_SECONDS)
        self.loop.close()

    async def _new(self) -> EngineProcess:
        return EngineProcess(EngineLocation(), purpose="work")

    def _do(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(STOP_SECONDS)


class BorrowedEngine:
    """What `SuperOptiXClient` asks of an engine, asked from another event loop than the engine's."""

    def __init__(self, engine: EngineProcess, loop: asyncio.AbstractEventLoop) -> None:
        self._engine = engine
        self._loop = loop

    async def start(self) -> None:
        await self._there(self._engine.start())

    async def close(self) -> None:
        await self._there(self._engine.close())

    async def request(
        self, message: ToEngine, *, kept: object = UNCHANGED
    ) -> AsyncGenerator[FromEngine]:
        here, answers = asyncio.get_running_loop(), asyncio.Queue[FromEngine | Exception | None]()

        def tell(answer: FromEngine | Exception | None) -> None:
            if not here.is_closed():  # by then nobody listens
                here.call_soon_threadsafe(answers.put_nowait, answer)

        async def ask() -> None:
            try:
                async with aclosing(self._engine.request(message, kept=kept)) as found:
                    async for answer in found:
                        tell(answer)
            except Exception as exc:  # noqa: BLE001  # raised again where it was asked
                tell(exc)
            tell(None)

        asking = asyncio.run_coroutine_threadsafe(ask(), self._loop)
        try:
            while (answer := await answers.get()) is not None:
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            asking.cancel()  # which cancels the request, when it was left early

    async def _there(self, work: Coroutine[Any, Any, None]) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))


class SharingClient(SuperOptiXClient):
    """The product's own client in everything but this: its warm engine is not its own to end."""

    def __init__(self, warm: WarmEngine) -> None:
        super().__init__(EngineLocation())
        self._shared = warm

    @property
    def engine_pid(self) -> int | None:
        return self._shared.pid

    async def aclose(self) -> None:
        pass

    def _warm_engine(self) -> Any:
        return self._shared.lend()
