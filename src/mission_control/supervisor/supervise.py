"""`mission-control up`: starts every part in order, keeps it alive, and stops it in order."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import groupby
from os import getpid
from pathlib import Path
from urllib.parse import urlsplit

from mission_control.core.child_processes import signal_group
from mission_control.core.clock import utc_now
from mission_control.core.encryption import Vault
from mission_control.core.errors import MissionControlError
from mission_control.core.part_states import PartState, SupervisorState, last_state, write_state
from mission_control.core.settings import Settings
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.location import EngineLocation
from mission_control.integrations.superoptix_client import open_superoptix
from mission_control.supervisor.embedded_redis import prepare_socket_directory
from mission_control.supervisor.errors import PortTakenError, RedisUnreachableError
from mission_control.supervisor.keeper import Keeper, Patience
from mission_control.supervisor.lock import sole_supervisor
from mission_control.supervisor.parts import Part, parts_for, port_is_free, with_free_redis_port
from mission_control.supervisor.processes import runs
from mission_control.supervisor.readiness import redis_answers
from mission_control.supervisor.terminal import Terminal

REFUSED = 2  # exit code: nothing was started
FAILED = 1  # exit code: something essential did not come up
SLOW_START_SECONDS = 60.0
LEFTOVERS_SECONDS = 4.0

Callback = Callable[[], Awaitable[None]]


async def run(settings: Settings, *, on_ready: Callback | None = None) -> int:
    """Run every part until Ctrl-C or SIGTERM; a second one kills at once.

    Args:
        settings: Handed on to the parts through their environment.
        on_ready: Awaited once, when every part is ready (or a minute has passed). When it raises
            a MissionControlError, that is said and the parts keep running.

    Returns:
        The exit code: 0 stopped as asked, 1 an essential part does not come up, 2 refused before
        anything was started.
    """
    terminal = Terminal()
    try:
        settings = with_free_redis_port(settings)
        with sole_supervisor(settings.data_dir):
            # A key that is none would end API and worker, each with a traceback.
            Vault.open(settings)
            for sentence in settings.unused:
                terminal.headline(sentence, "yellow")
            _say_what_the_engine_lacks(settings, terminal)
            parts = parts_for(settings)
            if settings.redis_is_embedded:
                prepare_socket_directory(settings)
            await end_leftovers(settings.data_dir, terminal)
            refuse_taken_ports(parts)
            await _refuse_unreachable_redis(settings)
            await _refuse_unusable_engine(settings)
            supervisor = Supervisor(parts, data_dir=settings.data_dir, terminal=terminal)
            return await supervisor.run(lambda: _welcome(settings, supervisor, terminal, on_ready))
    except MissionControlError as refusal:
        terminal.headline(refusal.message, "bold red")
        return REFUSED


class Supervisor:
    """The parts of one data directory. Use once."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        data_dir: Path,
        terminal: Terminal,
        patience: Patience | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._terminal = terminal
        self._started_at = utc_now()
        self._stop_wanted = asyncio.Event()
        self._failure: BaseException | None = None
        self._keepers = {
            part.name: Keeper(
                part,
                terminal=terminal,
                logs=data_dir / "logs",
                patience=patience or Patience(),
                changed=self._write_state,
            )
            for part in parts
        }

    def not_ready(self) -> list[str]:
        return [name for name, keeper in self._keepers.items() if not keeper.ready.is_set()]

    async def run(self, on_ready: Callback) -> int:
        with self._signals():
            async with self._tasks(on_ready) as announcing:
                await self._stop_wanted.wait()
                announcing.cancel()  # first: what it does needs the parts
                await self._stop()
        return self._verdict()

    # ---------------------------------------------------------------- starting

    @asynccontextmanager
    async def _tasks(self, on_ready: Callback) -> AsyncGenerator[asyncio.Task[None]]:
        keeping = {
            keeper: asyncio.create_task(keeper.keep([self._keepers[n] for n in keeper.part.after]))
            for keeper in self._keepers.values()
        }
        announcing = asyncio.create_task(self._announce(on_ready))
        for task in (*keeping.values(), announcing):
            task.add_done_callback(self._notice_failure)
        try:
            yield announcing
        finally:
            announcing.cancel()
            for keeper, task in keeping.items():
                if keeper.state.started_at is None:  # waits for parts that will not come any more
                    task.cancel()
            await asyncio.wait(keeping.values(), timeout=2)
            for task in keeping.values():
                task.cancel()
            await asyncio.gather(*keeping.values(), announcing, return_exceptions=True)
            self._write_state()

    async def _announce(self, on_ready: Callback) -> None:
        try:
            async with asyncio.timeout(SLOW_START_SECONDS):
                for keeper in self._keepers.values():
                    await keeper.ready.wait()
            seconds = (utc_now() - self._started_at).total_seconds()
            self._terminal.headline(f"Everything is ready in {seconds:.1f} s.")
        except TimeoutError:
            late = ", ".join(self.not_ready())
            self._terminal.headline(f"Still not ready after a minute: {late}.", "bold yellow")
        try:
            await on_ready()
        except MissionControlError as exc:
            self._terminal.headline(exc.message, "bold red")

    def _notice_failure(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            self._stop_wanted.set()

    # ---------------------------------------------------------------- stopping

    async def _stop(self) -> None:
        self._terminal.headline("Stopping.")
        begun = asyncio.get_running_loop().time()
        for keeper in self._keepers.values():
            keeper.start_nothing_more()
        keepers = sorted(self._keepers.values(), key=lambda keeper: keeper.part.stop_step)
        for _, step in groupby(keepers, key=lambda keeper: keeper.part.stop_step):
            await asyncio.gather(*(keeper.stop() for keeper in step))
        seconds = asyncio.get_running_loop().time() - begun
        self._terminal.headline(f"Everything is stopped, in {seconds:.1f} s.")

    def _verdict(self) -> int:
        if self._failure is None:
            return 0
        if not isinstance(self._failure, MissionControlError):
            raise self._failure
        self._terminal.headline(self._failure.message, "bold red")
        return FAILED

    @contextmanager
    def _signals(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        heeded = {signal.SIGINT, signal.SIGTERM}
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as it is under nohup
            heeded.add(signal.SIGHUP)
        for number in heeded:
            loop.add_signal_handler(number, self._signalled)
        try:
            yield
        finally:
            for number in heeded:
                loop.remove_signal_handler(number)

    def _signalled(self) -> None:
        if self._stop_wanted.is_set():
            for keeper in self._keepers.values():
                keeper.kill()
        self._stop_wanted.set()

    def _write_state(self) -> None:
        parts = [keeper.state for keeper in self._keepers.values()]
        state = SupervisorState(pid=getpid(), started_at=self._started_at, parts=parts)
        with suppress(OSError):  # on a full disk the parts are worth more than the note about them
            write_state(self._data_dir, state)


def refuse_taken_ports(parts: Sequence[Part]) -> None:
    """Say which port is in the way before anything is started. Raises PortTakenError."""
    owners: dict[int, Part] = {}
    for part in parts:
        other = owners.setdefault(part.port, part) if part.port else part
        if other is not part:
            raise PortTakenError(
                f"Port {part.port} is meant for both {other.name} and {part.name}. "
                f"Set {part.port_setting} to another one.",
                port=part.port,
            )
        if not port_is_free(part):
            raise PortTakenError(
                f"Port {part.port} for {part.name} is taken. "
                f"Stop what listens there, or set {part.port_setting} to another one.",
                port=part.port,
            )


async def end_leftovers(
    data_dir: Path, terminal: Terminal, *, patience_seconds: float = LEFTOVERS_SECONDS
) -> None:
    """End what a supervisor that was killed could not stop. Call it as the sole supervisor."""
    before = last_state(data_dir)
    left = await _outlasting(before.parts if before else [], 0)
    for part in left:
        terminal.say(part.name, f"still runs from before (pid {part.pid}), is ended", "yellow")
    # Where the kernel told them of the supervisor's death they are on their way already; to ask a
    # worker a second time makes it slower, not faster.
    left = await _outlasting(left, patience_seconds)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for part in left:
            assert part.pid
            signal_group(part.pid, number)
        left = await _outlasting(left, patience_seconds)


async def _outlasting(parts: list[PartState], seconds: float) -> list[PartState]:
    """Those that still run after so many seconds; at once when none does."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    while left := [part for part in parts if part.pid and runs(part.pid, part.command)]:
        if clock() >= until:
            break
        await asyncio.sleep(0.05)
    return left


async def _refuse_unreachable_redis(settings: Settings) -> None:
    if settings.redis_is_embedded or await redis_answers(settings.redis):
        return
    where = urlsplit(settings.redis)
    raise RedisUnreachableError(
        f"Redis at {where.hostname}:{where.port or 6379} does not answer, so nothing was started. "
        "Correct REDIS_URL, or remove it to use the embedded Redis."
    )


def _say_what_the_engine_lacks(settings: Settings, terminal: Terminal) -> None:
    """Without an engine the rest is of use still; a wheel, for one, comes without."""
    if settings.superoptix_path is not None:
        return  # that one is refused
    location = EngineLocation()
    try:
        location.sources()
        location.python()
    except SuperOptiXError as missing:
        said = f"{missing.message} Until then no agent can be imported, measured or optimized."
        terminal.headline(said, "yellow")


async def _refuse_unusable_engine(settings: Settings) -> None:
    """Only an engine of the operator's own choice can be one that cannot work with us."""
    if settings.superoptix_path is None:
        return
    client = open_superoptix(settings)
    try:
        await client.warm_up()
    except SuperOptiXError as refusal:
        if refusal.kind == "config":
            raise
    finally:
        await client.aclose()


async def _welcome(
    settings: Settings, supervisor: Supervisor, terminal: Terminal, on_ready: Callback | None
) -> None:
    late = set(supervisor.not_ready())
    for name, port in (("console", settings.mc_ui_port), ("api", settings.mc_api_port)):
        if name not in late:
            terminal.headline(f"{name:<8} http://{settings.mc_host}:{port}", "bold green")
    terminal.headline("Ctrl-C stops everything.")
    if on_ready is not None:
        await on_ready()
