"""The state of every part, found out by asking it, each within its own time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

from mission_control.api.jobs.schemas import JobRead
from mission_control.api.resources import Resources
from mission_control.api.system.queues import read_queues
from mission_control.api.system.schemas import (
    Component,
    ComponentState,
    QueueRead,
    Readiness,
    SystemSnapshot,
    SystemStatus,
)
from mission_control.core.counting import counted
from mission_control.core.errors import MissionControlError
from mission_control.core.part_states import running_state
from mission_control.data.heartbeats import living
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.memory.items import ServerState

PROBE_SECONDS = 3.0

Probe = Callable[[Resources], Awaitable[str]]


async def status(resources: Resources) -> SystemStatus:
    settings = resources.settings
    memory = asyncio.ensure_future(_memory(resources))
    waiting = asyncio.ensure_future(_queues(resources))
    components = await asyncio.gather(
        _ask("database", _database, resources),
        _ask("redis", _redis, resources),
        _ask("scheduler", _scheduler, resources, failing="degraded"),
        _ask("engine", _engine, resources, failing="degraded"),
        _ask("model", _model, resources, stand_in=settings.model_is_stand_in, failing="degraded"),
        _ask("vapi", _vapi, resources, stand_in=settings.vapi_is_stand_in, failing="degraded"),
        _ask("close", _close, resources, stand_in=settings.close_is_stand_in, failing="degraded"),
    )
    queues, of_queues = await waiting
    components += [*of_queues, *_processes(resources), *await memory]
    states = {component.state for component in components}
    worst: ComponentState = (
        "down" if "down" in states else "degraded" if "degraded" in states else "ok"
    )
    return SystemStatus(
        state=worst, version=version("mission-control"), components=list(components), queues=queues
    )


async def snapshot(uow: UnitOfWork) -> SystemSnapshot:
    """What a console needs before the first live event."""
    jobs = await uow.jobs.open()
    return SystemSnapshot(jobs=[JobRead.model_validate(job) for job in jobs])


async def readiness(resources: Resources) -> Readiness:
    """Ready: what every request needs is there."""
    components = await asyncio.gather(
        _ask("database", _database, resources), _ask("redis", _redis, resources)
    )
    ready = all(component.state == "ok" for component in components)
    return Readiness(status="ready" if ready else "not_ready", components=list(components))


async def _ask(
    name: str,
    probe: Probe,
    resources: Resources,
    *,
    stand_in: bool = False,
    failing: ComponentState = "down",
) -> Component:
    started = time.perf_counter()
    state: ComponentState = "ok"
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            detail = await probe(resources)
    except TimeoutError:
        state, detail = failing, f"no answer within {PROBE_SECONDS:.0f} s"
    except MissionControlError as error:
        state, detail = failing, error.message
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the answer
        state, detail = failing, f"not reachable ({type(error).__name__})"
    took = round((time.perf_counter() - started) * 1000, 1)
    return Component(name=name, state=state, stand_in=stand_in, detail=detail, milliseconds=took)


async def _database(resources: Resources) -> str:
    async with resources.unit_of_work(readonly=True) as uow:
        agents = await uow.agents.count()
    return f"{resources.engine.dialect.name}, {agents} agents"


async def _redis(resources: Resources) -> str:
    await resources.streams.ping()
    return "embedded" if resources.settings.redis_is_embedded else "answers"


async def _queues(resources: Resources) -> tuple[list[QueueRead], list[Component]]:
    """Without its database nobody knows what waits; that the database is away is said beside it."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await read_queues(resources)
    except (MissionControlError, TimeoutError):
        return [], []


async def _scheduler(resources: Resources) -> str:
    """Exactly one must tick: without it nothing scheduled happens, and two do everything twice."""
    count = sum(each.part == "scheduler" for each in await living(resources.redis))
    if count == 0:
        raise MissionControlError(
            "No scheduler (beat) ticks: no polls, sweeps or checks for drift."
        )
    if count > 1:
        raise MissionControlError(f"{count} schedulers (beat) tick; exactly one must run.")
    return "ticks"


def _processes(resources: Resources) -> list[Component]:
    """What `up` keeps running here; elsewhere nobody knows but whoever started the parts."""
    state = running_state(resources.settings.data_dir)
    if state is None:
        return []
    trouble = [part.trouble for part in state.parts if part.trouble]
    more = "`mission-control doctor` says more."
    return [
        Component(
            name="processes",
            state="degraded" if trouble else "ok",
            stand_in=False,
            detail=f"{'; '.join(trouble)}. {more}" if trouble else f"all {len(state.parts)} run",
            milliseconds=None,
        )
    ]


async def _engine(resources: Resources) -> str:
    found = await resources.superoptix.doctor()
    return f"superoptix {found.versions.get('superoptix')}, dspy {found.versions.get('dspy')}"


async def _model(resources: Resources) -> str:
    return await resources.model_probe.check()


async def _vapi(resources: Resources) -> str:
    await resources.vapi.check()
    return await _mirrored(resources, "vapi")


async def _close(resources: Resources) -> str:
    await resources.close.check()
    return await _mirrored(resources, "close")


async def _memory(resources: Resources) -> list[Component]:
    """Every memory server is a part of its own, and none holds up another."""
    started = time.perf_counter()
    states = await resources.memory.look(within=PROBE_SECONDS)
    took = round((time.perf_counter() - started) * 1000, 1)
    return [
        Component(
            name=f"memory:{each.name}",
            state="ok" if each.status == "connected" else "degraded",
            stand_in=False,
            detail=_memory_detail(each),
            milliseconds=took,
        )
        for each in states
    ]


def _memory_detail(state: ServerState) -> str:
    if state.status == "connected":
        return f"{state.transport}, {counted(len(state.tools), 'tool')}"
    return f"{state.status}: {state.reason or 'it did not say why'}"


async def _mirrored(resources: Resources, system: str) -> str:
    """It answers; but is what we show of it up to date?"""
    async with resources.unit_of_work(readonly=True) as uow:
        states = await uow.sync_states.all()
    failed = [each.error for each in states if each.name.startswith(f"{system}.") and each.error]
    if failed:
        raise MissionControlError(
            f"It answers and takes our key, but the last reading failed: {failed[0]['detail']}"
        )
    return "answers and takes our key"
