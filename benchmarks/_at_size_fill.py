"""Fills a database with a company's year: calls with transcripts, leads, turns. In bulk, as `at_size` needs it.

Indexes and triggers are set aside while rows go in, and made again from what the database itself
says of them, so what is measured is the schema of the migrations.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import psycopg

from mission_control.core.text_folding import all_words, words_of
from mission_control.core.words import CallEnding
from mission_control.data.call_texts import NARROWS
from mission_control.data.lead_texts import lead_text
from mission_control.data.sqlite import install_newer_sqlite
from mission_control.data.text_search import DAY, ERA, ERA_DAYS, ends_of, fact

install_newer_sqlite()  # the one that the product uses

import sqlite3  # noqa: E402

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEWEST = datetime(2026, 11, 27, 18, tzinfo=UTC)
PERIOD = timedelta(days=365)
AGENTS = ("remus", "genesis", "scout", None)
ENDINGS = {
    "customer": 55, "assistant": 15, "voicemail": 12, "not_reached": 8, "silence": 5,
    "transferred": 3, "error": 1.5, "time_limit": 0.45, "other": 0.05,
}  # fmt: skip
TEMPLATES = 4_000
CITIES = (
    "Aachen",
    "Berlin",
    "Köln",
    "Zürich",
    "İzmir",
    "東京",
    "Málaga",
    "Kraków",
    "Genève",
    "서울",
)
SPECIALS = ("返金をお約束します", "ขอคืนเงินค่าสินค้า", "la facture du café", "환불은 언제 되나요")
FIELDS = ("cf_product", "cf_size", "cf_region")


@dataclass(frozen=True)
class Size:
    calls: int
    leads: int
    turns: int


class Words:
    """The words of one row: its own, and those that it shares with others, joined already."""

    __slots__ = ("own", "shared")

    def __init__(self, own: list[str], shared: tuple[str, str]) -> None:
        self.own, self.shared = own, shared


class Talk:
    """Transcripts made of words of which few are said often and most are rare, as in any language."""

    def __init__(self) -> None:
        self.chance = random.Random(5)
        self.vocabulary = [_made_up(rank) for rank in range(20_000)]
        self.weights = [*accumulate(1 / (rank + 5) for rank in range(len(self.vocabulary)))]
        self.templates: list[tuple[str, tuple[str, str]]] = []
        for number in range(TEMPLATES):
            said = self.chance.choices(self.vocabulary, cum_weights=self.weights, k=140)
            turns = [" ".join(said[at : at + 14]) for at in range(0, len(said), 14)]
            if number % 200 == 0:
                turns.append(SPECIALS[number // 200 % len(SPECIALS)])
            text = "\n".join(f"{('AI', 'User')[at % 2]}: {turn}" for at, turn in enumerate(turns))
            words = words_of(text)
            quoted = " ".join(f"'{word}'" for word in words)
            self.templates.append((text, (" ".join(words), quoted)))

    def common(self) -> str:
        return self.vocabulary[0]

    def of_rank(self, rank: int) -> str:
        return self.vocabulary[rank]


def _made_up(rank: int) -> str:
    syllables = (
        "ka",
        "ro",
        "mi",
        "tel",
        "sun",
        "ber",
        "lo",
        "fen",
        "da",
        "vi",
        "gor",
        "pan",
        "ul",
        "sti",
        "e",
        "no",
    )
    word, left = "", rank + 16
    while left:
        word, left = word + syllables[left % 16], left // 16
    return word


@dataclass(frozen=True)
class Made:
    """A table's rows, in the order of its columns."""

    table: str
    columns: Sequence[str]
    rows: Iterator[Sequence[Any]]


def moment(number: int, count: int) -> datetime:
    return NEWEST - PERIOD * (number / count) - timedelta(microseconds=number % 997 * 1000)


def call_id(number: int) -> UUID:
    return UUID(int=(number * 0x9E3779B97F4A7C15 + 1) % 2**128)


def calls(size: Size, talk: Talk) -> tuple[Made, Made, Made]:
    chance = random.Random(7)
    endings = chance.choices(list(ENDINGS), list(ENDINGS.values()), k=size.calls)
    agents = chance.choices(AGENTS, (50, 30, 15, 5), k=size.calls)
    known = [chance.choice(talk.templates) for _ in range(min(size.calls, 50_000))]
    cities = [words_of(city) for city in CITIES]

    def facts(number: int) -> dict[str, Any]:
        success = (True, False, None)[number % 3]
        source = "close" if number % 4 == 0 else "vapi"
        return {
            "agent_id": agents[number],
            "source": source,
            "ending": endings[number],
            "success": success,
        }

    def rows() -> Iterator[Sequence[Any]]:
        for number in range(size.calls):
            told = facts(number)
            at = moment(number, size.calls)
            units = number * 37 % 40_000_000 + (2_000_000_000 if number % 5_000 == 0 else 0)
            yield (
                call_id(number), at, told["source"], f"made-{number}", told["agent_id"],
                "asst-1", f"v{40 - number * 40 // size.calls}", f"lead_{number % size.leads}",
                ("inbound", "outbound", "web")[number % 7 % 3], "ended", at, at + timedelta(seconds=95),
                95.25, f"{told['ending']}-ended-call", CallEnding(told["ending"]).value,
                told["success"], units, number_of(number % size.leads), f"Name{number % 50_000}",
                f"About {talk.vocabulary[number % 20_000]} in {CITIES[number % 10]}, order {number}",
                at, False,
            )  # fmt: skip

    def contents() -> Iterator[Sequence[Any]]:
        for number in range(size.calls):
            text, _ = known[number % len(known)]
            document = json.dumps({"id": f"made-{number}", "artifact": {"messages": []}})
            yield (call_id(number), text, document, '{"latest": [1, 1793500000000000]}')

    def texts() -> Iterator[Sequence[Any]]:
        for number in range(size.calls):
            at, told = moment(number, size.calls), facts(number)
            marks = [fact(name, told[name]) for name in NARROWS if told[name] is not None]
            own = (f"name{number % 50_000}", "order", str(number), talk.vocabulary[number % 20_000])
            day = (at - EPOCH).days
            head = [f"{DAY}{day}", f"{ERA}{day // ERA_DAYS}", *marks, *own, *cities[number % 10]]
            head += ends_of(number_of(number % size.leads))
            yield (number + 1, call_id(number), at, Words(head, known[number % len(known)][1]))

    columns = (
        "id", "created_at", "source", "external_id", "agent_id", "assistant_id", "assistant_version",
        "lead_id", "direction", "status", "started_at", "ended_at", "duration_seconds", "ended_reason",
        "ending", "success", "cost_units", "customer_number", "customer_name", "summary",
        "updated_at", "to_index",
    )  # fmt: skip
    return (
        Made("calls", columns, rows()),
        Made("call_contents", ("call_id", "transcript", "document", "stamps"), contents()),
        Made("call_texts", ("id", "call_id", "created_at", "words"), texts()),
    )


def number_of(lead: int) -> str:
    return f"+1{2_000_000_000 + lead * 7919 % 7_999_999_999:010}"


def leads(size: Size) -> tuple[Made, Made, Made]:
    def told(number: int) -> dict[str, Any]:
        first, last = f"Ada{number % 3_000}", f"Lovelace{number}"
        return {
            "name": f"{first} {last}",
            "mail": f"{first}.{last}@example{number % 100}.com".lower(),
            "custom": {
                "cf_product": f"product {number % 40}",
                "cf_size": number % 500,
                "cf_region": CITIES[number % 10],
            },
        }

    def rows() -> Iterator[Sequence[Any]]:
        for number in range(size.leads):
            one, at = told(number), moment(number, size.leads)
            search_text = f"{one['name']}\n{number_of(number)}\n{one['mail']}".lower()
            custom = json.dumps(one["custom"])
            yield (
                f"lead_{number}", at, at, one["name"], f"stat_{number % 9}", f"Status {number % 9}",
                number_of(number), one["mail"], search_text, custom, custom, NEWEST,
            )  # fmt: skip

    def phones() -> Iterator[Sequence[Any]]:
        for number in range(size.leads):
            yield (f"lead_{number}", number_of(number))

    def texts() -> Iterator[Sequence[Any]]:
        for number in range(size.leads):
            one = told(number)
            row = lead_text(
                f"lead_{number}",
                created_at=moment(number, size.leads),
                search_text=f"{one['name']}\n{number_of(number)}\n{one['mail']}".lower(),
                status_id=f"stat_{number % 9}",
                phones=[number_of(number)],
                custom=one["custom"],
            )
            yield (number + 1, row["lead_id"], row["created_at"], row["words"])

    columns = (
        "id", "created_at", "updated_at", "name", "status_id", "status_label", "primary_phone",
        "primary_email", "search_text", "custom", "document", "mirrored_at",
    )  # fmt: skip
    return (
        Made("leads", columns, rows()),
        Made("lead_phones", ("lead_id", "phone"), phones()),
        Made("lead_texts", ("id", "lead_id", "created_at", "words"), texts()),
    )


def conversations(size: Size, talk: Talk) -> tuple[Made, Made]:
    """Four turns each, of calls."""
    chance = random.Random(9)
    said = [
        " ".join(chance.choices(talk.vocabulary, cum_weights=talk.weights, k=13))
        for _ in range(40_000)
    ]
    count = size.turns // 4

    def rows() -> Iterator[Sequence[Any]]:
        for number in range(count):
            at = moment(number, count)
            yield (
                call_id(10**9 + number), at, "import", f"c{number}", AGENTS[number % 3], at, f"c{number}",
                "{}", 4, "0" * 64, at, at,
            )  # fmt: skip

    def turns() -> Iterator[Sequence[Any]]:
        for number in range(count * 4):
            text = f"{said[number % len(said)]} order {number % 400_000}"
            yield (
                number + 1,
                call_id(10**9 + number // 4),
                number % 4,
                ("agent", "caller")[number % 2],
                text,
                " ".join(all_words(text)),
            )

    columns = (
        "id", "created_at", "source", "external_id", "agent", "started_at", "title", "details",
        "turn_count", "content_hash", "seen_at", "indexed_at",
    )  # fmt: skip
    return (
        Made("conversations", columns, rows()),
        Made(
            "conversation_turns",
            ("id", "conversation_id", "position", "speaker", "text", "words"),
            turns(),
        ),
    )


def everything(size: Size, talk: Talk) -> list[Made]:
    return [*calls(size, talk), *leads(size), *conversations(size, talk)]


# -------------------------------------------------------------------- SQLite


def fill_sqlite(path: Path, made: Sequence[Made], say: Callable[[str], None]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        run = connection.execute
        for pragma in (
            "journal_mode=OFF",
            "synchronous=OFF",
            "cache_size=-1000000",
            "foreign_keys=OFF",
        ):
            run(f"PRAGMA {pragma}")
        tables = [each.table for each in made]
        marks = ", ".join("?" * len(tables))
        aside = run(
            f"SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN ({marks})"
            " AND type IN ('index', 'trigger') AND sql IS NOT NULL", tables,
        ).fetchall()  # fmt: skip
        for kind, name, _ in aside:
            run(f"DROP {kind} {name}")
        for each in made:
            began = time.perf_counter()
            run("BEGIN")
            named, spots = (
                ", ".join(f'"{name}"' for name in each.columns),
                ", ".join("?" * len(each.columns)),
            )
            connection.executemany(
                f"INSERT INTO {each.table} ({named}) VALUES ({spots})",
                ([_for_sqlite(value) for value in row] for row in each.rows),
            )
            run("COMMIT")
            say(f"{each.table}: {time.perf_counter() - began:.0f} s")
        run(
            "UPDATE calls SET cost_usd = printf('%d.%08d', cost_units / 100000000, cost_units % 100000000)"
        )
        for kind, name, sql in aside:
            began = time.perf_counter()
            run(sql)
            if kind == "index":
                say(f"{name}: {time.perf_counter() - began:.1f} s")
        for name in ("call_search", "lead_search", "turn_search"):
            began = time.perf_counter()
            run(f"INSERT INTO {name}({name}) VALUES ('rebuild')")
            say(f"{name}: {time.perf_counter() - began:.0f} s")
        run("PRAGMA journal_mode=WAL")


def _for_sqlite(value: Any) -> Any:
    match value:
        case UUID():
            return value.hex
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M:%S.%f")
        case Words():
            return f"{' '.join(value.own)} {value.shared[0]}"
        case list():
            return " ".join(cast("list[str]", value))
        case _:
            return value


# -------------------------------------------------------------------- PostgreSQL


def fill_postgres(url: str, made: Sequence[Made], say: Callable[[str], None]) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        run: Callable[..., Any] = connection.execute  # statements are made here
        run("SET maintenance_work_mem = '1GB'")
        run("SET session_replication_role = replica")  # no foreign keys while it fills
        tables = [each.table for each in made]
        aside = run(
            "SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid"
            " LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid"
            " WHERE t.relname = ANY(%s) AND k.oid IS NULL", (tables,),
        ).fetchall()  # fmt: skip
        for name, _ in aside:
            run(f'DROP INDEX "{name}"')
        for each in made:
            began = time.perf_counter()
            named = ", ".join(f'"{name}"' for name in each.columns)
            with (
                connection.cursor() as cursor,
                cursor.copy(cast("Any", f"COPY {each.table} ({named}) FROM STDIN")) as copy,
            ):
                for row in each.rows:
                    copy.write_row([_for_postgres(value) for value in row])
            say(f"{each.table}: {time.perf_counter() - began:.0f} s")
        for name in ("call_texts", "lead_texts", "conversation_turns"):  # ids were given
            run(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), (SELECT max(id) FROM {name}))"
            )
        run("UPDATE calls SET cost_usd = cost_units / 100000000.0")
        for name, definition in aside:
            began = time.perf_counter()
            run(definition)
            say(f"{name}: {time.perf_counter() - began:.1f} s")
        run("VACUUM ANALYZE")


def _for_postgres(value: Any) -> Any:
    match value:
        case Words():
            return " ".join(f"'{word}'" for word in value.own) + f" {value.shared[1]}"
        case list():
            return " ".join(f"'{word}'" for word in cast("list[str]", value))
        case _:
            return value
