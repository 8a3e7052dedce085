"""A lease names its holder, and only of a process of this machine can it be said that it is gone."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mission_control.core import lease_owners
from mission_control.core.lease_owners import is_dead_here, this_host, this_process


def test_a_holder_is_this_host_and_this_process_and_each_lease_is_another() -> None:
    first, second = this_process(), this_process()
    host, pid, lease = first.split(":")
    assert (host, int(pid)) == (this_host(), os.getpid())
    assert first != second
    assert len(lease) == 8


def test_a_process_number_means_something_in_its_namespace_alone() -> None:
    host, _, namespace = this_host().partition("/")
    assert host == socket.gethostname()
    assert f"pid:[{namespace}]" == str(Path("/proc/self/ns/pid").readlink())


def test_where_there_are_no_namespaces_the_host_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(lease_owners.Path, "readlink", refuse)
    assert this_host() == f"{socket.gethostname()}/-"


def test_one_that_ended_is_gone_and_one_that_lives_is_not() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        holder = f"{this_host()}:{child.pid}:0"
        assert not is_dead_here(holder)
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
        assert is_dead_here(holder)


def test_one_of_another_machine_may_live() -> None:
    assert not is_dead_here("elsewhere/1:999999:0")
    assert not is_dead_here(None)


def test_one_that_may_not_be_asked_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def refuse(pid: int, number: int) -> None:
        asked.append((pid, number))
        raise PermissionError

    monkeypatch.setattr(lease_owners.os, "kill", refuse)
    assert not is_dead_here(f"{this_host()}:41:0")
    assert asked == [(41, 0)]
