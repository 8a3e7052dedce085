"""Measures the search over conversations: by words, by meaning, and fused, side by side.

    python -m benchmarks.memory_search [--conversations 30000] [--embedded 3000] [--questions 200]
                                       [--databases sqlite postgres]

The conversations are made up here, and so are the questions: a question names what a conversation
is about, in the words of the conversation or in others of the same meaning. That shows whether the
parts work and how fast they are. It proves little about the recall on real calls, whose words,
names and recognition errors are not in it.

The model for meaning runs on numpy, some hundred texts a second, so only the first conversations get
real vectors; recall is measured on them alone. Speed is measured with all of them, where the rest
of the vectors are random: comparing them takes as long. Exits with 1 when something is missing.
"""

import argparse
import asyncio
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks._minilm import MiniLM
from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.migrate import upgrade
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.memory_servers.hybrid.embedding import as_bytes, embed_missing
from mission_control.memory_servers.hybrid.items import GivenConversation, GivenTurn
from mission_control.memory_servers.hybrid.service import MODES, HybridIntelligence
from mission_control.memory_servers.units import UnitsOfWork
from tests.services import postgres_server

console = Console(width=120)
BATCH = 500
VECTORS_AT_ONCE = 2_000

NAMES = ["Ada", "Ben", "Carla", "Dan", "Elif", "Finn", "Gita", "Hugo", "Iris", "Jan", "Kim", "Lars", "Mona", "Nils", "Olga", "Paul", "Rosa", "Sam", "Tara", "Uwe", "Vera", "Will", "Yara", "Zoe"]  # fmt: skip
CITIES = ["Aachen", "Berlin", "Chemnitz", "Dortmund", "Essen", "Frankfurt", "Graz", "Hamburg", "Innsbruck", "Jena", "Kassel", "Leipzig", "Munich", "Nuremberg", "Oslo", "Prague", "Rostock", "Salzburg", "Trier", "Ulm", "Vienna", "Weimar", "Xanten", "York", "Zurich", "Basel", "Bonn", "Cologne", "Dresden", "Erfurt"]  # fmt: skip
# What a caller says, and what somebody who asks later may say instead.
THINGS = (
    ("washing machine", "laundry appliance"), ("sofa", "couch"), ("laptop", "notebook computer"),
    ("bicycle", "bike"), ("phone", "mobile"), ("fridge", "refrigerator"), ("television", "TV set"),
    ("jacket", "coat"), ("lamp", "light fixture"), ("car insurance", "vehicle policy"),
    ("internet connection", "broadband"), ("flight", "plane ticket"), ("hotel room", "accommodation"),
    ("vacuum cleaner", "hoover"), ("glasses", "spectacles"), ("medicine", "drugs"),
    ("headphones", "earphones"), ("camera", "photo equipment"), ("carpet", "rug"), ("oven", "cooker"),
)  # fmt: skip
MATTERS = (
    ("the {} is broken", "has a defective {}"),
    ("I want my money back for the {}", "asked for a refund of the {}"),
    ("the {} never arrived", "is missing the delivery of the {}"),
    ("the {} is too expensive", "complained about the price of the {}"),
    ("I want to cancel the {}", "wishes to terminate the order of the {}"),
    ("how long is the warranty of the {}", "asked about the guarantee for the {}"),
    ("I need to move the appointment about the {}", "wants to reschedule the visit for the {}"),
    ("you charged me twice for the {}", "paid double for the {}"),
    ("can somebody repair the {}", "needs the {} fixed"),
    ("the bill for the {} is wrong", "disputes the invoice of the {}"),
)
GREETINGS = ("Good morning, how can I help you today?", "Hello, thanks for calling, what can I do?")
ANSWERS = (
    "I am sorry to hear that, let me look into it for you right away.",
    "Thank you, I have made a note and a colleague will call you back tomorrow.",
    "I understand, could you give me the number of your order please?",
)


@dataclass(frozen=True)
class Question:
    """`relevant`: the external ids of the conversations that it is about."""

    kind: str
    text: str
    relevant: frozenset[str]


def make(count: int) -> tuple[list[GivenConversation], list[tuple[int, int, str]]]:
    """The conversations, and what each is about: thing, matter and city."""
    chance = random.Random(7)
    made: list[GivenConversation] = []
    about: list[tuple[int, int, str]] = []
    for number in range(count):
        thing, matter = chance.randrange(len(THINGS)), chance.randrange(len(MATTERS))
        city = chance.choice(CITIES)
        said = [
            ("agent", chance.choice(GREETINGS)),
            (
                "caller",
                f"This is {chance.choice(NAMES)} from {city}, {MATTERS[matter][0].format(THINGS[thing][0])}",
            ),
            ("agent", chance.choice(ANSWERS)),
        ]
        if number % 3 == 0:
            said.append(("caller", f"Fine, my number is {chance.randrange(10**6):06}, thank you."))
        made.append(
            GivenConversation(
                external_id=f"c{number}",
                started_at=f"2026-{number % 12 + 1:02}-{number % 28 + 1:02}T10:00:00Z",
                agent=("remus", "genesis", "scout")[number % 3],
                turns=[GivenTurn(text=text, speaker=speaker) for speaker, text in said],
            )
        )
        about.append((thing, matter, city))
    return made, about


def questions_about(about: Sequence[tuple[int, int, str]], count: int) -> list[Question]:
    """Half in the words of the conversation, half in others; none asked twice."""
    chance = random.Random(11)
    asked: dict[str, Question] = {}
    for number, at in enumerate(chance.sample(range(len(about)), min(2 * count, len(about)))):
        thing, matter, city = about[at]
        relevant = frozenset(f"c{n}" for n, each in enumerate(about) if each == about[at])
        same = number % 2 == 0
        words = THINGS[thing][0 if same else 1]
        text = (
            f"Who from {city} said: {MATTERS[matter][0]}?"
            if same
            else f"Who in {city} {MATTERS[matter][1]}?"
        )
        asked[text.format(words)] = Question(
            "same words" if same else "other words", text.format(words), relevant
        )
    return list(asked.values())[:count]


class Prepared:
    """An embedder that has the questions' vectors ready, so that only the search is timed."""

    model = MiniLM.model

    def __init__(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        self._vectors = vectors

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([self._vectors[text] for text in texts])


# -------------------------------------------------------------------- measuring


async def index(units: UnitsOfWork, given: Sequence[GivenConversation]) -> float:
    """Seconds that it took."""
    hybrid = HybridIntelligence(units)
    began = time.perf_counter()
    for start in range(0, len(given), BATCH):
        await hybrid.index(given[start : start + BATCH])
    return time.perf_counter() - began


async def fill_with_random(units: UnitsOfWork, model: str) -> int:
    """Give what has no vector a random one."""
    chance, made, last = np.random.default_rng(5), 0, 0
    while True:
        async with units() as uow:
            waiting = await uow.turn_vectors.without_vector(
                model, limit=VECTORS_AT_ONCE, after=last
            )
            rows = chance.standard_normal((len(waiting), 384), dtype=np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            vectors = {turn: as_bytes(row) for (turn, _), row in zip(waiting, rows, strict=True)}
            made += await uow.turn_vectors.store_vectors(model, vectors) if vectors else 0
        if not waiting:
            return made
        last = waiting[-1][0]


async def measure_recall(
    hybrid: HybridIntelligence, questions: Sequence[Question], mode: str, kind: str
) -> tuple[float, float]:
    """Recall at 5 and at 10: the share of the relevant ones found, of those that fit in."""
    at: dict[int, list[float]] = {5: [], 10: []}
    for question in (each for each in questions if each.kind == kind):
        hits = (await hybrid.search(question.text, limit=10, mode=mode)).items
        ids = [await external_id(hybrid, hit.conversation_id) for hit in hits]
        for depth, found in at.items():
            possible = min(depth, len(question.relevant))
            found.append(len(question.relevant & set(ids[:depth])) / possible)
    return statistics.mean(at[5]), statistics.mean(at[10])


_external: dict[str, str] = {}


async def external_id(hybrid: HybridIntelligence, conversation_id: str) -> str:
    if conversation_id not in _external:
        title = (await hybrid.conversation(conversation_id)).title
        _external[conversation_id] = title or ""
    return _external[conversation_id]


async def measure_speed(
    hybrid: HybridIntelligence, questions: Sequence[Question], mode: str
) -> tuple[float, float]:
    """p50 and p95, in milliseconds; the first search, which loads the vectors, is not counted."""
    await hybrid.search(questions[0].text, mode=mode)
    times: list[float] = []
    for question in questions:
        began = time.perf_counter()
        await hybrid.search(question.text, limit=20, mode=mode)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


async def measure(options: argparse.Namespace, url: str, small_url: str, name: str) -> bool:
    given, about = make(options.conversations)
    for each in range(len(given)):  # so that a hit says which it is
        given[each] = titled(given[each])
    some = given[: options.embedded]
    questions = questions_about(about[: options.embedded], options.questions)
    model = MiniLM()
    began = time.perf_counter()
    vectors = model.vectors([each.text for each in questions])
    per_question = (time.perf_counter() - began) / len(questions) * 1000
    prepared = Prepared({q.text: v for q, v in zip(questions, vectors, strict=True)})

    async with opened(url) as (engine, units):
        seconds = await index(units, given)
        size = await size_of(engine)
        random_ones = await fill_with_random(units, model.model)
        everything = HybridIntelligence(units, embedder=prepared)
        stats = await everything.stats()
        speeds = {mode: await measure_speed(everything, questions, mode) for mode in MODES}
    async with opened(small_url) as (_, units):
        await index(units, some)
        began = time.perf_counter()
        embedded = await embed_missing(units, model)
        embedding = time.perf_counter() - began
        part = HybridIntelligence(units, embedder=prepared)
        kinds = ("same words", "other words")
        recalls = {
            (m, k): await measure_recall(part, questions, m, k) for m in MODES for k in kinds
        }

    turns = sum(len(each.turns) for each in given)
    console.print(
        f"\n{name}: {stats.conversations:,} conversations and {stats.turns:,} turns indexed in "
        f"{seconds:.1f} s ({stats.turns / seconds:,.0f} turns/s); the database has {size / 1e6:.0f} MB "
        f"without vectors. {embedded.made:,} real vectors in {embedding:.0f} s "
        f"({embedded.made / embedding:.0f}/s, numpy); {random_ones:,} random ones for the speed. A "
        f"question's own vector takes {per_question:.0f} ms more."
    )
    table = Table(title=f"{name}: {len(questions)} questions")
    for column in ("", "p50 ms", "p95 ms", *(f"R@{n}, {kind}" for kind in kinds for n in (5, 10))):
        table.add_column(column, justify="left" if column == "" else "right")
    for mode in sorted(MODES, key=("lexical", "dense", "fused").index):
        figures = [f"{r:.3f}" for kind in kinds for r in recalls[mode, kind]]
        table.add_row(mode, *(f"{ms:.1f}" for ms in speeds[mode]), *figures)
    console.print(table)
    console.print(
        f"Speed: over all {stats.turns:,} turns. Recall: within {len(some):,} conversations with "
        "questions made from them; see what that is worth at the top of this program."
    )
    return (stats.conversations, stats.turns) == (len(given), turns)


def titled(given: GivenConversation) -> GivenConversation:
    return GivenConversation(**{**vars(given), "title": given.external_id})


async def size_of(engine: AsyncEngine) -> int:
    """Bytes."""
    async with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            statement = "SELECT pg_database_size(current_database())"
        else:
            statement = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
        return (await connection.exec_driver_sql(statement)).scalar_one()


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[tuple[AsyncEngine, UnitsOfWork]]:
    engine = create_engine(url)
    try:
        yield engine, partial(UnitOfWork, create_sessions(engine))
    finally:
        await engine.dispose()


@contextmanager
def databases(name: str, directory: Path) -> Iterator[list[str]]:
    """Two empty ones at the newest schema: for everything, and for what has real vectors."""
    with ExitStack() as open_things:
        if name == "sqlite":
            urls = [f"sqlite+aiosqlite:///{directory / each}.db" for each in ("all", "some")]
        else:
            server = open_things.enter_context(postgres_server())
            for each in ("everything", "some_of_it"):
                server.create(each)
            urls = [server.url(each) for each in ("everything", "some_of_it")]
        for url in urls:
            upgrade(url)
        yield urls


def main() -> int:
    parser = argparse.ArgumentParser(description="Search over conversations.")
    parser.add_argument("--conversations", type=int, default=30_000)
    parser.add_argument("--embedded", type=int, default=3_000, help="of them, with real vectors")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--databases", nargs="+", default=["sqlite", "postgres"])
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    console.print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}"
    )
    complete = True
    for name in options.databases:
        with tempfile.TemporaryDirectory() as directory, databases(name, Path(directory)) as urls:
            complete = asyncio.run(measure(options, *urls, name)) and complete
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
