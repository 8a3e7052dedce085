"""Which processes Mission Control is made of, for given settings."""

import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import mission_control
from mission_control.core.settings import Settings
from mission_control.core.words import Queue
from mission_control.supervisor import embedded_redis
from mission_control.supervisor.readiness import (
    Probe,
    accepts_connections,
    answers_http,
    answers_redis,
    has_heartbeat,
)
from mission_control.supervisor.schema import schema_is_current

# What the stand-ins and the console have no business with.
CREDENTIALS = (
    "vapi_api_key", "vapi_webhook_secret", "close_api_key", "close_webhook_key",
    "openai_api_key", "mc_secret_key", "database_url", "redis_url",
)  # fmt: skip

DEPLOYMENT_SLOTS = 1  # each takes about a second
BACKGROUND_SLOTS = 2  # a sync takes minutes, and polls go on beside it
SECONDS_BETWEEN_CALLS = 30  # of the stand-ins, when they are live


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process: how to start it, how to see that it is ready, how long it may take to stop.

    Parts with a lower `stop_step` stop first; the longest graces of all steps add up to less than
    ten seconds. An `essential` part that does not come up ends the start; the others are tried again
    and again, and `without_it` says what does not work meanwhile. `ready` is None for a part that
    `runs_once`: it is ready when it has done that.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    ready: Probe | None = None
    without_it: str = ""
    after: tuple[str, ...] = ()
    stop_step: int = 0
    grace_seconds: float = 3.0
    when_orphaned: signal.Signals = signal.SIGTERM
    essential: bool = False
    runs_once: bool = False
    stand_in: bool = False
    host: str = "127.0.0.1"
    port: int | None = None
    port_setting: str | None = None


def with_free_redis_port(settings: Settings) -> Settings:
    """Settings in which `MC_REDIS_PORT=0` has become a port that is free now."""
    if not settings.redis_is_embedded or settings.mc_redis_port != 0:
        return settings
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return settings.model_copy(update={"mc_redis_port": probe.getsockname()[1]})


def port_is_free(part: Part) -> bool:
    """Whether the part could listen where it wants to; true for a part that does not listen."""
    if not part.port:
        return True
    family = socket.AF_INET6 if ":" in part.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((part.host, part.port))
        except OSError:
            return False
    return True


def parts_for(settings: Settings) -> list[Part]:
    """Every part, in the order in which they are listed to a person.

    Raises:
        RedisServerMissingError: Redis is not configured, and there is none to start.
    """
    # What the API and the worker stand on; the rest gives way to them, so that they are there soon.
    foundation = [
        *([_redis(settings)] if settings.redis_is_embedded else []),
        *([] if schema_is_current(settings) else [_migrations(settings)]),
    ]
    ground = tuple(part.name for part in foundation)
    return [
        *foundation,
        _api(settings, after=ground),
        _worker(
            settings,
            Queue.ENGINE,
            slots=settings.mc_worker_processes,
            after=ground,
            without_it="evaluations and optimizations wait",
        ),
        _worker(
            settings,
            Queue.DEPLOYMENTS,
            slots=DEPLOYMENT_SLOTS,
            after=ground,
            without_it="deployments and rollbacks wait",
        ),
        _worker(
            settings,
            Queue.BACKGROUND,
            slots=BACKGROUND_SLOTS,
            after=("api",),
            without_it="nothing is synced, polled or indexed",
        ),
        _beat(settings),
        *([_sandbox_model(settings)] if settings.model_is_stand_in else []),
        *(
            [_sandbox_vapi(settings)]
            if settings.vapi_is_stand_in and not settings.vapi_base_url
            else []
        ),
        *(
            [_sandbox_close(settings)]
            if settings.close_is_stand_in and not settings.close_base_url
            else []
        ),
        _console(settings),
    ]


def _redis(settings: Settings) -> Part:
    server = embedded_redis.find_server()
    return Part(
        name="redis",
        command=tuple(embedded_redis.server_command(settings, server)),
        ready=answers_redis(settings.redis),
        essential=True,
        stop_step=3,
        grace_seconds=1.0,
        port=settings.mc_redis_port,
        port_setting="MC_REDIS_PORT",
    )


def _migrations(settings: Settings) -> Part:
    return Part(
        name="migrations",
        command=_python("mission_control.supervisor.migrations"),
        environment=_environment(settings),
        essential=True,
        runs_once=True,
    )


def _api(settings: Settings, *, after: tuple[str, ...]) -> Part:
    host, port = settings.mc_host, settings.mc_api_port
    return Part(
        name="api",
        command=_python(
            "uvicorn",
            *("--factory", "mission_control.api.app:application"),
            *("--host", host, "--port", str(port)),
            *("--ws", "websockets-sansio", "--ws-per-message-deflate", "false"),
            *("--timeout-graceful-shutdown", "3", "--no-access-log"),
        ),
        environment=_environment(settings),
        ready=answers_http(_reachable(host), port, "/healthz"),
        after=after,
        essential=True,
        grace_seconds=3.4,
        host=host,
        port=port,
        port_setting="MC_API_PORT",
    )


def _worker(
    settings: Settings, queue: Queue, *, slots: int, after: tuple[str, ...], without_it: str
) -> Part:
    return Part(
        name=f"worker-{queue}",
        command=_celery(
            "main",
            "worker",
            *("-Q", queue, "-P", "prefork", "-c", str(slots)),
            *(
                "--without-gossip",
                "--without-mingle",
                # Nobody reads Celery's heartbeat; without Redis, the last one would keep it for ever.
                "--without-heartbeat",
                "-n",
                f"{queue}-{settings.mc_api_port}@%h",
            ),
        ),
        # A worker told to end gives its unfinished jobs back instead of finishing them.
        environment=_environment(settings) | {"REMAP_SIGTERM": "SIGQUIT"},
        ready=has_heartbeat(settings.redis),
        without_it=without_it,
        after=after,
        stop_step=1,
        grace_seconds=4.6,  # two for the jobs that are nearly done, the rest for Celery itself
    )


def _beat(settings: Settings) -> Part:
    return Part(
        name="beat",
        command=_celery("scheduler", "beat", "--pidfile="),
        environment=_environment(settings),
        ready=has_heartbeat(settings.redis),
        without_it="nothing scheduled happens: no polls, no sweeps, no checks for drift",
        after=("api",),
    )


def _sandbox_model(settings: Settings) -> Part:
    latency = ("--latency-ms", str(settings.mc_sandbox_latency_ms))
    return _stand_in(settings, "model", settings.sandbox_model_port, *latency)


def _sandbox_vapi(settings: Settings) -> Part:
    ours = f"http://{_reachable(settings.mc_host)}:{settings.mc_api_port}"
    reports = ("--webhook-url", f"{ours}/webhooks/vapi", "--webhook-secret", "sandbox")
    world = _sandbox_world(settings, "vapi")
    return _stand_in(settings, "vapi", settings.sandbox_vapi_port, *world, *reports)


def _sandbox_close(settings: Settings) -> Part:
    world = _sandbox_world(settings, "close")
    return _stand_in(settings, "close", settings.sandbox_close_port, *world)


def _sandbox_world(settings: Settings, vendor: str) -> tuple[str, ...]:
    """The same people and calls for every vendor, and what was changed there."""
    live = ("--live", str(SECONDS_BETWEEN_CALLS)) if settings.mc_sandbox_live else ()
    data = settings.data_dir / f"sandbox-{vendor}.json"
    return ("--data-file", str(data), "--people", str(settings.mc_sandbox_leads), *live)


def _stand_in(settings: Settings, of: str, port: int, *arguments: str) -> Part:
    module = f"mission_control_sandbox.{of}_server"
    return Part(
        name=f"sandbox-{of}",
        command=_python(module, "--port", str(port), *arguments),
        environment=_environment(_without_credentials(settings)),
        ready=accepts_connections("127.0.0.1", port),
        without_it=f"nothing answers in the place of the {of}",
        after=("api",),
        stand_in=True,
        stop_step=2,
        grace_seconds=0.8,
        port=port,
        port_setting=f"MC_API_PORT + {port - settings.mc_api_port}",
    )


def _console(settings: Settings) -> Part:
    host, port = settings.mc_host, settings.mc_ui_port
    # Its look and its other options are in `.streamlit/config.toml` beside the script.
    script = Path(mission_control.__file__).parent / "ui" / "streamlit_app.py"
    return Part(
        name="console",
        command=_python(
            *("streamlit", "run", str(script), "--server.headless", "true"),
            *("--server.address", host, "--server.port", str(port)),
            *("--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"),
            *(f"--server.allowedHosts={name}" for name in _own_names(host)),
        ),
        environment=_environment(_without_credentials(settings)),
        ready=answers_http(_reachable(host), port, "/_stcore/health"),
        without_it="there are no pages",
        after=("api",),
        # Asked to end, it says so first; with nobody left to read that, it does not end.
        when_orphaned=signal.SIGKILL,
        host=host,
        port=port,
        port_setting="MC_UI_PORT",
    )


def _python(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)


def _celery(door: str, *arguments: str) -> tuple[str, ...]:
    return _python("celery", "-A", f"mission_control.worker.{door}:celery_app", *arguments)


def _environment(settings: Settings) -> dict[str, str]:
    inherited = settings.environment()
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # compiling anew at every start takes seconds
    return inherited | {"PYTHONUNBUFFERED": "1"}


def _without_credentials(settings: Settings) -> Settings:
    return settings.model_copy(update=dict.fromkeys(CREDENTIALS))


def _own_names(host: str) -> list[str]:
    """Only our own names: a page elsewhere must not reach us through a name of its own."""
    return [] if _listens_everywhere(host) else ["127.0.0.1", "localhost", "[::1]", host]


def _reachable(host: str) -> str:
    return "127.0.0.1" if _listens_everywhere(host) else host


def _listens_everywhere(host: str) -> bool:
    return host in {"0.0.0.0", "::", ""}  # noqa: S104  # compared, not bound
