"""Which SQLite may be trusted with two writing processes."""

import subprocess
import sys

import pytest

from mission_control.data.sqlite import has_wal_reset_bug


@pytest.mark.parametrize(
    "version", [(3, 40, 1), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 0), (3, 51, 2)]
)
def test_versions_with_the_bug(version: tuple[int, int, int]) -> None:
    assert has_wal_reset_bug(version)


@pytest.mark.parametrize(
    "version", [(3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 52, 0), (3, 53, 4), (4, 0, 0)]
)
def test_versions_without_it(version: tuple[int, int, int]) -> None:
    assert not has_wal_reset_bug(version)


@pytest.mark.skipif(
    sys.platform != "linux", reason="the wheel with a newer SQLite exists for Linux alone"
)
def test_the_product_uses_a_safe_sqlite_whatever_the_machine_has() -> None:
    program = (
        "import mission_control.data.engine, aiosqlite.core, sqlite3;"
        "from mission_control.data.sqlite import sqlite_is_safe, sqlite_safety;"
        "assert aiosqlite.core.sqlite3 is sqlite3;"
        "assert sqlite_is_safe(), sqlite_safety()"
    )
    command = [sys.executable, "-c", program]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
