"""`mission-control doctor`: looks at everything that has to be right, and says what to do if it is not."""

import asyncio
import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

import mission_control
from mission_control.core.encryption import KEY_FILE, Vault
from mission_control.core.errors import MissionControlError
from mission_control.core.part_states import SupervisorState, running_state
from mission_control.core.settings import Settings
from mission_control.data.engine import create_engine
from mission_control.data.migrate import newest_revision, revision_of
from mission_control.data.sqlite import sqlite_is_safe, sqlite_safety
from mission_control.integrations.close_client import CloseClient, open_close
from mission_control.integrations.errors import SuperOptiXError
from mission_control.integrations.superoptix.model_probe import open_model_probe
from mission_control.integrations.superoptix_client import open_superoptix
from mission_control.integrations.vapi_client import VAPIClient, open_vapi
from mission_control.supervisor.embedded_redis import find_server
from mission_control.supervisor.parts import parts_for, port_is_free
from mission_control.supervisor.readiness import answers_redis

CHECK_SECONDS = 5.0
ENGINE_SECONDS = 30.0  # a new process that imports DSPy and SuperOptiX
OLDEST_PYTHON = (3, 11)
LITTLE_DISK_BYTES = 1024**3
NO_DISK_BYTES = 100 * 1024**2

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `to_do` is empty when there is nothing to do."""

    name: str
    state: State
    sentence: str
    to_do: str = ""
    stand_in: bool = False


@dataclass(frozen=True)
class Situation:
    """What is looked at: the settings, and the processes of a running `up` on the same data."""

    settings: Settings
    running: SupervisorState | None


Check = Callable[[Situation], Awaitable[Finding]]


async def examine(settings: Settings, *, only: Collection[str] = ()) -> list[Finding]:
    """Look at everything, or `only` at what is named, at once and for at most five seconds each.

    The engine has to be started for it, and gets thirty. Nothing is changed, and no secret is in what is found.
    """
    running = running_state(settings.data_dir)
    redis = running.part("redis") if running else None
    if settings.mc_redis_port == 0 and redis and redis.port:
        settings = settings.model_copy(update={"mc_redis_port": redis.port})
    situation = Situation(settings, running)
    checks = [(name, check) for name, check in CHECKS if not only or name in only]
    return list(await asyncio.gather(*(_within_time(*check, situation) for check in checks)))


async def _within_time(name: str, check: Check, situation: Situation) -> Finding:
    seconds = ENGINE_SECONDS if check is _engine else CHECK_SECONDS
    try:
        async with asyncio.timeout(seconds):
            return await check(situation)
    except TimeoutError:
        return Finding(name, "problem", f"No answer within {seconds:.0f} seconds.")
    except MissionControlError as exc:
        return Finding(name, "problem", exc.message)
    except Exception as exc:  # noqa: BLE001  # the doctor reports what it cannot examine
        return Finding(name, "problem", f"Could not be examined ({type(exc).__name__}).")


# ------------------------------------------------------------------ this machine


async def _python(_: Situation) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding(
            "python", "problem", f"Python {version} is too old.", "Install 3.11 or newer."
        )
    return Finding("python", "ok", f"Python {version}.")


async def _sqlite(situation: Situation) -> Finding:
    if not situation.settings.database.startswith("sqlite"):
        return Finding("sqlite", "ok", "Not used: DATABASE_URL names another database.")
    return Finding("sqlite", "ok" if sqlite_is_safe() else "warning", sqlite_safety())


async def _data_directory(situation: Situation) -> Finding:
    name, directory = "data directory", situation.settings.data_dir
    existing = next(place for place in (directory, *directory.parents) if place.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return Finding(
            name, "problem", f"{existing} cannot be written.", "Set MC_DATA_DIR to another."
        )
    free = shutil.disk_usage(existing).free
    if free < NO_DISK_BYTES:
        return Finding(name, "problem", f"{_size(free)} of disk are left.", "Make room.")
    if free < LITTLE_DISK_BYTES:
        return Finding(name, "warning", f"{_size(free)} of disk are left.", "Make room.")
    if existing != directory:
        return Finding(name, "ok", f"{directory} will be made; {_size(free)} of disk are free.")
    if directory.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Finding(
            name, "warning", f"Other users can enter {directory}.", f"Run: chmod 700 {directory}"
        )
    return Finding(name, "ok", f"{directory}; {_size(free)} of disk are free.")


async def _secret_key(situation: Situation) -> Finding:
    settings = situation.settings
    if settings.mc_secret_key is None and not (settings.data_dir / KEY_FILE).exists():
        return Finding("secret key", "ok", "One is made at the first start.")
    Vault.open(settings)
    return Finding("secret key", "ok", "It can be used.")


async def _ports(situation: Situation) -> Finding:
    if situation.running is not None:
        ours = [str(part.port) for part in situation.running.parts if part.port]
        return Finding("ports", "ok", f"Ours: {', '.join(ours)} (mission-control up is running).")
    parts = [part for part in parts_for(situation.settings) if part.port]
    for part in parts:
        if not port_is_free(part):
            return Finding(
                "ports",
                "problem",
                f"Port {part.port} for {part.name} is taken by another program.",
                f"Stop that program, or set {part.port_setting}.",
            )
    return Finding("ports", "ok", f"Free: {', '.join(str(part.port) for part in parts)}.")


# ------------------------------------------------------------------ what we stand on


async def _database(situation: Situation) -> Finding:
    url = make_url(situation.settings.database)
    is_file = url.get_backend_name() == "sqlite"
    if is_file and not _exists(url):
        return Finding("database", "ok", f"{url.database} will be made by the first start.")
    where = str(url.database) if is_file else f"{url.get_backend_name()} at {url.host}"
    engine = create_engine(situation.settings.database)
    try:
        async with engine.connect() as connection:
            await connection.execution_options(readonly=True)
            revision = await connection.run_sync(revision_of)
    except SQLAlchemyError as exc:
        kind = type(exc).__name__
        return Finding(
            "database", "problem", f"{where} cannot be used ({kind}).", "Check DATABASE_URL."
        )
    finally:
        await engine.dispose()
    if revision != newest_revision():
        return Finding(
            "database",
            "warning",
            f"{where} has an older schema.",
            "mission-control up migrates it.",
        )
    return Finding("database", "ok", f"{where} is reachable and at the newest schema.")


async def _redis(situation: Situation) -> Finding:
    settings = situation.settings
    if not settings.redis_is_embedded:
        where = urlsplit(settings.redis)
        place = f"Redis at {where.hostname or where.path}"
        if await answers_redis(settings.redis)():
            return Finding("redis", "ok", f"{place} answers.")
        return Finding("redis", "problem", f"{place} does not answer.", "Check REDIS_URL.")
    server = find_server()
    if situation.running is None:
        return Finding("redis", "ok", f"Embedded; {server.name} is there and will be started.")
    if await answers_redis(settings.redis)():
        return Finding("redis", "ok", f"Embedded; {server.name} runs and answers.")
    return Finding(
        "redis", "problem", "Embedded; it does not answer.", _read_log(settings, "redis")
    )


async def _console(situation: Situation) -> Finding:
    script = Path(mission_control.__file__).parent / "ui" / "streamlit_app.py"
    if importlib.util.find_spec("streamlit") is None or not script.exists():
        return Finding("console", "problem", "The console is not installed.", "Run: make run")
    try:
        compile(script.read_bytes(), script.name, "exec")
    except SyntaxError:
        return Finding("console", "problem", "The console's script is broken.", "Reinstall it.")
    part = situation.running.part("console") if situation.running else None
    if part is not None and part.status != "ready":
        to_do = _read_log(situation.settings, "console")
        return Finding("console", "problem", f"The console is {part.status}.", to_do)
    return Finding("console", "ok", "The console is installed.")


async def _processes(situation: Situation) -> Finding:
    running = situation.running
    if running is None:
        return Finding("processes", "ok", "Nothing runs; `mission-control up` starts everything.")
    off = [f"{part.name} is {part.status}" for part in running.parts if part.status not in UP]
    if off:
        return Finding(
            "processes",
            "problem",
            f"{'; '.join(off)}.",
            f"Read the logs in {situation.settings.data_dir / 'logs'}.",
        )
    crashed = [f"{part.name} ({part.restarts})" for part in running.parts if part.restarts]
    if crashed:
        told = f"Everything runs, but had to be started again: {', '.join(crashed)}."
        return Finding(
            "processes",
            "warning",
            told,
            f"Read the logs in {situation.settings.data_dir / 'logs'}.",
        )
    return Finding("processes", "ok", f"All {len(running.parts)} parts run.")


# ------------------------------------------------------------------ the outside world


async def _engine(situation: Situation) -> Finding:
    client = open_superoptix(situation.settings)
    try:
        found = await client.doctor()
    except SuperOptiXError as exc:
        return Finding("engine", "problem", exc.message, _engine_to_do(situation.settings))
    finally:
        await client.aclose()
    versions = found.versions
    told = f"SuperOptiX {versions.get('superoptix')}, DSPy {versions.get('dspy')}."
    if found.problems:
        to_do = _engine_to_do(situation.settings)
        return Finding("engine", "problem", f"{told} {' '.join(found.problems)}", to_do)
    return Finding("engine", "ok", told)


def _engine_to_do(settings: Settings) -> str:
    return "Run: make run" if settings.superoptix_path is None else "Correct SUPEROPTIX_PATH."


async def _model(situation: Situation) -> Finding:
    settings = situation.settings
    if settings.model_is_stand_in and situation.running is None:
        told = "A stand-in comes with `mission-control up`."
        return Finding("model", "ok", told, "Set OPENAI_API_KEY for a real one.", stand_in=True)
    probe = open_model_probe(settings.model_base_url, settings.openai_api_key)
    host = urlsplit(settings.model_base_url).hostname
    try:
        found = await probe.check()
    except MissionControlError as exc:
        to_do = "Check OPENAI_BASE_URL and OPENAI_API_KEY."
        return Finding("model", "problem", exc.message, to_do, settings.model_is_stand_in)
    finally:
        await probe.aclose()
    told = f"{host} takes our key: {found}."
    return Finding("model", "ok", told, stand_in=settings.model_is_stand_in)


async def _vapi(situation: Situation) -> Finding:
    settings = situation.settings
    return await _vendor(
        situation,
        "vapi",
        lambda: open_vapi(settings.vapi_url, settings.vapi_key),
        url=settings.vapi_url,
        base_url=settings.vapi_base_url,
        stand_in=settings.vapi_is_stand_in,
    )


async def _close(situation: Situation) -> Finding:
    settings = situation.settings
    return await _vendor(
        situation,
        "close",
        lambda: open_close(settings.close_url, settings.close_key),
        url=settings.close_url,
        base_url=settings.close_base_url,
        stand_in=settings.close_is_stand_in,
    )


async def _vendor(
    situation: Situation,
    name: str,
    open_client: "Callable[[], VAPIClient | CloseClient]",
    *,
    url: str,
    base_url: str | None,
    stand_in: bool,
) -> Finding:
    """Whether somebody else's system answers and takes our key."""
    prefix = name.upper()
    if stand_in and base_url is None and situation.running is None:
        told = "A stand-in comes with `mission-control up`."
        return Finding(name, "ok", told, f"Set {prefix}_API_KEY for the real one.", stand_in=True)
    try:
        async with open_client() as client:
            await client.check()
    except MissionControlError as exc:
        to_do = f"Check {prefix}_API_KEY and {prefix}_BASE_URL."
        return Finding(name, "problem", exc.message, to_do, stand_in)
    told = f"{urlsplit(url).hostname} answers and takes our key."
    return Finding(name, "ok", told, stand_in=stand_in)


UP = frozenset({"ready", "done"})
CHECKS: tuple[tuple[str, Check], ...] = (
    ("python", _python),
    ("sqlite", _sqlite),
    ("data directory", _data_directory),
    ("secret key", _secret_key),
    ("database", _database),
    ("redis", _redis),
    ("ports", _ports),
    ("processes", _processes),
    ("console", _console),
    ("engine", _engine),
    ("model", _model),
    ("vapi", _vapi),
    ("close", _close),
)


def _exists(file: URL) -> bool:
    return Path(file.database or "").exists()


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GB"


def _read_log(settings: Settings, part: str) -> str:
    return f"Read {settings.data_dir / 'logs' / part}.log"
