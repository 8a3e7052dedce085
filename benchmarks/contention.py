"""Measures how long an operator's work waits while the product indexes calls for itself.

    python -m benchmarks.contention [--calls 100000] [--databases sqlite postgres] [--rounds 5]
                                    [--beside CHECKOUT]

The product is started by its own command, with the stand-in model and without any `nice`. Calls
that nobody has indexed lie in its database, and eight messages ask for it, as many as a scheduler
sends in eight minutes to workers that are busy. Then optimizations and deployments are asked for,
one after the other, and the job's own times say how long each waited for a worker, and how long a
deployment took to its end. `--beside` measures another checkout in the same run, for the
difference. Exits with 1 when this one keeps an optimization waiting for more than two seconds or a
deployment for more than one, or when indexing was over before the last of them.
"""

import argparse
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import httpx2
import psycopg
from rich.console import Console
from rich.table import Table

from tests.builders import a_playbook
from tests.services import free_ports_in_a_row, postgres_server

HERE = Path(__file__).parents[1]
OPTIMIZATION_SECONDS, DEPLOYMENT_SECONDS = 2.0, 1.0
MOST_SECONDS = 60.0  # then it is known that it waits
START_SECONDS = 180.0
console = Console(width=120)


@dataclass
class Measured:
    """Seconds: until a worker took the job, and until a deployment was over."""

    optimizations: list[float] = field(default_factory=list[float])
    deployments: list[float] = field(default_factory=list[float])
    deployed: list[float] = field(default_factory=list[float])
    indexed_before: int = 0
    indexed_after: int = 0
    load: float = 0.0


@dataclass(frozen=True)
class Product:
    """One checkout, and where it runs."""

    checkout: Path
    home: Path
    environment: dict[str, str]
    database: str | None  # PostgreSQL's; None: SQLite

    def python(self, *arguments: str) -> list[str]:
        return [sys.executable, *arguments]

    def run(self, *arguments: str) -> None:
        subprocess.run(self.python(*arguments), env=self.environment, cwd=HERE, check=True)

    def indexed(self) -> int:
        statement = "SELECT count(*) FROM conversations"
        if self.database is None:
            place = f"file:{self.home / 'data' / 'database.db'}?mode=ro"
            connection = sqlite3.connect(place, uri=True, timeout=20)
            try:
                return connection.execute(statement).fetchone()[0]
            finally:
                connection.close()
        with psycopg.connect(self.database) as postgres:
            row = postgres.execute(statement).fetchone()
            return row[0] if row else 0


def product_of(checkout: Path, home: Path, database: str | None) -> Product:
    port = free_ports_in_a_row(5)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{checkout / 'src'}:{HERE}",
        "MC_DATA_DIR": str(home / "data"),
        "MC_API_PORT": str(port),
        "MC_UI_PORT": str(port + 4),
        "MC_DEMO": "0",
        "MC_SANDBOX_LEADS": "1",
        "MC_SANDBOX_LIVE": "0",
        "MC_SANDBOX_LATENCY_MS": "200",
        **({"DATABASE_URL": database} if database else {}),
    }
    return Product(checkout, home, environment, database)


# -------------------------------------------------------------------- the product, and its operator


@contextmanager
def running(product: Product) -> Generator[httpx2.Client]:
    terminal = product.home / "terminal"
    with terminal.open("wb") as output:
        command = product.python("-m", "mission_control.supervisor")
        child = subprocess.Popen(
            command, env=product.environment, cwd=product.home, stdout=output, stderr=output
        )
    try:
        end = time.monotonic() + START_SECONDS
        while "Ctrl-C stops everything." not in terminal.read_text():
            if child.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"The product did not start:\n{terminal.read_text()}")
            time.sleep(0.2)
        origin = f"http://127.0.0.1:{product.environment['MC_API_PORT']}"
        with httpx2.Client(base_url=origin, timeout=60) as api:
            yield api
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def measure(product: Product, calls: int, rounds: int) -> Measured:
    measured = Measured()
    product.run("-m", "benchmarks._indexing_load", "fill", str(calls))
    with running(product) as api:
        for agent in ("ada", "bea"):
            answer = api.post("/api/agents", json={"playbook": a_playbook(agent)})
            answer.raise_for_status()
        product.run("-m", "benchmarks._indexing_load", "ask")
        while product.indexed() == 0:
            time.sleep(0.2)
        time.sleep(5)  # by now every worker that would take such a task has one
        measured.indexed_before = product.indexed()
        for _ in range(rounds):
            # What is stuck blocks the next of its kind, and one such wait says enough.
            if not all([deploy(api, measured), optimize(api, measured)]):
                break
        measured.indexed_after = product.indexed()
        measured.load = os.getloadavg()[0]
    return measured


def deploy(api: httpx2.Client, measured: Measured) -> bool:
    job = asked(api, "/api/optimize/bea/deploy", {"version": 1, "force": True})
    job = until(api, job, "completed")
    measured.deployments.append(waited(job))
    measured.deployed.append(between(job["created_at"], job["finished_at"]))
    return job["status"] == "completed"


def optimize(api: httpx2.Client, measured: Measured) -> bool:
    """Ended as soon as it runs: what it finds is of no interest here."""
    job = asked(api, "/api/optimize/ada", {"max_metric_calls": 60, "repetitions": 1})
    job = until(api, job, "running")
    measured.optimizations.append(waited(job))
    api.post(f"/api/jobs/{job['id']}/cancel")
    return until(api, job, "cancelled")["status"] == "cancelled"


def asked(api: httpx2.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(path, json=body)
    answer.raise_for_status()
    return answer.json()


def until(api: httpx2.Client, job: dict[str, Any], status: str) -> dict[str, Any]:
    """The job when it has this status, or as it is when nobody would wait any more."""
    end = time.monotonic() + MOST_SECONDS
    while job["status"] in {"queued", "running"} and job["status"] != status:
        if time.monotonic() > end:
            break
        time.sleep(0.05)
        job = api.get(f"/api/jobs/{job['id']}").json()
    return job


def waited(job: dict[str, Any]) -> float:
    return between(job["created_at"], job["started_at"])


def between(begin: str, end: str | None) -> float:
    """Infinite for what had not come when nobody would wait any more."""
    if end is None:
        return float("inf")
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


# -------------------------------------------------------------------- the table


def shown(seconds: list[float]) -> str:
    return f"{one(median(seconds))} / {one(max(seconds))}"


def one(seconds: float) -> str:
    return f"> {MOST_SECONDS:.0f}" if seconds == float("inf") else f"{seconds:.2f}"


def table(rows: dict[tuple[str, str], Measured], calls: int) -> Table:
    made = Table(title=f"{calls:,} calls to index; seconds, median / worst of the rounds")
    for heading in ("checkout", "database", "optimization starts", "deployment starts",
                    "deployment is over", "indexed meanwhile", "load"):  # fmt: skip
        made.add_column(heading)
    for (checkout, database), found in rows.items():
        made.add_row(
            checkout, database, shown(found.optimizations), shown(found.deployments),
            shown(found.deployed), f"{found.indexed_before:,} to {found.indexed_after:,}",
            f"{found.load:.1f}",
        )  # fmt: skip
    return made


def misses(name: str, found: Measured, calls: int) -> Iterator[str]:
    if max(found.optimizations) > OPTIMIZATION_SECONDS:
        yield f"{name}: an optimization waited {one(max(found.optimizations))} s"
    if max(found.deployments) > DEPLOYMENT_SECONDS:
        yield f"{name}: a deployment waited {one(max(found.deployments))} s"
    if found.indexed_after >= calls:
        yield f"{name}: indexing was over before the last measurement; take more calls"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgres"])
    parser.add_argument("--beside", type=Path, help="another checkout, to compare with")
    chosen = parser.parse_args()
    checkouts = {"this one": HERE}
    if chosen.beside is not None:
        checkouts = {str(chosen.beside.name): chosen.beside.absolute()} | checkouts
    rows: dict[tuple[str, str], Measured] = {}
    with ExitStack() as services:
        for database in chosen.databases:
            for name, checkout in checkouts.items():
                home = Path(services.enter_context(tempfile.TemporaryDirectory()))
                url = None
                if database == "postgres":
                    postgres = services.enter_context(postgres_server())
                    postgres.create("contention")
                    url = postgres.url("contention").replace("+psycopg", "")
                product = product_of(checkout, home, url)
                rows[name, database] = measure(product, chosen.calls, chosen.rounds)
                console.print(name, database, rows[name, database])
    console.print(table(rows, chosen.calls))
    missed = [
        each
        for (name, database), found in rows.items()
        if name == "this one"
        for each in misses(database, found, chosen.calls)
    ]
    for each in missed:
        console.print(f"[red]{each}[/red]")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
