"""full text over calls and leads, totals kept with the calls, an index for every list

Revision: e41f7a90c3d5
After: 5a1d0c7be942
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from mission_control.data import search_rebuild

revision = "e41f7a90c3d5"
down_revision = "5a1d0c7be942"
branch_labels = None
depends_on = None

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WORDS = sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql")
FIGURES = (
    "calls", "priced", "cost_units", "duration_us", "unpriced", "succeeded", "failed", "unjudged",
)  # fmt: skip
ENDINGS = (
    "customer", "assistant", "transferred", "voicemail", "not_reached", "silence", "time_limit",
    "error", "other",
)  # fmt: skip
LISTED_BY = (
    "source", "direction", "assistant_version", "ended_reason", "ending", "success", "cost_units",
)  # fmt: skip
PARTIAL = {
    "ix_calls_unlinked": ("assistant_id", "agent_id IS NULL AND assistant_id IS NOT NULL"),
    "ix_calls_removed": ("id", "content_removed_at IS NOT NULL"),
}

# What no table of ours can say: the search over the words. A revision that rebuilds one of these
# tables on SQLite loses the triggers, and has to make them again.
SQLITE_SEARCHES = (
    ("call_search", "call_texts", "ascii", "none"),
    ("lead_search", "lead_texts", "ascii", "none"),
    ("turn_search", "conversation_turns", "porter ascii", "full"),
)
POSTGRESQL_SEARCHES = (("call_search", "call_texts"), ("lead_search", "lead_texts"))


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    _upgrade_calls(is_sqlite)
    _upgrade_totals(is_sqlite)
    op.create_index(
        "ix_leads_status_label_created_at_id", "leads", ["status_label", "created_at", "id"]
    )
    op.create_index("ix_leads_mirrored_at", "leads", ["mirrored_at"])
    _create_texts("call_texts", "call_id", sa.Uuid(), "calls")
    _create_texts("lead_texts", "lead_id", sa.String(64), "leads")
    _drop_turn_search(is_sqlite)
    op.add_column(
        "conversation_turns", sa.Column("words", sa.Text(), nullable=False, server_default="")
    )
    connection = op.get_bind()
    # Rows first and the searches over them in one go: that is several times quicker.
    search_rebuild.fill_call_texts(connection)
    search_rebuild.fill_lead_texts(connection)
    search_rebuild.fold_turns(connection)
    search_rebuild.fold_memories(connection)
    for statement in _searches(is_sqlite):
        op.execute(statement)


def downgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    if is_sqlite:
        for name, table, _, _ in SQLITE_SEARCHES:
            for what in ("inserted", "deleted", "updated"):
                op.execute(f"DROP TRIGGER {name}_{what}")
            op.execute(f"DROP TABLE {name}")
    else:
        op.execute("ALTER TABLE conversation_turns DROP COLUMN turn_search")
    op.drop_table("call_texts")
    op.drop_table("lead_texts")
    op.drop_column("conversation_turns", "words")
    for statement in _former_turn_search(is_sqlite):
        op.execute(statement)
    op.execute("UPDATE memories SET search_text = lower(coalesce(subject, '') || '\n' || content)")
    op.drop_index("ix_leads_mirrored_at", "leads")
    op.drop_index("ix_leads_status_label_created_at_id", "leads")
    op.drop_table("call_totals")
    for name in ("ix_calls_to_index", *PARTIAL):
        op.drop_index(name, "calls")
    for name in LISTED_BY:
        op.drop_index(f"ix_calls_{name}_created_at_id", "calls")
    op.drop_column("calls", "to_index")
    op.drop_column("calls", "cost_units")


def _upgrade_calls(is_sqlite: bool) -> None:
    op.add_column("calls", sa.Column("cost_units", sa.BigInteger(), nullable=True))
    op.add_column(
        "calls", sa.Column("to_index", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    units = (
        "CAST(replace(cost_usd, '.', '') AS INTEGER)"
        if is_sqlite
        else "CAST(cost_usd * 100000000 AS BIGINT)"
    )
    op.execute(f"UPDATE calls SET cost_units = {units} WHERE cost_usd IS NOT NULL")
    op.execute(
        f"""UPDATE calls SET to_index = {"1" if is_sqlite else "true"}
        WHERE ending IS NOT NULL AND content_removed_at IS NULL
        AND (coalesce(summary, '') <> '' OR EXISTS (SELECT 1 FROM call_contents c
            WHERE c.call_id = calls.id AND coalesce(c.transcript, '') <> ''))
        AND NOT EXISTS (SELECT 1 FROM conversations v
            WHERE v.call_id = calls.id AND v.seen_at >= calls.updated_at)"""
    )
    for name in LISTED_BY:
        op.create_index(f"ix_calls_{name}_created_at_id", "calls", [name, "created_at", "id"])
    for name, (column, condition) in PARTIAL.items():
        op.create_index(
            name, "calls", [column],
            sqlite_where=sa.text(condition), postgresql_where=sa.text(condition),
        )  # fmt: skip
    op.create_index(
        "ix_calls_to_index", "calls", ["updated_at", "id"],
        sqlite_where=sa.text("to_index = 1"), postgresql_where=sa.text("to_index"),
    )  # fmt: skip


def _upgrade_totals(is_sqlite: bool) -> None:
    endings = [f"ended_{each}" for each in ENDINGS]
    op.create_table(
        "call_totals",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in (*FIGURES, *endings)),
        sa.PrimaryKeyConstraint("day", "source", "agent_id", name=op.f("pk_call_totals")),
    )
    if is_sqlite:
        day, yes, no = "substr(created_at, 1, 10)", "success = 1", "success = 0"
        rounded = "(duration_seconds * 1000000.0 + 0.5)"
        whole = f"CAST({rounded} AS INTEGER) - ({rounded} < CAST({rounded} AS INTEGER))"
    else:
        day, yes, no = "CAST(timezone('UTC', created_at) AS DATE)", "success", "NOT success"
        whole = "CAST(floor(duration_seconds * 1000000.0 + 0.5) AS BIGINT)"

    def counted(condition: str) -> str:
        return f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)"

    ended = "ending IS NOT NULL"
    sums = [
        "count(*)", "count(cost_units)", "coalesce(sum(cost_units), 0)", f"coalesce(sum({whole}), 0)",
        counted(f"{ended} AND cost_units IS NULL"), counted(f"{ended} AND {yes}"),
        counted(f"{ended} AND {no}"), counted(f"{ended} AND success IS NULL"),
        *(counted(f"ending = '{each}'") for each in ENDINGS),
    ]  # fmt: skip
    op.execute(
        f"""INSERT INTO call_totals (day, source, agent_id, {", ".join((*FIGURES, *endings))})
        SELECT {day}, source, coalesce(agent_id, ''), {", ".join(sums)}
        FROM calls GROUP BY 1, 2, 3"""
    )


def _create_texts(name: str, key: str, kind: sa.types.TypeEngine, of: str) -> None:
    op.create_table(
        name,
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column(key, kind, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("words", WORDS, nullable=False),
        sa.ForeignKeyConstraint(
            [key], [f"{of}.id"], name=op.f(f"fk_{name}_{key}_{of}"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        sa.UniqueConstraint(key, name=op.f(f"uq_{name}_{key}")),
    )


def _searches(is_sqlite: bool) -> list[str]:
    if is_sqlite:
        return [each for search in SQLITE_SEARCHES for each in _fts(*search)]
    return [
        *(
            f"CREATE INDEX {name}_words ON {table} USING gin (words) WITH (fastupdate = off)"
            for name, table in POSTGRESQL_SEARCHES
        ),
        *_turn_column("words"),
    ]


def _fts(name: str, table: str, tokenizer: str, detail: str) -> list[str]:
    """An FTS5 table over the words of another one, kept in step by triggers, and filled."""
    removed = f"INSERT INTO {name}({name}, rowid, words) VALUES ('delete', old.id, old.words);"
    added = f"INSERT INTO {name}(rowid, words) VALUES (new.id, new.words);"
    return [
        f"""CREATE VIRTUAL TABLE {name} USING fts5(
            words, content='{table}', content_rowid='id', tokenize='{tokenizer}', detail={detail}
        )""",
        f"INSERT INTO {name}({name}) VALUES ('rebuild')",
        f"CREATE TRIGGER {name}_inserted AFTER INSERT ON {table} BEGIN {added} END",
        f"CREATE TRIGGER {name}_deleted AFTER DELETE ON {table} BEGIN {removed} END",
        f"CREATE TRIGGER {name}_updated AFTER UPDATE OF id, words ON {table} "
        f"BEGIN {removed} {added} END",
    ]


def _drop_turn_search(is_sqlite: bool) -> None:
    if not is_sqlite:
        op.execute("ALTER TABLE conversation_turns DROP COLUMN turn_search")
        return
    for what in ("inserted", "deleted", "updated"):
        op.execute(f"DROP TRIGGER turn_search_{what}")
    op.execute("DROP TABLE turn_search")


def _turn_column(of: str) -> list[str]:
    return [
        f"""ALTER TABLE conversation_turns ADD COLUMN turn_search tsvector
            GENERATED ALWAYS AS (to_tsvector('english', {of})) STORED""",
        "CREATE INDEX turn_search_words ON conversation_turns USING gin (turn_search)",
    ]


def _former_turn_search(is_sqlite: bool) -> list[str]:
    if not is_sqlite:
        return _turn_column("text")
    return [
        """CREATE VIRTUAL TABLE turn_search USING fts5(
            text, content='conversation_turns', content_rowid='id',
            tokenize='porter unicode61 remove_diacritics 2'
        )""",
        "INSERT INTO turn_search(turn_search) VALUES ('rebuild')",
        """CREATE TRIGGER turn_search_inserted AFTER INSERT ON conversation_turns BEGIN
            INSERT INTO turn_search(rowid, text) VALUES (new.id, new.text);
        END""",
        """CREATE TRIGGER turn_search_deleted AFTER DELETE ON conversation_turns BEGIN
            INSERT INTO turn_search(turn_search, rowid, text) VALUES ('delete', old.id, old.text);
        END""",
        """CREATE TRIGGER turn_search_updated AFTER UPDATE OF id, text ON conversation_turns BEGIN
            INSERT INTO turn_search(turn_search, rowid, text) VALUES ('delete', old.id, old.text);
            INSERT INTO turn_search(rowid, text) VALUES (new.id, new.text);
        END""",
    ]
