"""A SQLite without the WAL-reset bug, where the machine's own still has it."""

import importlib
import importlib.util
import sys

FIXED_IN = (3, 51, 3)
FIXED_BRANCHES = {(3, 50): 7, (3, 44): 6}  # older lines that got the fix as a patch release


def install_newer_sqlite() -> None:
    """Put `pysqlite3` in the place of `sqlite3` when the machine's SQLite can lose data.

    Call it before anything imports `sqlite3`: who has the old module already, keeps it.
    Without the wheel (it exists for Linux on x86-64) the machine's own stays.
    """
    if not has_wal_reset_bug(_version()) or importlib.util.find_spec("pysqlite3") is None:
        return
    newer = importlib.import_module("pysqlite3")
    if has_wal_reset_bug(newer.sqlite_version_info):
        return
    sys.modules["sqlite3"] = newer
    sys.modules["sqlite3.dbapi2"] = importlib.import_module("pysqlite3.dbapi2")


def has_wal_reset_bug(version: tuple[int, int, int]) -> bool:
    """Whether two processes writing in WAL mode can lose what was committed (3.7.0 to 3.51.2)."""
    patched = FIXED_BRANCHES.get(version[:2])
    return version < FIXED_IN and (patched is None or version[2] < patched)


def sqlite_is_safe() -> bool:
    return not has_wal_reset_bug(_version())


def sqlite_safety() -> str:
    """One sentence for a person: which SQLite is in use, and whether it can be trusted."""
    version = ".".join(map(str, _version()))
    if sqlite_is_safe():
        return f"SQLite {version} is used; it does not have the WAL-reset bug."
    return (
        f"SQLite {version} is used; before 3.51.3 two processes that write at the same time can, "
        "rarely, lose committed data. Install Python with a newer SQLite, or set DATABASE_URL to PostgreSQL."
    )


def _version() -> tuple[int, int, int]:
    return importlib.import_module("sqlite3").sqlite_version_info
