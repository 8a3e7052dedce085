"""The search over turns, best first: FTS5 and bm25 on SQLite, tsvector and ts_rank on PostgreSQL.

A rank has to be worked out for every turn that has one of the words. So rare words decide, and words
that very many turns have are left out of the ranking: they say little of a turn. Turns that have
every word come first all the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from mission_control.data.base import UtcDateTime

MOST_RANKED = 10_000  # turns: what a database ranks in some ten milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationFilter:
    """What a search is narrowed to. None: any."""

    agent: str | None = None
    since: datetime | None = None  # inclusive
    until: datetime | None = None  # exclusive

    @property
    def is_any(self) -> bool:
        return self.agent is None and self.since is None and self.until is None


class TurnSearch:
    def __init__(self, session: AsyncSession, wanted: ConversationFilter) -> None:
        self._session = session
        self._wanted = wanted
        self._dialect = session.get_bind().dialect
        self._sql = _SQLITE if self._dialect.name == "sqlite" else _POSTGRESQL

    async def best(self, words: Sequence[str], *, limit: int) -> list[tuple[int, float]]:
        """Turns with any of the words: `(id, score)`, best first. Words are letters and digits."""
        counts = {word: await self._count(word) for word in words}
        known = sorted((word for word in words if counts[word]), key=lambda word: counts[word])
        if not known:
            return []
        ranked = _together_few(known, counts)
        found: dict[int, float] = {}
        if len(ranked) < len(known):
            found = await self._found(self._sql.newest, self._sql.all_of(known), limit)
        if ranked:
            best = await self._found(self._sql.ranked, self._sql.any_of(ranked), limit)
        else:  # every word is common, and no rank worth the wait
            best = await self._found(self._sql.newest, self._sql.any_of(known[:1]), limit)
        return [*(found | best).items()][:limit]

    async def _count(self, word: str) -> int:
        """How many turns have it, about; it does not matter how many more than can be ranked."""
        asked = {"query": self._sql.any_of([word])}
        if self._dialect.name == "sqlite":
            counted = text(_SQLITE_COUNT)
            return await self._session.scalar(counted, {**asked, "most": MOST_RANKED + 1}) or 0
        [[plan]] = (await self._session.execute(text(_POSTGRESQL_ESTIMATE), asked)).all()
        return max(1, int(plan[0]["Plan"]["Plan Rows"]))

    async def _found(self, statement: str, query: str, limit: int) -> dict[int, float]:
        join, conditions, values = self._narrowed()
        rows = await self._session.execute(
            text(statement.format(join=join, conditions=conditions)),
            {"query": query, "limit": limit, **values},
        )
        return {row[0]: float(row[1]) for row in rows}

    def _narrowed(self) -> tuple[str, str, dict[str, Any]]:
        """The join and conditions of a search, and their values as this database keeps them."""
        wanted = self._wanted
        if wanted.is_any:
            return "", "", {}
        join = "JOIN conversations c ON c.id = t.conversation_id"
        if self._dialect.name == "sqlite":
            join = f"JOIN conversation_turns t ON t.id = turn_search.rowid {join}"
        given = {
            "agent": ("c.agent = :agent", wanted.agent),
            "since": ("c.started_at >= :since", self._kept(wanted.since)),
            "until": ("c.started_at < :until", self._kept(wanted.until)),
        }
        chosen = {name: each for name, each in given.items() if each[1] is not None}
        conditions = "".join(f"AND {condition} " for condition, _ in chosen.values())
        return join, conditions, {name: value for name, (_, value) in chosen.items()}

    def _kept(self, at: datetime | None) -> Any:
        as_kept = UtcDateTime().dialect_impl(self._dialect).bind_processor(self._dialect)
        return at if at is None or as_kept is None else as_kept(at)


def _together_few(rarest_first: Sequence[str], counts: dict[str, int]) -> list[str]:
    """As many of the words as can be ranked, the rarest of them."""
    chosen: list[str] = []
    total = 0
    for word in rarest_first:
        total += counts[word]
        if total > MOST_RANKED:
            break
        chosen.append(word)
    return chosen


@dataclass(frozen=True)
class _Sql:
    """How a database says it: `ranked` orders by score, `newest` by the order of indexing."""

    quote: str
    any_: str
    all_: str
    ranked: str
    newest: str

    def any_of(self, words: Sequence[str]) -> str:
        return self.any_.join(f"{self.quote}{word}{self.quote}" for word in words)

    def all_of(self, words: Sequence[str]) -> str:
        return self.all_.join(f"{self.quote}{word}{self.quote}" for word in words)


_SQLITE = _Sql(
    '"',
    " OR ",
    " AND ",
    ranked="""
    SELECT turn_search.rowid, -turn_search.rank FROM turn_search {join}
    WHERE turn_search MATCH :query {conditions}
    ORDER BY turn_search.rank, turn_search.rowid LIMIT :limit
""",
    newest="""
    SELECT turn_search.rowid, 0 FROM turn_search {join}
    WHERE turn_search MATCH :query {conditions}
    ORDER BY turn_search.rowid DESC LIMIT :limit
""",
)
_POSTGRESQL = _Sql(
    "'",
    " | ",
    " & ",
    ranked="""
    SELECT t.id, ts_rank(t.turn_search, q.query) AS score
    FROM to_tsquery('english', :query) AS q(query), conversation_turns t {join}
    WHERE t.turn_search @@ q.query {conditions}
    ORDER BY score DESC, t.id LIMIT :limit
""",
    newest="""
    SELECT t.id, 0 FROM conversation_turns t {join}
    WHERE t.turn_search @@ to_tsquery('english', :query) {conditions}
    ORDER BY t.id DESC LIMIT :limit
""",
)
_SQLITE_COUNT = """
    SELECT count(*) FROM (
        SELECT 1 FROM turn_search WHERE turn_search MATCH :query LIMIT :most
    )
"""
_POSTGRESQL_ESTIMATE = """
    EXPLAIN (FORMAT JSON) SELECT FROM conversation_turns
    WHERE turn_search @@ to_tsquery('english', :query)
"""
