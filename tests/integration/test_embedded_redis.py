"""The Redis we start ourselves: found, reachable, private, durable, and back after a crash."""

import importlib.util
import shutil
import stat
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError

from mission_control.core.settings import Settings
from mission_control.supervisor.embedded_redis import (
    find_server,
    prepare_socket_directory,
    server_command,
)
from mission_control.supervisor.errors import DataDirectoryError, RedisServerMissingError
from tests.services import free_port


def settings_for(data_dir: Path, **changes: object) -> Settings:
    return Settings(_env_file=None, redis_url=None, mc_data_dir=data_dir, **changes)  # type: ignore[call-arg,arg-type]


@contextmanager
def running(settings: Settings) -> Generator[tuple[subprocess.Popen[bytes], Redis]]:
    command = server_command(settings, find_server())
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            with Redis.from_url(settings.redis) as redis:
                wait_for_answer(redis)
                yield server, redis
        finally:
            server.kill()


def wait_for_answer(redis: Redis) -> None:
    for _ in range(200):
        try:
            redis.ping()
        except RedisConnectionError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("Redis does not answer.")


def test_it_listens_on_a_private_socket_alone(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with running(settings) as (_, redis):
        assert redis.config_get("port") == {"port": "0"}
        assert stat.S_IMODE(settings.redis_socket.stat().st_mode) == 0o700


def test_it_listens_on_a_port_of_this_machine_when_one_is_set(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, mc_redis_port=free_port())
    with running(settings) as (_, redis):
        assert redis.config_get("bind") == {"bind": "127.0.0.1"}
    assert not settings.redis_socket.exists()


def test_what_was_queued_survives_a_crash_and_its_stale_socket(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with running(settings) as (server, redis):
        redis.rpush("engine", *range(50))
        time.sleep(1.1)  # it promises a second
        server.kill()
        server.wait()
    assert settings.redis_socket.exists()

    with running(settings) as (_, redis):
        assert redis.llen("engine") == 50


def test_it_refuses_writes_when_full_and_never_forgets_a_job(tmp_path: Path) -> None:
    with running(settings_for(tmp_path)) as (_, redis):
        assert redis.config_get("maxmemory") == {"maxmemory": str(256 * 1024 * 1024)}
        redis.set("job", "kept")
        redis.set("large", "x" * 1024 * 1024)
        redis.config_set("maxmemory", "1mb")
        with pytest.raises(OutOfMemoryError):
            redis.set("more", "x")
        assert redis.get("job") == b"kept"


def test_a_deep_data_directory_gets_its_socket_in_a_private_place(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    settings = settings_for(deep)
    try:
        prepare_socket_directory(settings)
        assert stat.S_IMODE(settings.redis_socket.parent.stat().st_mode) == 0o700
        with running(settings) as (_, redis):
            assert redis.ping()
    finally:
        shutil.rmtree(settings.redis_socket.parent)


def test_a_socket_directory_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / ("o" * 120))
    settings.redis_socket.parent.mkdir(mode=0o755)
    try:
        with pytest.raises(DataDirectoryError, match="open to other users"):
            prepare_socket_directory(settings)
    finally:
        settings.redis_socket.parent.rmdir()


def test_without_the_wheel_a_server_on_path_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "valkey-server"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server() == installed


def test_without_any_server_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(RedisServerMissingError, match="Set REDIS_URL or install one"):
        find_server()
