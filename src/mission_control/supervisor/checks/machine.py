"""What `doctor` looks at on this machine: Python, SQLite, directories, the settings, ports."""

import os
import shutil
import stat
import sys

from mission_control.core.encryption import KEY_FILE, Vault
from mission_control.data.sqlite import sqlite_is_safe, sqlite_safety
from mission_control.supervisor.findings import Finding, Situation
from mission_control.supervisor.parts import parts_for, port_is_free

OLDEST_PYTHON = (3, 11)
LITTLE_DISK_BYTES = 1024**3
NO_DISK_BYTES = 100 * 1024**2


async def check_python(_: Situation) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding(
            "python", "problem", f"Python {version} is too old.", "Install 3.11 or newer."
        )
    return Finding("python", "ok", f"Python {version}.")


async def check_sqlite(situation: Situation) -> Finding:
    if not situation.settings.database.startswith("sqlite"):
        return Finding("sqlite", "ok", "Not used: DATABASE_URL names another database.")
    return Finding("sqlite", "ok" if sqlite_is_safe() else "warning", sqlite_safety())


async def check_data_directory(situation: Situation) -> Finding:
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


async def check_secret_key(situation: Situation) -> Finding:
    settings = situation.settings
    if settings.mc_secret_key is None and not (settings.data_dir / KEY_FILE).exists():
        return Finding("secret key", "ok", "One is made at the first start.")
    Vault.open(settings)
    return Finding("secret key", "ok", "It can be used.")


async def check_ports(situation: Situation) -> Finding:
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


async def check_settings(situation: Situation) -> Finding:
    if unused := situation.settings.unused:
        return Finding("settings", "warning", " ".join(unused))
    return Finding("settings", "ok", "They can be used.")


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GB"
