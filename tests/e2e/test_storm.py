"""Everything is killed again and again while an optimization runs: nothing is lost or paid twice."""

import asyncio
import json
import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.harness import Api, Product, ids, parent_of, running, wait_until

SEED = 20_261_123
LATENCY_MS = 200
CONCURRENCY = 4
KILLS = (
    *("engine",) * 5,
    *("worker child",) * 4,
    *("worker",) * 3,
    *("warm engine",) * 3,
    *("api",) * 3,
    *("redis",) * 3,
)
PAUSE = (0.1, 1.5)  # seconds that the product is left alone between two kills
ENGINE = "engine_host"
TRIAL = ("number", "parent", "accepted", "validation_score", "sample_score", "prompt")


@pytest.fixture
def slow_product(tmp_path: Path) -> Iterator[Product]:
    settings = {"MC_SANDBOX_LATENCY_MS": str(LATENCY_MS), "MC_WORKER_PROCESSES": "2"}
    with running(tmp_path, **settings) as product:
        yield product


# -------------------------------------------------------------------- what is looked at


class Witness:
    """Looks into the database and the journals all the time, and remembers what it saw there."""

    def __init__(self, product: Product) -> None:
        self.trials: dict[int, tuple[Any, ...]] = {}
        self.changed: list[str] = []
        self._product = product
        self._kept = product.home / "journals"
        self._kept.mkdir()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._over.wait(0.1):
            self._keep_journals()
            self._see_trials(query(self._product, f"SELECT {', '.join(TRIAL)} FROM trials"))

    def _keep_journals(self) -> None:
        """The product removes a finished job's journals; a second name keeps their content."""
        for journal in self._product.data_dir.glob("runs/*/*/calls.jsonl"):
            with suppress(FileExistsError, FileNotFoundError):
                os.link(journal, self._kept / f"{journal.parts[-3]}-{journal.parts[-2]}.jsonl")

    def _see_trials(self, rows: list[tuple[Any, ...]]) -> None:
        now = {row[0]: row for row in rows}
        for number, seen in self.trials.items():
            if now.get(number) != seen:
                self.changed.append(f"trial {number}: {seen} became {now.get(number)}")
        self.trials.update(now)

    def paid(self) -> list[tuple[str, str, int]]:
        """Every model call in a journal: which journal, which question, the how-manieth time."""
        calls: list[tuple[str, str, int]] = []
        for journal in self._kept.iterdir():
            for line in journal.read_bytes().splitlines():
                with suppress(ValueError):  # torn by a kill: this call was not used
                    call = json.loads(line)
                    calls.append((journal.name, call["key"], call["number"]))
        return calls


def query(product: Product, statement: str) -> list[tuple[Any, ...]]:
    address = f"file:{product.data_dir / 'database.db'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=5)) as database:
        return database.execute(statement).fetchall()


def lease_holder(product: Product) -> int | None:
    """The worker process that has the optimization in its hands."""
    rows = query(product, "SELECT lease_owner FROM jobs WHERE status = 'running'")
    return int(rows[0][0].split(":")[1]) if rows and rows[0][0] else None


def engines_of(product: Product, parent: int | None) -> list[int]:
    return product.children(parent, ENGINE) if parent is not None else []


# -------------------------------------------------------------------- what is killed


@dataclass
class Storm:
    """Kills one process of a kind, and knows when the product has got over it."""

    product: Product
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter[str])
    told: list[str] = field(default_factory=list[str])

    async def blow(self) -> None:
        kinds = list(KILLS)
        self.chance.shuffle(kinds)
        for kind in kinds:
            await self.strike(kind)

    async def strike(self, kind: str) -> None:
        await asyncio.sleep(self.chance.uniform(*PAUSE))
        async with asyncio.timeout(45):
            while (pid := await asyncio.to_thread(self._target, kind)) is None:
                await asyncio.sleep(0.1)
        self.kill(kind, pid)

    def kill(self, kind: str, pid: int) -> None:
        self.told.append(f"{time.strftime('%H:%M:%S')} {kind} {pid}")
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[kind] += 1

    def _target(self, kind: str) -> int | None:
        """Something to kill: only what is at work, so that every kill hurts."""
        if kind in {"api", "redis"}:
            return self.product.part(kind)
        if kind == "warm engine":
            return next(iter(engines_of(self.product, self.product.part("api"))), None)
        holder = lease_holder(self.product)
        searching = engines_of(self.product, holder)
        if holder is None or not searching:
            return None
        return {"engine": searching[0], "worker child": holder, "worker": self.product.part("worker")}[
            kind
        ]

    @property
    def lost_searches(self) -> int:
        return sum(self.killed[kind] for kind in ("engine", "worker child", "worker"))


async def test_an_optimization_survives_a_storm_of_kills(slow_product: Product) -> None:
    product, storm = slow_product, Storm(slow_product, random.Random(SEED))
    with product.client() as api:
        api.import_agent("remus")
        job = api.post("optimize/remus", {"auto": "light", "concurrency": CONCURRENCY})
    first, second = product.watch("optimize/remus"), product.watch("optimize/remus")
    with Witness(product) as witness:
        async with first.watching(), second.watching():
            await storm.blow()
            print(*storm.told, sep="\n")
            await first.until_event("optimization.completed", 120)
            await second.until_event("optimization.completed", 10)
    stats = httpx2.get(f"{product.model}/stats").json()
    print(stats, len(witness.paid()), len(set(witness.paid())), first.connected)
    stream = await product.stream("optimize:remus")
    print(Counter(e["type"] for e in stream), len(first.events), len(second.events), len(witness.trials))
    print(query(product, "select status, attempts, lease_owner, exclusive_key, error from jobs"))
    print(query(product, "select status, phase, verdict, improvement_pct from optimizations"))
    print([e["data"]["number"] for e in stream if e["type"] == "optimization.trial_finished"])
    print(witness.changed)
    assert 0
