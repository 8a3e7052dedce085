"""`mission-control doctor`: looks at everything that has to be right, and says what to do if it is not."""

import asyncio
from collections.abc import Collection

from mission_control.core.errors import MissionControlError
from mission_control.core.part_states import running_state
from mission_control.core.settings import Settings
from mission_control.supervisor.checks.foundation import (
    check_console,
    check_database,
    check_processes,
    check_redis,
)
from mission_control.supervisor.checks.machine import (
    check_data_directory,
    check_ports,
    check_python,
    check_secret_key,
    check_settings,
    check_sqlite,
)
from mission_control.supervisor.checks.outside import (
    check_close,
    check_engine,
    check_model,
    check_vapi,
)
from mission_control.supervisor.findings import Check, Finding, Situation

CHECK_SECONDS = 5.0
ENGINE_SECONDS = 30.0  # a new process that imports DSPy and SuperOptiX
CHECKS: tuple[tuple[str, Check], ...] = (
    ("python", check_python),
    ("sqlite", check_sqlite),
    ("data directory", check_data_directory),
    ("secret key", check_secret_key),
    ("settings", check_settings),
    ("database", check_database),
    ("redis", check_redis),
    ("ports", check_ports),
    ("processes", check_processes),
    ("console", check_console),
    ("engine", check_engine),
    ("model", check_model),
    ("vapi", check_vapi),
    ("close", check_close),
)


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
    seconds = ENGINE_SECONDS if check is check_engine else CHECK_SECONDS
    try:
        async with asyncio.timeout(seconds):
            return await check(situation)
    except TimeoutError:
        return Finding(name, "problem", f"No answer within {seconds:.0f} seconds.")
    except MissionControlError as exc:
        return Finding(name, "problem", exc.message)
    except Exception as exc:  # noqa: BLE001  # the doctor reports what it cannot examine
        return Finding(name, "problem", f"Could not be examined ({type(exc).__name__}).")
