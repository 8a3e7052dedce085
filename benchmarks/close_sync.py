"""Measures reading Close into the mirror, beside asking for the calls of one lead after the other.

    python -m benchmarks.close_sync [--leads 30000] [--databases sqlite postgres] [--sample 300]

Close is the stand-in, in a process of its own. Each reading is a process too: its peak memory is
its own. Exits with 1 when leads took more requests than they may, when a second reading changed
anything, or when what is mirrored is not what is there.
"""

import argparse
import asyncio
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import structlog
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from mission_control.api.mirrors.close.sync import sync_close
from mission_control.api.resources import build_resources
from mission_control.core.settings import Settings
from mission_control.core.words import CallSource
from mission_control.data.migrate import upgrade
from mission_control.integrations.close_client import open_close
from tests.services import postgres_server, sandbox_server

MOST_LEAD_REQUESTS = 160  # for 30,000 leads
IN_FLIGHT = 5
console = Console(width=120)


# -------------------------------------------------------------------- one reading, in a process


async def read(settings: Settings) -> dict[str, Any]:
    """Sync once, and say what it took."""
    requests: Counter[str] = Counter()

    def count(
        _logger: Any, _name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if event.get("event") in {"integration_called", "integration_call_refused"}:
            requests[_kind(event["path"])] += event["event"] == "integration_called"
            requests["refused"] += event["event"] == "integration_call_refused"
        raise structlog.DropEvent

    structlog.configure(processors=[count])
    held = build_resources(settings)
    told = 0

    async def report(**_: Any) -> None:
        nonlocal told
        told += 1
        sys.stderr.write(f"{told}\n")  # whoever wants to kill us half-way counts these
        sys.stderr.flush()

    began = time.monotonic()
    changed = await sync_close(held, report)
    seconds = time.monotonic() - began
    async with held.unit_of_work(readonly=True) as uow:
        here = {"leads": await uow.leads.count(), "calls": await uow.calls.count(CallSource.CLOSE)}
    await held.aclose()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "changed": changed,
        "here": here,
        "requests": dict(requests),
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "pages": told,
    }


def _kind(path: str) -> str:
    for kind in ("lead", "activity/call"):
        if path.startswith(f"/api/v1/{kind}/"):
            return kind
    return "other"


def _reading(settings: Settings) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.close_sync", "--read"],
        env={**os.environ, **settings.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_in_a_process(settings: Settings) -> dict[str, Any]:
    with _reading(settings) as child:
        out, err = child.communicate(timeout=1800)
    if child.returncode != 0:
        raise RuntimeError(err[-2000:])
    return json.loads(out)


def kill_half_way(settings: Settings, pages: int) -> float:
    """SIGKILL after so many pages. Returns the seconds it had."""
    began = time.monotonic()
    with _reading(settings) as child:
        for line in child.stderr or ():
            if line.strip() == str(pages):
                break
        child.send_signal(signal.SIGKILL)
    return time.monotonic() - began


# -------------------------------------------------------------------- the other way


async def walk_one_by_one(origin: str, leads: int, sample: int) -> dict[str, float]:
    """Ask for the calls of each of `sample` leads, as many at once as we do, and extrapolate."""
    async with open_close(origin, SecretStr("key")) as close:
        ids = [one["id"] for one in (await close.get_leads(limit=min(200, sample))).items]
        asked = [str(ids[at % len(ids)]) for at in range(sample)]
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def ask(lead_id: str) -> None:
            async with gate:
                await close.get_calls({"lead_id": lead_id})

        began = time.monotonic()
        await asyncio.gather(*(ask(one) for one in asked))
        seconds = time.monotonic() - began
    return {"requests": leads + -(-leads // 200), "seconds": seconds / sample * leads}


# -------------------------------------------------------------------- measuring


def measure(leads: int, databases: list[str], sample: int) -> bool:
    reached = True
    with ExitStack() as open_things:
        directory = Path(open_things.enter_context(tempfile.TemporaryDirectory()))
        module = "mission_control_sandbox.close_server"
        origin = open_things.enter_context(
            sandbox_server(module, directory, "--people", str(leads))
        )
        there = httpx2.get(f"{origin}/sandbox/totals").json()
        console.print(
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
            f"Python {platform.python_version()}; the stand-in has {there['leads']} leads and "
            f"{there['calls']} calls"
        )
        other = asyncio.run(walk_one_by_one(origin, leads, sample))
        for name in databases:
            with _settings(name, origin, directory / name) as settings:
                reached = _measure_one(name, settings, there, other, sample) and reached
    return reached


def _measure_one(
    name: str, settings: Settings, there: dict[str, Any], other: dict[str, float], sample: int
) -> bool:
    first = read_in_a_process(settings)
    second = read_in_a_process(settings)
    table = Table(title=f"Reading Close into {name}")
    for column in (
        "",
        "requests",
        "for leads",
        "seconds",
        "own CPU s",
        "rows/s",
        "peak MB",
        "changed",
    ):
        table.add_column(column, justify="left" if column == "" else "right")
    for what, each in (("first", first), ("second", second)):
        _add(table, what, each)
    with _settings(
        name, settings.close_base_url or "", settings.data_dir.with_name(f"{name}-killed")
    ) as again:
        had = kill_half_way(again, first["pages"] // 2)
        resumed = read_in_a_process(again)
    _add(table, f"resumed, killed after {had:.0f} s", resumed)
    table.add_row(
        f"one call per lead ({sample} measured, the rest extrapolated)",
        f"{other['requests']:.0f}", "", f"{other['seconds']:.0f}", "", "", "", "",
    )  # fmt: skip
    console.print(table)
    wrong = [
        what
        for what, is_wrong in {
            "more requests for leads than allowed": (
                there["leads"] <= 30_000 and first["requests"]["lead"] > MOST_LEAD_REQUESTS
            ),
            "a second reading changed something": any(second["changed"].values()),
            "not all that is there": any(
                each["here"] != {"leads": there["leads"], "calls": there["calls"]}
                for each in (first, second, resumed)
            ),
            "a resumed reading began anew": (
                sum(resumed["requests"].values()) > 0.7 * sum(first["requests"].values())
            ),
        }.items()
        if is_wrong
    ]
    for each in wrong:
        console.print(f"[red]{name}: {each}")
    return not wrong


def _add(table: Table, what: str, each: dict[str, Any]) -> None:
    requests = each["requests"]
    rows = each["changed"]["leads"] + each["changed"]["calls"]
    table.add_row(
        what,
        str(sum(requests.values()) - requests.get("refused", 0)),
        str(requests.get("lead", 0)),
        f"{each['seconds']:.1f}",
        f"{each['cpu_seconds']:.1f}",
        f"{rows / each['seconds']:.0f}" if rows else "",
        f"{each['peak_mb']:.0f}",
        str(sum(each["changed"].values())),
    )


@contextmanager
def _settings(database: str, origin: str, directory: Path) -> Iterator[Settings]:
    """Of an empty database at the newest schema."""
    directory.mkdir(parents=True)
    with ExitStack() as open_things:
        if database == "sqlite":
            url = f"sqlite+aiosqlite:///{directory / 'database.db'}"
        else:
            server = open_things.enter_context(postgres_server())
            server.create("benchmark")
            url = server.url("benchmark")
        upgrade(url)
        yield Settings(
            _env_file=None, database_url=url, close_base_url=origin, mc_data_dir=directory,
            redis_url="redis://127.0.0.1:1/0",
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Read Close into the mirror.")
    parser.add_argument("--leads", type=int, default=30_000)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--sample", type=int, default=300)
    parser.add_argument("--read", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(asyncio.run(read(Settings(_env_file=None)))))
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    raise SystemExit(0 if measure(options.leads, options.databases, options.sample) else 1)


if __name__ == "__main__":
    main()
