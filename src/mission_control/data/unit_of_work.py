"""One unit of work = one transaction, and what must happen only after it commits."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from mission_control.core.errors import ConflictError, NotReadyError
from mission_control.core.events import Event
from mission_control.data.agent_contexts import AgentContextRepository
from mission_control.data.agents import AgentRepository
from mission_control.data.call_repository import CallRepository
from mission_control.data.call_totals import CallTotalsRepository
from mission_control.data.close_refetches import CloseRefetchRepository
from mission_control.data.conversations import ConversationRepository
from mission_control.data.deployments import DeploymentRepository
from mission_control.data.drift_checks import DriftCheckRepository
from mission_control.data.evaluations import EvaluationRepository
from mission_control.data.executions import ExecutionRepository
from mission_control.data.jobs import JobRepository
from mission_control.data.known_assistants import KnownAssistantRepository
from mission_control.data.lead_repository import LeadRepository
from mission_control.data.memories import MemoryRepository
from mission_control.data.optimizations import OptimizationRepository
from mission_control.data.outbox import Outbox
from mission_control.data.pending_transcripts import PendingTranscriptRepository
from mission_control.data.search_rebuild import rebuild_search
from mission_control.data.split_readings import SplitReadingRepository
from mission_control.data.sync_states import SyncStateRepository
from mission_control.data.system_logs import SystemLogRepository
from mission_control.data.turn_vectors import TurnVectorRepository

log = structlog.get_logger(__name__)

AfterCommit = Callable[[], Awaitable[None]]


class WrittenMeanwhileError(ConflictError):
    """Somebody else stored the same thing first."""

    code = "written_meanwhile"


class DatabaseUnavailableError(NotReadyError):
    """The database does not answer, or is busy for too long."""

    code = "database_unavailable"


class MigrationsMissingError(DatabaseUnavailableError):
    """The database answers, but it has not the tables and columns of this release."""

    code = "migrations_missing"


# What SQLAlchemy raises when a connection is refused, lost, locked or not to be had in time; and,
# of what it calls programming errors, a table that is not there.
AWAY = (OperationalError, InterfaceError, PoolTimeoutError, ProgrammingError)
_NOT_THERE = ("no such table", "no such column", "has no column named")  # SQLite
_NOT_THERE_STATES = ("42P01", "42703")  # PostgreSQL: undefined table, undefined column


def _away(error: SQLAlchemyError) -> DatabaseUnavailableError:
    original = getattr(error, "orig", error)
    state = getattr(original, "sqlstate", None)
    if state in _NOT_THERE_STATES or any(each in str(original) for each in _NOT_THERE):
        log.error("migrations_missing", reason=str(original))
        return MigrationsMissingError(
            "The database has not the tables of this release: migrations are missing. Nothing was "
            "changed. Run `mission-control migrate`, then try again."
        )
    if isinstance(error, ProgrammingError):
        raise error
    log.error("database_unavailable", reason=str(getattr(error, "orig", error)))
    return DatabaseUnavailableError(
        "The database does not answer at the moment; nothing was changed. Try again shortly."
    )


class UnitOfWork:
    """Opens a session, commits once on a clean exit, rolls back on any error.

    `readonly=True` takes no write lock on SQLite and never commits.
    """

    outbox: Outbox
    agents: AgentRepository
    jobs: JobRepository
    evaluations: EvaluationRepository
    optimizations: OptimizationRepository
    deployments: DeploymentRepository
    executions: ExecutionRepository
    drift_checks: DriftCheckRepository
    known_assistants: KnownAssistantRepository
    calls: CallRepository
    call_totals: CallTotalsRepository
    leads: LeadRepository
    memories: MemoryRepository
    conversations: ConversationRepository
    split_readings: SplitReadingRepository
    turn_vectors: TurnVectorRepository
    sync_states: SyncStateRepository
    pending_transcripts: PendingTranscriptRepository
    close_refetches: CloseRefetchRepository
    system_logs: SystemLogRepository
    agent_contexts: AgentContextRepository

    def __init__(
        self,
        sessions: "async_sessionmaker[AsyncSession]",
        *,
        wake_relay: AfterCommit | None = None,
        readonly: bool = False,
    ) -> None:
        self._sessions = sessions
        self._wake_relay = wake_relay
        self._readonly = readonly

    async def __aenter__(self) -> Self:
        self._session = self._sessions()
        if self._readonly:
            await self._begin_reading()
        self._events: list[Event] = []
        self._after_commit: list[AfterCommit] = []
        self.outbox = Outbox(self._session)
        self.agents = AgentRepository(self._session)
        self.jobs = JobRepository(self._session)
        self.evaluations = EvaluationRepository(self._session)
        self.optimizations = OptimizationRepository(self._session)
        self.deployments = DeploymentRepository(self._session)
        self.executions = ExecutionRepository(self._session)
        self.drift_checks = DriftCheckRepository(self._session)
        self.known_assistants = KnownAssistantRepository(self._session)
        self.call_totals = CallTotalsRepository(self._session)
        self.calls = CallRepository(self._session, self.call_totals)
        self.leads = LeadRepository(self._session)
        self.memories = MemoryRepository(self._session)
        self.conversations = ConversationRepository(self._session)
        self.split_readings = SplitReadingRepository(self._session)
        self.turn_vectors = TurnVectorRepository(self._session)
        self.sync_states = SyncStateRepository(self._session)
        self.pending_transcripts = PendingTranscriptRepository(self._session)
        self.close_refetches = CloseRefetchRepository(self._session)
        self.system_logs = SystemLogRepository(self._session)
        self.agent_contexts = AgentContextRepository(self._session)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is not None:
                await self._session.rollback()
            elif not self._readonly:  # a rollback would also forget what was read
                await self._commit()
        except AWAY as lost:
            raise _away(lost) from lost
        finally:
            await self._session.close()
        if isinstance(exc, AWAY):
            raise _away(exc) from exc
        if exc_type is None:
            await self._run_after_commit()

    async def _begin_reading(self) -> None:
        try:
            await self._session.connection(execution_options={"readonly": True})
        except AWAY as lost:
            await self._session.close()
            raise _away(lost) from lost

    async def flush(self) -> None:
        try:
            await self._session.flush()
        except IntegrityError as exc:
            raise WrittenMeanwhileError(
                "Somebody else stored the same thing first; nothing was changed."
            ) from exc

    async def rebuild_searches(self) -> None:
        """Make anew what calls, leads, turns and memories are found by."""
        connection = await self._session.connection()
        await connection.run_sync(rebuild_search)

    def publish(self, event: Event) -> None:
        """Store an event with this transaction: once, and only if all of it is stored."""
        self._events.append(event)

    def after_commit(self, hook: AfterCommit) -> None:
        """Run `hook` once the transaction is safely stored, never if it rolls back."""
        self._after_commit.append(hook)

    async def _commit(self) -> None:
        await self.flush()
        await self.call_totals.write_changes()
        if self._events:
            await self.outbox.add(self._events)
        await self._session.commit()

    async def _run_after_commit(self) -> None:
        hooks = [*self._after_commit]
        if self._events and self._wake_relay is not None:
            hooks.insert(0, self._wake_relay)
        for hook in hooks:
            try:
                await hook()
            except Exception:
                # The work is stored, and so are its events: the sweeper starts what this hook would
                # have started, and the relay looks into the outbox by itself.
                log.exception("after_commit_failed")
