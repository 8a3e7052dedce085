"""How quickly the product answers at a million calls, through its API, on both databases.

    python -m benchmarks.at_size [--calls 1000000] [--leads 300000] [--turns 1000000]
                                 [--requests 60] [--databases sqlite postgres] [--keep DIRECTORY]

Fills each database in bulk with a year of calls, leads and turns (words as unequally frequent as in
any language), starts the API on it as in production (uvicorn, one process), and asks. Each question
is asked with other values every time. Beside it the statement that the product sent before there
were these indexes, on the same rows in the same run, and the figure taken on 72,058 calls on
27 November 2026. Exits with 1 when a goal is missed or totals are not what the calls come to.

With `--keep` the databases stay in that directory, and what is there already is not filled again.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks import webhooks
from benchmarks._at_size_fill import (
    NEWEST,
    PERIOD,
    SPECIALS,
    Size,
    Talk,
    everything,
    fill_postgres,
    fill_sqlite,
    number_of,
)
from mission_control.data.engine import create_engine
from mission_control.data.maintenance import in_one_transaction
from mission_control.data.migrate import upgrade
from tests import services

console = Console(width=150)
LIST_MS, TEXT_MS, TOTALS_MS, AGENT_MS, MEMORY_MS, WEBHOOK_MS = 20, 50, 50, 20, 60, 25
FORMER_REPEATS = 3
DATABASE = "database.db"

Ask = Callable[[httpx2.AsyncClient, random.Random], Awaitable[httpx2.Response]]


@dataclass
class Question:
    name: str
    goal: float
    ask: Ask
    on_27_november: str = ""
    former: str | None = None  # the statement of before, by database
    times: list[float] = field(default_factory=list)


def get(path: str, **params: Callable[[random.Random], Any]) -> Ask:
    async def ask(http: httpx2.AsyncClient, chance: random.Random) -> httpx2.Response:
        return await http.get(path, params={name: value(chance) for name, value in params.items()})

    return ask


def always(value: Any) -> Callable[[random.Random], Any]:
    return lambda _: value


def one_of(*values: Any) -> Callable[[random.Random], Any]:
    return lambda chance: chance.choice(values)


def some_time(chance: random.Random) -> str:
    return (NEWEST - PERIOD * chance.random()).isoformat()


def totals_between(http: httpx2.AsyncClient, chance: random.Random) -> Awaitable[httpx2.Response]:
    end = NEWEST - PERIOD * chance.random() * 0.5
    start = end - PERIOD * chance.random() * 0.5 - timedelta(hours=1)
    return http.get("/api/calls/totals", params={"from": start.isoformat(), "to": end.isoformat()})


def remembered(words: Callable[[random.Random], str]) -> Ask:
    async def ask(http: httpx2.AsyncClient, chance: random.Random) -> httpx2.Response:
        return await http.post("/api/memory/search", json={"query": words(chance)})

    return ask


FORMER_TEXT = (
    "SELECT calls.id FROM calls LEFT JOIN call_contents ON call_contents.call_id = calls.id WHERE "
    + " OR ".join(
        f"lower({place}) LIKE '%qqxyzzy%'"
        for place in (
            "calls.summary",
            "call_contents.transcript",
            "calls.customer_name",
            "calls.customer_number",
        )
    )
    + " ORDER BY calls.created_at DESC, calls.id DESC LIMIT 51"
)
FORMER_TOTALS = {
    "sqlite": "SELECT agent_id, substr(created_at, 1, 10), ending, success, count(*), count(cost_usd),"
    " sum(CAST(replace(cost_usd, '.', '') AS INTEGER)), sum(duration_seconds) FROM calls GROUP BY 1, 2, 3, 4",
    "postgresql": "SELECT agent_id, to_char(timezone('UTC', created_at), 'YYYY-MM-DD'), ending, success,"
    " count(*), count(cost_usd), sum(CAST(cost_usd / 0.00000001 AS NUMERIC(38, 0))), sum(duration_seconds)"
    " FROM calls GROUP BY 1, 2, 3, 4",
}
FORMER_LEADS = "SELECT id FROM leads WHERE search_text LIKE '%qqxyzzy%' ORDER BY created_at DESC, id DESC LIMIT 51"
FORMER_REASON = "SELECT id FROM calls WHERE ended_reason = 'other-ended-call' ORDER BY created_at DESC, id DESC LIMIT 51"


def questions(size: Size, talk: Talk) -> list[Question]:
    calls, found = "/api/calls", talk.of_rank

    def words(*ranks: tuple[int, int]) -> Callable[[random.Random], str]:
        return lambda chance: " ".join(found(chance.randrange(*each)) for each in ranks)

    def listed(name: str, **params: Callable[[random.Random], Any]) -> Question:
        return Question(f"calls {name}", LIST_MS, get(calls, limit=always(50), **params))

    def said(name: str, wanted: Callable[[random.Random], Any], **more: Any) -> Question:
        return Question(f"calls, text: {name}", TEXT_MS, get(calls, text=wanted, **more))

    plain = listed("newest")
    plain.on_27_november = "5.4 / 6.9"
    nobody = said("a word nobody said", lambda chance: f"qqxyzzy{chance.randrange(10**6)}")
    nobody.on_27_november, nobody.former = "262 / 293", FORMER_TEXT
    common = said("a common word", words((0, 5)))
    common.on_27_november = "7.4 / 14.7"
    rare_reason = listed("by a rare ended_reason", ended_reason=always("other-ended-call"))
    rare_reason.former = FORMER_REASON
    everything_ = Question(
        "totals of everything", TOTALS_MS, get("/api/calls/totals"), "148 / 284", "totals"
    )
    leads = Question("leads newest", LIST_MS, get("/api/leads", limit=always(50)), "6.8 / 7.9")
    no_lead = Question(
        "leads, search: not there", TEXT_MS, get("/api/leads", search=lambda c: f"qqxyzzy{c.randrange(10**6)}"),
        "55 / 62", FORMER_LEADS,
    )  # fmt: skip
    return [
        plain,
        listed("by agent", agent_id=one_of("remus", "genesis", "scout")),
        listed("by version", assistant_version=lambda chance: f"v{chance.randrange(45)}"),
        listed("by ending", ending=one_of("customer", "error", "time_limit", "other")),
        rare_reason,
        listed("by success", success=one_of("true", "false")),
        listed("by direction", direction=one_of("inbound", "outbound", "web")),
        listed("by source", source=one_of("vapi", "close")),
        listed("by lead", lead_id=lambda chance: f"lead_{chance.randrange(size.leads)}"),
        listed("up to a moment", to=some_time),
        listed("by cost, many", min_cost=lambda chance: round(chance.random() * 0.35, 4)),
        listed("by cost, few", min_cost=lambda chance: 15 + round(chance.random(), 4)),
        listed("by agent and time", agent_id=one_of("remus", "scout"), to=some_time),
        common,
        said("a word in one call of a hundred", words((150, 300))),
        said("a rare word", words((10_000, 20_000))),
        nobody,
        said("two words", words((0, 40), (40, 400))),
        said("a name and a number", lambda chance: f"Name{chance.randrange(50_000)} order"),
        said("part of a telephone number", lambda chance: number_of(chance.randrange(size.leads))[-7:]),
        said("Chinese, Thai, accents", one_of("返金", "ขอคืนเงิน", SPECIALS[0], "CAFE facture", "izmir")),
        said("a common word of one agent", words((0, 5)), agent_id=one_of("remus", "scout")),
        said("a common word up to a moment", words((0, 5)), to=some_time),
        everything_,
        Question("totals of any range", TOTALS_MS, totals_between),
        Question("totals of an agent", TOTALS_MS, get("/api/calls/totals", agent_id=one_of("remus", "scout"), to=some_time)),
        leads,
        Question("leads by status", LIST_MS, get("/api/leads", status=lambda chance: f"Status {chance.randrange(9)}")),
        Question("leads, search: a name", TEXT_MS, get("/api/leads", search=lambda c: f"Ada{c.randrange(3_000)} lovelace")),
        Question("leads, search: a number", TEXT_MS, get("/api/leads", search=lambda c: number_of(c.randrange(size.leads)))),
        no_lead,
        Question("agents/remus", AGENT_MS, get("/api/agents/remus"), "22 / 155"),
        Question("memory search, rare words", MEMORY_MS, remembered(words((3_000, 20_000), (3_000, 20_000))), "63 / 79"),
        Question("memory search, a question", MEMORY_MS, remembered(words((0, 60), (60, 600), (600, 6_000), (6_000, 20_000)))),
        Question("memory search, common words", MEMORY_MS, remembered(words((0, 20), (0, 20), (20, 60)))),
        Question("memory/hybrid", MEMORY_MS, get("/api/memory/hybrid"), "60 / 81"),
    ]  # fmt: skip


# -------------------------------------------------------------------- measuring


async def measure(origin: str, asked: list[Question], requests: int) -> None:
    limits = httpx2.Limits(max_connections=1, keepalive_expiry=2)
    async with httpx2.AsyncClient(
        base_url=origin, limits=limits, trust_env=False, timeout=60
    ) as http:
        for question in asked:
            chance = random.Random(question.name)
            for number in range(requests + 3):
                began = time.perf_counter()
                answer = await question.ask(http, chance)
                took = (time.perf_counter() - began) * 1000
                if answer.status_code != 200:
                    raise SystemExit(f"{question.name}: {answer.status_code} {answer.text[:500]}")
                if number >= 3:  # the first ones compile statements
                    question.times.append(took)


async def time_former(engine: AsyncEngine, statement: str) -> float:
    """Median milliseconds of the statement of before, which has no API any more."""
    dialect = engine.dialect.name
    sql = FORMER_TOTALS[dialect] if statement == "totals" else statement
    times: list[float] = []
    async with engine.connect() as connection:
        for _ in range(FORMER_REPEATS):
            began = time.perf_counter()
            (await connection.execute(text(sql))).all()
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


async def formerly(url: str, asked: list[Question]) -> dict[str, float]:
    engine = create_engine(url)
    try:
        return {each.name: await time_former(engine, each.former) for each in asked if each.former}
    finally:
        await engine.dispose()


def sum_up(url: str) -> float:
    """Rebuild the totals. Returns the seconds that it took."""
    began = time.perf_counter()
    asyncio.run(in_one_transaction(url, lambda uow: uow.call_totals.rebuild()))
    return time.perf_counter() - began


def wrong_sums(url: str) -> int:
    found = in_one_transaction(url, lambda uow: uow.call_totals.differences(), readonly=True)
    return len(asyncio.run(found))


async def disk(url: str, path: Path) -> str:
    if url.startswith("sqlite"):
        return f"{path.stat().st_size / 1e9:.2f} GB"
    engine = create_engine(url)
    async with engine.connect() as connection:
        size = await connection.scalar(text("SELECT pg_database_size(current_database())"))
    await engine.dispose()
    return f"{(size or 0) / 1e9:.2f} GB"


@contextmanager
def api(url: str, redis: str, directory: Path) -> Generator[str]:
    port = services.free_port()
    environment = {
        "DATABASE_URL": url.replace("+aiosqlite", "").replace("+psycopg", ""),
        "REDIS_URL": redis, "MC_DATA_DIR": str(directory / "data"), "MC_LOG_LEVEL": "warning",
    }  # fmt: skip
    command = (
        sys.executable, "-m", "uvicorn", "--factory", "mission_control.api.app:application",
        "--port", str(port), "--no-access-log", "--log-level", "warning",
    )  # fmt: skip
    with services.process(
        command, log=directory / "api.log", ready=lambda: services.accepts(port),
        environment=environment, cwd=services.REPOSITORY,
    ):  # fmt: skip
        yield f"http://127.0.0.1:{port}"


def make_agents(origin: str) -> None:
    for name in ("remus", "genesis", "scout"):
        playbook = (services.REPOSITORY / "agents" / f"{name}.yaml").read_text()
        answer = httpx2.post(
            f"{origin}/api/agents", json={"playbook": playbook}, timeout=120, trust_env=False
        )
        if answer.status_code != 201:
            raise SystemExit(f"{name} cannot be imported: {answer.status_code} {answer.text[:500]}")


def fill(name: str, url: str, redis: str, directory: Path, size: Size, talk: Talk) -> None:
    """Unless it is there, of this size."""
    note = directory / "filled.json"
    upgrade(url)  # what was kept may be of an older release
    if note.exists():
        if json.loads(note.read_text()) != asdict(size):
            raise SystemExit(f"{directory} holds another size: {note.read_text()}.")
        return
    began = time.perf_counter()
    with api(url, redis, directory) as origin:
        make_agents(origin)
    made = everything(size, talk)
    if name == "sqlite":
        fill_sqlite(directory / DATABASE, made, console.log)
    else:
        fill_postgres(url, made, console.log)
    seconds = sum_up(url)
    console.log(f"totals: {seconds:.1f} s; {name} filled in {time.perf_counter() - began:.0f} s")
    note.write_text(json.dumps(asdict(size)))


def run(name: str, url: str, redis: str, directory: Path, options: argparse.Namespace) -> bool:
    size, talk = Size(options.calls, options.leads, options.turns), Talk()
    fill(name, url, redis, directory, size, talk)
    asked = questions(size, talk)
    with api(url, redis, directory) as origin:
        load = os.getloadavg()[0]
        asyncio.run(measure(origin, asked, options.requests))
        times = asyncio.run(webhooks.measure(origin, single=100, rounds=10))
    former = asyncio.run(formerly(url, asked)) if options.former else {}
    for kind, took in times.items():
        goal = WEBHOOK_MS if "at once" in kind else webhooks.TARGET_MS
        asked.append(Question(f"webhook, {kind}", goal, get(""), times=took))
    wrong = wrong_sums(url)
    missed = show(name, asked, former)
    console.print(
        f"{size.calls:,} calls, {size.leads:,} leads, {size.turns:,} turns in "
        f"{asyncio.run(disk(url, directory / DATABASE))}; {options.requests} requests each, one at a "
        f"time; load {load:.1f} to {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores "
        f"({platform.machine()}), client beside it. Wrong sums: {wrong}."
    )
    return missed or wrong > 0


def show(name: str, asked: list[Question], former: dict[str, float]) -> bool:
    table, missed = Table(title=f"{name}: milliseconds until the answer"), False
    for column in (
        "",
        "median",
        "p95",
        "goal p95",
        "former statement here",
        "27 Nov, 72,058 calls",
    ):
        table.add_column(column, justify="left" if not column else "right")
    for each in asked:
        p95 = statistics.quantiles(each.times, n=20)[-1]
        missed |= p95 > each.goal
        marked = f"[red]{p95:.1f}[/]" if p95 > each.goal else f"{p95:.1f}"
        before = f"{former[each.name]:,.0f}" if each.name in former else ""
        table.add_row(
            each.name,
            f"{statistics.median(each.times):.1f}",
            marked,
            f"{each.goal:.0f}",
            before,
            each.on_27_november,
        )
    console.print(table)
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--leads", type=int, default=300_000)
    parser.add_argument("--turns", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument(
        "--databases", nargs="+", default=["sqlite", "postgres"], choices=["sqlite", "postgres"]
    )
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY")
    parser.add_argument("--former", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    missed = False
    with ExitStack() as stack:
        made = stack.enter_context(tempfile.TemporaryDirectory(prefix="at-size-"))
        redis = stack.enter_context(services.redis_server(Path(made)))
        for name in options.databases:
            directory = (options.keep or Path(made)) / name
            directory.mkdir(parents=True, exist_ok=True)
            with database(name, directory, is_kept=options.keep is not None) as url:
                missed |= run(name, url, redis, directory, options)
            if options.keep is None:
                shutil.rmtree(directory)
    return int(missed)


@contextmanager
def database(name: str, directory: Path, *, is_kept: bool) -> Generator[str]:
    if name == "sqlite":
        yield f"sqlite+aiosqlite:///{directory / DATABASE}"
        return
    with services.postgres_server(directory if is_kept else None) as postgres:
        if not (directory / "filled.json").exists():
            postgres.create("at_size")
        yield postgres.url("at_size")


if __name__ == "__main__":
    sys.exit(main())
