"""Full text search, newest first: FTS5 on SQLite, tsvector with GIN on PostgreSQL.

Words are made by `core.text_folding`; neither database cuts or folds anything, so both find the
same. Beside its words a row keeps marks, which no text can hold: the day it is of, what it can be
narrowed to, and its telephone numbers. By the days a search goes back in time, window by window,
and stops when its page is full: a common word costs no more than a rare one.
"""

import hashlib
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    bindparam,
    cast,
    column,
    literal,
    select,
    table,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from mission_control.core.phone_numbers import e164
from mission_control.core.text_folding import folded, long_runs, sought, unique, words_of
from mission_control.data.base import Base

# First letters of what is no word: private characters, which folding never leaves in a word.
DAY, ERA, NUMBER, FACT = "\ue000", "\ue001", "\ue002", "\ue003"
ERA_DAYS = 32
DAYS_AT_ONCE = (1, 4, 16)  # the windows nearest to the newest, in days
ERAS_AT_ONCE = 2  # then in eras, four times as many each time
EPOCH = date(1970, 1, 1)
ENDING_DIGITS, INNER_DIGITS = 4, 6  # how many of a number must be known: its last ones, or any
BETWEEN_DIGITS = re.compile(r"[\s().\-/]+")
EVER = datetime.max.replace(tzinfo=UTC)
MOST_BYTES = 900_000  # of the words of one row: a tsvector takes no more than a megabyte


class SearchWords(TypeDecorator[list[str]]):
    """Words and marks: text with spaces for FTS5, a tsvector without positions on PostgreSQL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        kept = TSVECTOR() if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(kept)

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        is_vector = dialect.name == "postgresql"
        return " ".join(f"'{word}'" for word in value) if is_vector else " ".join(value)


class SearchedText(Base):
    """Triggers (SQLite) or an index (PostgreSQL) keep the search in step with these rows."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    created_at: Mapped[datetime]
    words: Mapped[list[str]] = mapped_column(SearchWords, sort_order=10)


class Term(NamedTuple):
    word: str
    is_beginning: bool = False


@dataclass(frozen=True, slots=True)
class TextQuery:
    """Rows that have all terms of any of the alternatives, and one of each group of facts.

    `runs` must be looked for in the text of what is found: the index only knows their pairs.
    """

    alternatives: Sequence[Sequence[Term]]
    facts: Sequence[Sequence[str]] = ()
    runs: Sequence[str] = ()


class Mark(NamedTuple):
    """Where a row stands in the order."""

    created_at: datetime
    id: Any

    def among(self, created_at: ColumnElement[Any], key: ColumnElement[Any]) -> ColumnElement[Any]:
        """To be compared with these columns. SQLite compares times as text: they need the type."""
        return tuple_(literal(self.created_at, created_at.type), literal(self.id, key.type))


class Window(NamedTuple):
    """Days and eras to look in, all before `until`."""

    marks: Sequence[str]
    until: datetime


# -------------------------------------------------------------------- what is kept


def searched_words(
    texts: Iterable[str | None],
    *,
    created_at: datetime,
    numbers: Iterable[str | None] = (),
    facts: Iterable[str] = (),
) -> list[str]:
    day = _day_of(created_at)
    marks = [f"{DAY}{day}", f"{ERA}{day // ERA_DAYS}", *facts]
    marks += [each for number in numbers if number for each in ends_of(number)]
    words = unique(word for text in texts if text for word in words_of(text))
    return [*marks, *_within_limit(words)]


@lru_cache(maxsize=4_096)
def fact(name: str, value: object) -> str:
    """A mark for what a row can be narrowed to, whatever characters are in it."""
    told = f"{name}\x00{value}".encode("utf-8", "replace")
    return FACT + hashlib.blake2b(told, digest_size=8).hexdigest()


def ends_of(number: str) -> list[str]:
    """Each end of a telephone number: what begins with some digits has them somewhere."""
    digits = number.removeprefix("+")
    ends = [digits[at:] for at in range(len(digits) - ENDING_DIGITS + 1)]
    return [f"{NUMBER}{each}" for each in ends or [digits] if each.isascii() and each.isalnum()]


def _within_limit(words: Sequence[str]) -> Sequence[str]:
    """All of them, or the first ones of a text that is a book."""
    size = 0
    for count, word in enumerate(words):
        size += len(word.encode("utf-8", "replace")) + 1
        if size > MOST_BYTES:
            return words[:count]
    return words


# -------------------------------------------------------------------- what is asked for


def text_query(
    text: str, *, facts: Sequence[Sequence[str]] = (), beginnings: bool = False
) -> TextQuery:
    """What is asked for with these words: all of them, in any order.

    `word*` is any word that begins so; with `beginnings` every word is. A telephone number may be
    written in any way; its last four digits will do, or any six.
    """
    terms = [
        *dict.fromkeys(
            term for part in text.split() for term in _terms(part, beginnings=beginnings)
        )
    ]
    alternatives = [terms] if terms else []
    digits = (e164(text) or BETWEEN_DIGITS.sub("", folded(text))).removeprefix("+")
    # Who writes a number within a country begins with a zero that its E.164 has not.
    alternatives += [
        [Term(f"{NUMBER}{told}", len(told) >= INNER_DIGITS)]
        for told in dict.fromkeys((digits, digits.lstrip("0")))
        if re.fullmatch(f"[0-9]{{{ENDING_DIGITS},15}}", told)
    ]
    return TextQuery(alternatives, facts, long_runs(text))


def says_all(runs: Iterable[str], texts: Iterable[str | None]) -> bool:
    """Whether each of these is somewhere in one of the texts."""
    plain = [folded(text) for text in texts if text] if runs else []
    return all(any(run in text for text in plain) for run in runs)


def _terms(part: str, *, beginnings: bool) -> list[Term]:
    words = sought(part)
    last = len(words) - 1
    return [
        Term(word, beginnings or (at == last and part.endswith("*")))
        for at, word in enumerate(words)
    ]


def _spoken(query: TextQuery, window: Window, dialect: str) -> str:
    """In the words of the database. Nothing but letters and digits of what a person typed is in it."""
    is_sqlite = dialect == "sqlite"
    quote, and_, or_, begins = (
        ('"', " AND ", " OR ", "*") if is_sqlite else ("'", " & ", " | ", ":*")
    )

    def quoted(term: Term) -> str:
        return f"{quote}{term.word}{quote}{begins if term.is_beginning else ''}"

    asked = or_.join(
        f"({and_.join(quoted(term) for term in terms)})" for terms in query.alternatives
    )
    narrowed = [
        or_.join(quoted(Term(mark)) for mark in marks) for marks in (window.marks, *query.facts)
    ]
    return and_.join(f"({each})" for each in (*narrowed, asked) if each)


# -------------------------------------------------------------------- searching


@dataclass(frozen=True)
class TextIndex:
    """The search over one table. `key`: its column with the id of what the text belongs to."""

    texts: Any
    key: Any
    name: str  # of the FTS5 table

    async def newest_first(
        self,
        session: AsyncSession,
        query: TextQuery,
        *,
        between: tuple[datetime, datetime],
        before: Mark | None,
        at_once: int,
    ) -> AsyncGenerator[Sequence[Mark]]:
        """What is found from the newest to the oldest, some at a time, until nobody wants more."""
        oldest, newest = between
        for window in windows(oldest, min(newest, before.created_at) if before else newest):
            reached = before
            while True:
                found = await self._within(session, query, window, reached, at_once)
                if found:
                    yield found
                if len(found) < at_once:
                    break
                reached = found[-1]

    async def _within(
        self,
        session: AsyncSession,
        query: TextQuery,
        window: Window,
        before: Mark | None,
        limit: int,
    ) -> Sequence[Mark]:
        created_at = self.texts.created_at
        dialect = session.get_bind().dialect.name
        statement = (
            select(created_at, self.key)
            .where(self._matches(dialect), created_at < window.until)
            .order_by(created_at.desc(), self.key.desc())
            .limit(limit)
        )
        if before is not None:
            reached = before.among(created_at, self.key)
            statement = statement.where(tuple_(created_at, self.key) < reached)
        asked = {"asked": _spoken(query, window, dialect)}
        rows = (await session.execute(statement, asked)).all()
        return [Mark(*row) for row in rows]

    async def that_match(
        self, session: AsyncSession, query: TextQuery, rows: Sequence[Mark]
    ) -> Sequence[Any]:
        """The ids of those of these rows in which it is found: looked for in their days alone."""
        dialect = session.get_bind().dialect.name
        keys = [row.id for row in rows]
        statement = select(self.key).where(self.key.in_(keys), self._matches(dialect))
        days = sorted({f"{DAY}{_day_of(row.created_at)}" for row in rows})
        asked = {"asked": _spoken(query, Window(days, EVER), dialect)}
        return (await session.scalars(statement, asked)).all()

    def _matches(self, dialect: str) -> ColumnElement[bool]:
        asked = bindparam("asked", type_=Text())
        if dialect != "sqlite":
            return self.texts.words.op("@@")(cast(asked, TSQUERY))
        index = table(self.name, column("rowid", Integer))
        matching = column(self.name, Text).op("MATCH")(asked)
        return self.texts.id.in_(select(index.c.rowid).where(matching))


def windows(oldest: datetime, newest: datetime) -> Iterator[Window]:
    """From the newest day back to the oldest: a few days, and then more and more at a time."""
    first, last = _day_of(oldest), _day_of(newest)
    for count in DAYS_AT_ONCE:
        if last < first:
            return
        days = range(max(first, last - count + 1), last + 1)
        yield Window([f"{DAY}{day}" for day in reversed(days)], _end_of(last))
        last = days[0] - 1
    count = ERAS_AT_ONCE
    while last >= first:
        newest_era = last // ERA_DAYS
        eras = range(max(first // ERA_DAYS, newest_era - count + 1), newest_era + 1)
        yield Window([f"{ERA}{era}" for era in reversed(eras)], _end_of(last))
        last = eras[0] * ERA_DAYS - 1
        count *= 4


def _day_of(at: datetime) -> int:
    return (at.astimezone(UTC).date() - EPOCH).days


def _end_of(day: int) -> datetime:
    """The moment at which the day is over; the last day of all is cut."""
    start = datetime(EPOCH.year, EPOCH.month, EPOCH.day, tzinfo=UTC)
    try:
        return start + timedelta(days=day + 1)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)
