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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from redis import Redis
from redis.exceptions import RedisError

from mission_control.data.event_streams import stream_key
from tests.e2e.harness import Api, Product, ids, parent_of, running, wait_until
from tests.services import HANG_SECONDS

SEED = 20_261_123
LATENCY_MS = 200
CONCURRENCY = 4
SEARCH = {"auto": "light", "concurrency": CONCURRENCY}
OF_THE_SEARCH = (*("engine",) * 5, *("worker child",) * 4, *("worker",) * 3)
# The API's process is the one that publishes: it dies when events are stored and not published yet,
# and when they are published and not removed yet.
BEFORE_PUBLISHING, BEFORE_REMOVING = "relay before publishing", "relay before removing"
OF_THE_OUTBOX = (*(BEFORE_PUBLISHING,) * 2, *(BEFORE_REMOVING,) * 2)
BESIDE_IT = (*("warm engine",) * 3, *("api",) * 2, *("redis",) * 3, *OF_THE_OUTBOX)
# Seconds from when a process is seen at work to its end.
PAUSE = {
    **dict.fromkeys(OF_THE_SEARCH, (0.1, 1.2)),
    **dict.fromkeys(BESIDE_IT, (1.0, 5.0)),
    **dict.fromkeys(OF_THE_OUTBOX, (0.5, 2.0)),
}
ENGINE = "engine_host"
TRIALS = """
    SELECT number, parent, accepted, validation_score, sample_score, prompt, trials.created_at
    FROM trials JOIN optimizations ON optimizations.id = optimization_id WHERE agent_id = ?
"""
JOBS = """
    SELECT status, error, lease_owner, lease_expires_at, exclusive_key FROM jobs WHERE agent_id = ?
"""


@pytest.fixture(scope="module")
def slow_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product of these tests' own: nobody else would enjoy it."""
    settings = {"MC_SANDBOX_LATENCY_MS": str(LATENCY_MS), "MC_WORKER_PROCESSES": "2"}
    with running(tmp_path_factory.mktemp("storm"), **settings) as product:
        yield product


# -------------------------------------------------------------------- what is looked at


class Witness:
    """Looks into the database and the journals all the time, and remembers what it saw there."""

    def __init__(self, product: Product, agent: str) -> None:
        self.trials: dict[int, tuple[Any, ...]] = {}
        self.changed: list[str] = []
        self._product = product
        self._agent = agent
        self._kept = product.home / "journals" / agent
        self._kept.mkdir(parents=True)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "Witness":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._over.wait(0.04):
            self._keep_journals()
            self._see_trials(query(self._product, TRIALS, self._agent))

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


def query(product: Product, statement: str, *values: str) -> list[tuple[Any, ...]]:
    address = f"file:{product.data_dir / 'database.db'}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=HANG_SECONDS)) as database:
        return database.execute(statement, values).fetchall()


def lease_holder(product: Product) -> int | None:
    """The worker process that has the optimization in its hands."""
    rows = query(product, "SELECT lease_owner FROM jobs WHERE status = 'running'")
    return int(rows[0][0].split(":")[1]) if rows and rows[0][0] else None


def engines_of(product: Product, parent: int | None) -> list[int]:
    return product.children(parent, ENGINE) if parent is not None else []


# -------------------------------------------------------------------- what is killed


@dataclass
class Storm:
    """Kills one process after the other, each at a moment nobody could choose."""

    product: Product
    chance: random.Random
    killed: Counter[str] = field(default_factory=Counter[str])
    told: list[str] = field(default_factory=list[str])
    paid_before: int = 0

    async def rage(self) -> None:
        """What searches and compares is killed, and meanwhile all that stands beside it.

        On a quick machine the comparison is over before everything beside it was killed.
        """
        async with asyncio.TaskGroup() as together:
            together.create_task(self._over_the_work())
            together.create_task(self._strike_all(list(BESIDE_IT)))

    async def _over_the_work(self) -> None:
        await self._strike_all(list(OF_THE_SEARCH))
        await self._over_the_comparison()

    async def _strike_all(self, kinds: list[str]) -> None:
        self.chance.shuffle(kinds)
        for kind in kinds:
            await self.strike(kind)

    async def _over_the_comparison(self) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while not query(self.product, "SELECT 1 FROM optimizations WHERE phase = 'comparing'"):
                await asyncio.sleep(0.05)
        for kind in ("engine", "worker child"):
            await self.strike(kind)

    async def strike(self, kind: str) -> None:
        await self._until(lambda: self._target(kind) is not None)
        await asyncio.sleep(self.chance.uniform(*PAUSE[kind]))
        await self._until(lambda: self._kill(kind))
        if kind in OF_THE_SEARCH:
            self.paid_before = paid_bytes(self.product)
        if kind == "warm engine":
            await asyncio.to_thread(self.compile)

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(HANG_SECONDS):
            while not await asyncio.to_thread(true):
                await asyncio.sleep(0.05)

    def _kill(self, kind: str) -> bool:
        pid = self._target(kind)
        if pid is None or not self._is_the_moment(kind, pid):
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.killed[kind] += 1
        self.told.append(f"{time.strftime('%H:%M:%S')} {kind} {pid}")
        return True

    def _is_the_moment(self, kind: str, pid: int) -> bool:
        """Of the outbox only: elsewhere every moment will do."""
        if kind == BEFORE_PUBLISHING:
            return self._has_stopped_before_publishing(pid)
        if kind == BEFORE_REMOVING:
            waiting = last_event_in_outbox(self.product)
            return waiting > 0 and waiting == last_event_in_streams(self.product)
        return True

    def _has_stopped_before_publishing(self, pid: int) -> bool:
        """Stop it until there is an event that only the database knows."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            known = last_event_in_outbox(self.product)
            for _ in range(60):
                if last_event_in_outbox(self.product) > known:
                    return True
                time.sleep(0.05)
            os.kill(pid, signal.SIGCONT)
        return False

    def compile(self) -> None:
        """Whoever needs the engine next gets a new one, and notices nothing."""
        wait_until(self._api_answers, "the API to answer")
        with self.product.client() as api:
            api.post("agents/remus/compile", expect=200)

    def _api_answers(self) -> bool:
        with suppress(httpx2.TransportError):
            return httpx2.get(f"{self.product.origin}/healthz").status_code == 200
        return False

    def _target(self, kind: str) -> int | None:
        """Something to kill: only what is at work, so that every kill hurts."""
        if kind in {"api", "redis"}:
            return self.product.part(kind)
        if kind in OF_THE_OUTBOX:
            return self.product.part("api")
        if kind == "warm engine":
            return next(iter(engines_of(self.product, self.product.part("api"))), None)
        holder = lease_holder(self.product)
        engines = engines_of(self.product, holder)
        if holder is None or not engines or paid_bytes(self.product) <= self.paid_before:
            return None
        worker = self.product.part("worker-engine")
        return {"engine": engines[0], "worker child": holder, "worker": worker}[kind]

    @property
    def ended_searches(self) -> int:
        return sum(self.killed[kind] for kind in OF_THE_SEARCH)


def last_event_in_outbox(product: Product) -> int:
    return int(query(product, "SELECT coalesce(max(id), 0) FROM outbox_events")[0][0])


def last_event_in_streams(product: Product) -> int | None:
    """Of the search; None while Redis is away."""
    with suppress(RedisError), Redis.from_url(product.redis, decode_responses=True) as redis:  # pyright: ignore[reportUnknownMemberType]
        rows: Any = redis.xrevrange(stream_key("optimize:remus"), count=1)
        return int(rows[0][0].partition("-")[0]) if rows else 0
    return None


def paid_bytes(product: Product) -> int:
    """Grows with every model call that was paid for."""
    return sum(each.stat().st_size for each in product.data_dir.glob("runs/*/*/calls.jsonl"))


# -------------------------------------------------------------------- what must hold


@pytest.fixture
def calm(product: Product, api: Api) -> Iterator["Future[Witness]"]:
    """The same search while nobody is killed, done beside the storm."""

    def search() -> Witness:
        with Witness(product, agent) as witness:
            api.complete(api.post(f"optimize/{agent}", SEARCH))
        return witness

    agent = api.import_agent("remus", "calm")
    with ThreadPoolExecutor(1) as beside:
        yield beside.submit(search)


def found_by(witness: Witness) -> list[tuple[Any, ...]]:
    """Every trial but for the time at which it was stored."""
    return [trial[:-1] for _, trial in sorted(witness.trials.items())]


@pytest.mark.timeout(1800)
async def test_an_optimization_survives_a_storm_of_kills(
    slow_product: Product, calm: "Future[Witness]"
) -> None:
    product, storm = slow_product, Storm(slow_product, random.Random(SEED))
    with product.client() as api:
        api.import_agent("remus")
    httpx2.post(f"{product.model}/stats/reset")
    first, second = product.watch("optimize/remus"), product.watch("optimize/remus")
    with Witness(product, "remus") as witness:
        async with first.watching(), second.watching():
            with product.client() as api:
                api.post("optimize/remus", SEARCH)
            await storm.rage()
            await first.until_event("optimization.completed")
            await second.until_event("optimization.completed")
        await asyncio.to_thread(no_job_is_open, product)
    assert storm.killed.total() >= 20, storm.told
    assert set(storm.killed) == {*PAUSE}

    with product.client() as api:
        the_job_is_done(product, api)
        the_trials_are_all_there(api, witness)
    nothing_was_paid_twice(product, witness, storm)
    undisturbed = calm.result()
    assert found_by(witness) == found_by(undisturbed), "the storm changed what was found"
    assert len(witness.paid()) == len(undisturbed.paid())
    nothing_is_orphaned(product)
    assert "ended with exit code" not in product.said(), "a part gave up that nobody had killed"
    stream = await product.stream("optimize:remus")
    assert ids(first.events) == ids(second.events) == ids(stream)
    assert first.events == stream
    told = [
        each["data"]["number"] for each in stream if each["type"] == "optimization.trial_finished"
    ]
    assert sorted(told) == sorted(set(told)), "a trial was announced twice"
    assert [each["type"] for each in stream].count("optimization.completed") == 1


def no_job_is_open(product: Product) -> None:
    open_jobs = "SELECT 1 FROM jobs WHERE status IN ('queued', 'running')"
    wait_until(lambda: not query(product, open_jobs), "the job to be closed")


def the_job_is_done(product: Product, api: Api) -> None:
    assert query(product, JOBS, "remus") == [("completed", None, None, None, None)]
    state = api.get("agents/remus/status")
    assert (state["status"], state["open_jobs"]) == ("dev", [])
    optimization = api.get("optimize/remus/status")
    assert optimization["verdict"] == "better"
    assert optimization["improvement_pct"] > 0
    halves = [
        each for each in api.get("evaluate/remus/history")["items"] if each["status"] == "completed"
    ]
    assert {each["purpose"] for each in halves} >= {"comparison_baseline", "comparison_candidate"}
    for each in halves:
        assert each["passed"] + each["failed"] == each["scenarios"] * each["repetitions"]


def the_trials_are_all_there(api: Api, witness: Witness) -> None:
    assert witness.changed == []
    numbers = [trial["number"] for trial in api.get("optimize/remus/status")["trials"]]
    assert numbers == list(range(len(numbers)))
    assert set(witness.trials) <= set(numbers)
    assert len(numbers) > 10


def nothing_was_paid_twice(product: Product, witness: Witness, storm: Storm) -> None:
    """A journal has each call once, and what is in no journal was on its way when a search died."""
    paid = witness.paid()
    assert len(paid) == len(set(paid)), "a call was paid again that was in the journal"
    asked = httpx2.get(f"{product.model}/stats").json()
    assert asked["errors"] == 0
    answered = asked["calls"] - asked["abandoned"]
    on_their_way = answered - len(paid)
    assert on_their_way >= 0, "a journal has a call that was never made"
    assert on_their_way + asked["abandoned"] <= CONCURRENCY * storm.ended_searches


def nothing_is_orphaned(product: Product) -> None:
    """Every engine that still runs has somebody to work for."""
    worker = product.part("worker-engine")
    assert worker is not None
    masters = {product.part("api"), *product.children(worker, "celery")}
    engines = [pid for pid, command in product.processes().items() if ENGINE in command]
    assert {parent_of(pid) for pid in engines} <= masters


# -------------------------------------------------------------------- the supervisor itself


@pytest.mark.timeout(1800)
async def test_a_job_completes_after_the_supervisor_was_killed(slow_product: Product) -> None:
    product = slow_product
    with product.client() as api:
        api.import_agent("genesis")
        request = {"max_metric_calls": 80, "concurrency": CONCURRENCY, "repetitions": 1}
        job = api.post("optimize/genesis", request)
    with Witness(product, "genesis") as witness:
        await asyncio.to_thread(
            wait_until, lambda: len(witness.trials) >= 2, "the search to be under way"
        )
        assert product.process is not None
        product.process.kill()
        product.process.wait()
        await asyncio.to_thread(wait_until, lambda: not product.processes(), "all to end")
        seen = dict(witness.trials)

        await asyncio.to_thread(product.start)
        with product.client() as api:
            ended = await asyncio.to_thread(api.complete, job)
            optimization = api.get("optimize/genesis/status")
    assert ended["error"] is None
    assert optimization["verdict"] is not None
    assert witness.changed == []
    assert set(seen) <= {trial["number"] for trial in optimization["trials"]}
    paid = witness.paid()
    assert len(paid) == len(set(paid))
    assert agent_status(product) == "dev"


def agent_status(product: Product) -> str:
    with product.client() as api:
        return api.get("agents/genesis/status")["status"]
