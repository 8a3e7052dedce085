"""One memory server: a task that owns its connection, and calls that never wait longer than they may."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

import structlog
from pydantic import JsonValue

from mission_control.core.clock import utc_now
from mission_control.core.tasks import end
from mission_control.integrations.errors import IntegrationError
from mission_control.integrations.memory.config.configuration import ServerConfiguration
from mission_control.integrations.memory.connection.connection import Connection
from mission_control.integrations.memory.connection.envelopes import ToolAnswer
from mission_control.integrations.memory.connection.refusals import refusal, too_slow
from mission_control.integrations.memory.connection.trouble import Diagnosis, Trouble, TroubledError
from mission_control.integrations.memory.items import ServerState, Status

if TYPE_CHECKING:
    from mcp.server import MCPServer

    from mission_control.integrations.memory.connection.session import Session

log = structlog.get_logger(__name__)
T = TypeVar("T")

CLOSE_SECONDS = 4.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
MOST_TIMEOUTS_IN_A_ROW = 2
NOT_OURS = "is not part of this process"
NOT_ASKED_YET = "nothing was asked of it yet"

_MAY_BE_REPEATED = frozenset({Trouble.LOST, Trouble.NOT_DONE})
_STATUS_OF: Mapping[Trouble, Status] = {
    Trouble.UNAUTHORISED: "unauthorised",
    Trouble.NON_CONFORMING: "non-conforming",
    Trouble.REJECTED: "non-conforming",
    Trouble.FAILED: "non-conforming",
}


class MemoryServer:
    """Belongs to the event loop that first uses it. Connects when it is first needed.

    A read is asked again once when the connection broke; a write never.
    """

    def __init__(
        self,
        configuration: ServerConfiguration,
        *,
        embedded: "MCPServer | Callable[[], MCPServer] | None" = None,
    ) -> None:
        self.configuration = configuration
        self._embedded = embedded
        self._connection: Connection | None = None
        self._owners: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(configuration.concurrency)
        self._failures = 0
        self._timeouts = 0
        self._not_before = 0.0
        self._is_closed = False
        self._state = ServerState(
            name=configuration.name,
            role=configuration.role,
            transport=configuration.transport,
            status="connecting",
            reason=NOT_ASKED_YET,
            since=utc_now(),
            tools=(),
            protocol=None,
        )

    @property
    def name(self) -> str:
        return self.configuration.name

    @property
    def state(self) -> ServerState:
        return self._state

    # ---------------------------------------------------------------- asking

    async def schemas(
        self, *, within: float, fresh: bool = False
    ) -> Mapping[str, dict[str, JsonValue]]:
        """The input schema of every tool. `fresh`: try even if it failed a moment ago."""
        try:
            async with asyncio.timeout(within):
                return (await self._connected(fresh=fresh))[1].schemas
        except TroubledError as exc:
            raise refusal(self.name, exc, changes=False) from exc
        except TimeoutError as exc:
            raise self._too_slow(within, sent=False) from exc

    async def read(
        self, tool: str, arguments: Mapping[str, JsonValue], *, within: float
    ) -> ToolAnswer:
        """Call a tool that changes nothing. `within`: seconds for all of it, connecting included.

        Raises:
            IntegrationError: Named after what went wrong, as for every other vendor.
        """
        return await self._call(tool, arguments, within=within, changes=False)

    async def write(
        self, tool: str, arguments: Mapping[str, JsonValue], *, within: float
    ) -> ToolAnswer:
        """Call a tool that changes something: sent once, never repeated.

        Raises:
            IntegrationAmbiguousError: No answer came; it may or may not have been made.
            IntegrationError: Nothing was changed.
        """
        return await self._call(tool, arguments, within=within, changes=True)

    async def look(self, *, within: float) -> ServerState:
        """Whether it answers now. Raises no error: the state says it."""
        try:
            async with asyncio.timeout(within):
                await self._look()
        except TimeoutError:
            self._become("unreachable", f"did not answer within {within:g} s")
        except TroubledError:
            pass  # noted where it happened
        return self._state

    async def _look(self) -> None:
        for last in (False, True):
            connection, session = await self._connected(fresh=True)
            try:
                await connection.answer(session.look())
            except TroubledError as exc:
                self._note_trouble(connection, exc.diagnosis)
                if last or exc.diagnosis.trouble not in _MAY_BE_REPEATED:
                    raise
            else:
                self._note_answer(connection)
                return

    async def _call(
        self, tool: str, arguments: Mapping[str, JsonValue], *, within: float, changes: bool
    ) -> ToolAnswer:
        progress = _Progress(attempts_left=1 if changes else 2)
        try:
            async with asyncio.timeout(within), self._turns:
                while True:
                    answer = await self._attempt(tool, arguments, progress)
                    if answer is not None:
                        return answer
        except TroubledError as exc:
            raise refusal(self.name, exc, changes=changes) from exc
        except TimeoutError as exc:
            self._note_timeout(progress)
            raise self._too_slow(within, sent=progress.is_sent and changes) from exc

    async def _attempt(
        self, tool: str, arguments: Mapping[str, JsonValue], progress: "_Progress"
    ) -> ToolAnswer | None:
        """The answer, or None when it is worth another attempt."""
        progress.is_sent = False
        connection, session = await self._connected()
        progress.connection, progress.is_sent = connection, True
        progress.attempts_left -= 1
        try:
            answer = await connection.answer(session.call(tool, arguments))
        except TroubledError as exc:
            self._note_trouble(connection, exc.diagnosis)
            if progress.attempts_left == 0 or exc.diagnosis.trouble not in _MAY_BE_REPEATED:
                raise
            return None
        self._timeouts = 0
        self._note_answer(connection)
        return answer

    # ---------------------------------------------------------------- connecting

    def connect(self) -> None:
        """Begin to connect, without waiting for it."""
        if not self._is_closed and (self._connection is None or not self._connection.is_usable):
            self._begin()

    async def _connected(self, *, fresh: bool = False) -> "tuple[Connection, Session]":
        connection = self._connection
        if self._is_closed:
            raise TroubledError(Diagnosis(Trouble.UNREACHABLE, "was closed"))
        if connection is None or not connection.is_usable:
            if not fresh and connection is not None and self._is_pausing:
                assert connection.failure is not None
                raise TroubledError(connection.failure)
            connection = self._begin()
        await connection.settled.wait()
        if connection.session is None:
            assert connection.failure is not None
            raise TroubledError(connection.failure)
        return connection, connection.session

    @property
    def _is_pausing(self) -> bool:
        """It failed a moment ago, and would only fail again."""
        return self._failures > 0 and asyncio.get_running_loop().time() < self._not_before

    def _begin(self) -> Connection:
        connection = self._connection = Connection()
        self._become("connecting", None)
        if self.configuration.transport == "embedded" and self._embedded is None:
            self._fail(connection, Diagnosis(Trouble.UNREACHABLE, NOT_OURS))
            return connection
        connection.owner = asyncio.create_task(self._own(connection), name=f"memory-{self.name}")
        self._owners.add(connection.owner)
        connection.owner.add_done_callback(self._owners.discard)
        return connection

    async def _own(self, connection: Connection) -> None:
        """The only task that enters and leaves the connection: MCP's scopes must not change hands."""
        seconds = self.configuration.connect_timeout_seconds
        limit = asyncio.get_running_loop().call_later(seconds, self._give_up, connection)
        try:
            session = await asyncio.to_thread(_load_session)
            await session.hold(
                self.configuration,
                await self._embedded_server(),
                connection.wire,
                on_connected=partial(self._settle, connection, limit),
                leave=connection.leave,
            )
        except TroubledError as exc:
            self._fail(connection, exc.diagnosis)
        finally:
            limit.cancel()
            self._fail(connection, Diagnosis(Trouble.LOST, "was disconnected"))
            connection.leave.set()

    async def _embedded_server(self) -> "MCPServer | None":
        if callable(self._embedded):
            self._embedded = await asyncio.to_thread(self._embedded)
        return self._embedded

    def _settle(
        self, connection: Connection, limit: asyncio.TimerHandle, session: "Session"
    ) -> None:
        limit.cancel()
        if connection.failure is not None:  # given up a moment ago
            return
        connection.session = session
        connection.settled.set()
        self._failures = 0
        self._become("connected", None)
        self._state = replace(self._state, tools=tuple(session.schemas), protocol=session.protocol)

    def _give_up(self, connection: Connection) -> None:
        seconds = self.configuration.connect_timeout_seconds
        late = Diagnosis(Trouble.UNREACHABLE, f"did not answer within {seconds:g} s of connecting")
        self._fail(connection, late)
        assert connection.owner is not None
        connection.owner.cancel()

    def _fail(self, connection: Connection, diagnosis: Diagnosis) -> None:
        """Only the first cause counts."""
        if connection.failure is not None:
            return
        connection.failure = diagnosis
        connection.settled.set()
        if connection is not self._connection or self._is_closed:
            return
        if connection.session is None:
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**self._failures)
            self._not_before = asyncio.get_running_loop().time() + pause
            self._failures = min(self._failures + 1, 10)
        self._become(_STATUS_OF.get(diagnosis.trouble, "unreachable"), diagnosis.reason)

    def _become(self, status: Status, reason: str | None) -> None:
        before = self._state
        since = before.since if before.status == status else utc_now()
        self._state = replace(before, status=status, reason=reason, since=since)
        if before.status != status:
            log.info("memory_server_state_changed", server=self.name, status=status, reason=reason)

    # ---------------------------------------------------------------- after a failure

    def _note_answer(self, connection: Connection) -> None:
        """It may have been too slow for whoever looked before, and taken for unreachable."""
        is_ours = connection is self._connection and connection.is_usable
        if is_ours and self._state.status != "connected":
            self._become("connected", None)

    def _note_trouble(self, connection: Connection, diagnosis: Diagnosis) -> None:
        """A failed call may say that the connection is worth nothing any more."""
        # Not its reason: servers quote what they were asked, and that may be personal.
        log.warning("memory_call_failed", server=self.name, trouble=diagnosis.trouble)
        ends_it = diagnosis.trouble in {*_MAY_BE_REPEATED, Trouble.UNAUTHORISED}
        if ends_it or connection.wire.broken is not None:
            self._fail(connection, diagnosis)
            self._leave(connection)

    def _note_timeout(self, progress: "_Progress") -> None:
        """A server that never answers may be stuck for good; a new connection is worth a try."""
        self._timeouts += progress.is_sent
        if progress.connection is not None and self._timeouts >= MOST_TIMEOUTS_IN_A_ROW:
            self._timeouts = 0
            late = Diagnosis(Trouble.UNREACHABLE, "has not answered several times in a row")
            self._fail(progress.connection, late)
            self._leave(progress.connection)

    def _leave(self, connection: Connection) -> None:
        connection.leave.set()
        owner = connection.owner
        if owner is not None:
            asyncio.get_running_loop().call_later(CLOSE_SECONDS, owner.cancel)

    def _too_slow(self, seconds: float, *, sent: bool) -> IntegrationError:
        waited = self._state.status == "connecting"
        return too_slow(self.name, seconds, connecting=waited, sent=sent)

    # ---------------------------------------------------------------- closing

    async def aclose(self) -> None:
        """Leave the server, and end its process and whatever that started."""
        self._is_closed = True
        owners = list(self._owners)
        if self._connection is not None:
            self._connection.leave.set()
        if owners:
            await asyncio.wait(owners, timeout=CLOSE_SECONDS)
        await end(*owners)


@dataclass(slots=True)
class _Progress:
    attempts_left: int
    is_sent: bool = False
    connection: Connection | None = None


def _load_session() -> ModuleType:
    """The MCP SDK, which takes 0.8 s to load: by whoever connects, and not in the event loop."""
    return import_module("mission_control.integrations.memory.connection.session")
