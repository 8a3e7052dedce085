"""How quickly POST /webhooks/vapi answers, with what it says stored before the answer.

    .venv/bin/python -m benchmarks.webhooks [--single 200] [--rounds 12]

The API runs as it does in production (uvicorn, one process), on SQLite and on PostgreSQL. Each
message is the end-of-call report of another call, with a conversation of thirty turns. Exits with 1
when one of those that come alone has to wait too long (95th percentile), or when a call is missing
afterwards. Fifty at once are a burst: one process works on one message at a time, so the last one
waits for the others.
"""

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from mission_control.data.migrate import upgrade
from tests import services

TARGET_MS = 50.0
AT_ONCE = 50
ALONE = "one at a time"
HEADERS = {"Authorization": "Bearer sandbox"}
BEGAN_MS = 1_793_500_000_000


def a_report(number: int) -> dict[str, Any]:
    turns = [
        {
            "role": "user" if turn % 2 else "bot",
            "message": "What would a new roof cost for a farm house of this size? " * 2,
            "time": BEGAN_MS + turn * 4_000,
            "endTime": BEGAN_MS + turn * 4_000 + 3_000,
            "secondsFromStart": turn * 4.0,
        }
        for turn in range(30)
    ]
    return {
        "type": "end-of-call-report",
        "timestamp": BEGAN_MS + 130_000,
        "endedReason": "customer-ended-call",
        "cost": 0.1234,
        "artifact": {"messages": turns, "transcript": "\n".join(str(t["message"]) for t in turns)},
        "analysis": {"summary": "Asked what a roof costs.", "successEvaluation": "true"},
        "call": {"id": f"call-{number}", "createdAt": "2026-11-01T10:00:00.000Z"},
        "assistant": {"model": {"messages": [{"role": "system", "content": "A prompt. " * 600}]}},
    }


async def measure(origin: str, *, single: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds per answer, for messages that come alone and for fifty that come at once."""
    first = time.time_ns()  # calls that no earlier run has told of
    numbers = iter(range(first, first + 1_000_000))
    # Given up before the server does: it closes connections that were idle for five seconds.
    limits = httpx2.Limits(max_connections=AT_ONCE, keepalive_expiry=2)
    async with httpx2.AsyncClient(base_url=origin, limits=limits, trust_env=False) as http:

        async def send() -> float:
            body = {"message": a_report(next(numbers))}
            request = http.build_request("POST", "/webhooks/vapi", json=body, headers=HEADERS)
            started = time.perf_counter()
            answer = await http.send(request)
            took = (time.perf_counter() - started) * 1000
            if answer.json() != {"stored": True}:
                raise SystemExit(f"Not stored: {answer.status_code} {answer.text}")
            return took

        async def send_together() -> list[float]:
            return await asyncio.gather(*(send() for _ in range(AT_ONCE)))

        calls_before = (await http.get("/api/calls/totals")).json()["ended"]
        await send_together()  # the first ones compile statements
        alone = [await send() for _ in range(single)]
        await send_together()  # opens the connections again
        together = [took for _ in range(rounds) for took in await send_together()]
        totals = (await http.get("/api/calls/totals")).json()
    if totals["ended"] != next(numbers) - first + calls_before:
        raise SystemExit("A call is missing.")
    return {ALONE: alone, f"{AT_ONCE} at once": together}


def run(database: str, redis: str, directory: Path, options: argparse.Namespace) -> Any:
    upgrade(database)
    port = services.free_port()
    environment = {
        "DATABASE_URL": database.replace("+aiosqlite", "").replace("+psycopg", ""),
        "REDIS_URL": redis,
        "MC_DATA_DIR": str(directory / "data"),
        "MC_LOG_LEVEL": "warning",
    }
    application = "mission_control.api.app:application"
    command = (
        sys.executable, "-m", "uvicorn", "--factory", application, "--port", str(port),
        "--no-access-log", "--log-level", "warning",
    )  # fmt: skip
    with services.process(
        command,
        log=directory / "api.log",
        ready=lambda: services.accepts(port),
        environment=environment,
        cwd=directory,
    ):
        origin = f"http://127.0.0.1:{port}"
        return asyncio.run(measure(origin, single=options.single, rounds=options.rounds))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--single", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    table = Table(title="POST /webhooks/vapi: milliseconds until the answer, stored by then")
    for column in ("database", "messages", "n", "median", "p95", "worst", "target p95"):
        table.add_column(column, justify="left" if column in {"database", "messages"} else "right")
    missed = False
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="webhooks-")))
        redis = stack.enter_context(services.redis_server(directory))
        postgres = stack.enter_context(services.postgres_server())
        postgres.create("webhooks")
        sqlite = f"sqlite+aiosqlite:///{directory / 'database.db'}"
        for name, url in (("SQLite", sqlite), ("PostgreSQL", postgres.url("webhooks"))):
            for kind, times in run(url, redis, directory, options).items():
                p95 = statistics.quantiles(times, n=100)[94]
                alone = kind == ALONE
                missed |= alone and p95 > TARGET_MS
                figures = [f"{each:.1f}" for each in (statistics.median(times), p95, max(times))]
                target = f"{TARGET_MS:.0f}" if alone else "–"
                table.add_row(name, kind, str(len(times)), *figures, target)
    Console().print(table)
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    Console().print(f"{platform.machine()}, {os.cpu_count()} cores, load {load}; client beside it")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
