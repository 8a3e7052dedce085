"""one call of two systems once, each part its assistant's, and what a judgement means

Revision: 9c4e7d15b8a2
After: 5a2e8c17d4b0
"""

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from mission_control.data import search_rebuild
from mission_control.data.base import UtcDateTime
from mission_control.data.call_documents import shares_of
from mission_control.data.counted_calls import CountedCalls
from mission_control.data.same_calls import pairs

revision = "9c4e7d15b8a2"
down_revision = "5a2e8c17d4b0"
branch_labels = None
depends_on = None

NEW_COLUMNS = (
    ("success_rubric", sa.String(32)), ("success_score", sa.Double()), ("same_call_as", sa.Uuid()),
    ("names_call", sa.String(64)),
)  # fmt: skip
PARTIAL = (
    ("ix_calls_same_call_as", "same_call_as", "same_call_as IS NOT NULL"),
    ("ix_calls_names_call", "names_call", "names_call IS NOT NULL"),
    ("ix_calls_without_rubric", "assistant_id", "success_evaluation IS NOT NULL AND success_rubric IS NULL"),
)  # fmt: skip
ENDINGS = (
    "customer", "assistant", "transferred", "voicemail", "not_reached", "silence", "time_limit",
    "error", "other",
)  # fmt: skip
SCALES = ("numeric", "percentage", "descriptive", "likert")
BEFORE = (
    "calls", "priced", "cost_units", "duration_us", "unpriced", "succeeded", "failed", "unjudged",
    *(f"ended_{each}" for each in ENDINGS),
)  # fmt: skip
AFTER = (
    *BEFORE[:8], *(name for each in SCALES for name in (f"scored_{each}", f"points_{each}")), *BEFORE[8:]
)  # fmt: skip
CALLS = sa.table(
    "calls",
    sa.column("id", sa.Uuid()), sa.column("source", sa.String()), sa.column("external_id", sa.String()),
    sa.column("customer_number", sa.String()), sa.column("direction", sa.String()), sa.column("lead_id", sa.String()),
    sa.column("started_at", UtcDateTime()), sa.column("created_at", UtcDateTime()),
    sa.column("duration_seconds", sa.Float()), sa.column("names_call", sa.String()),
    sa.column("same_call_as", sa.Uuid()), sa.column("cost_units", sa.BigInteger()),
    sa.column("is_shared", sa.Boolean()), sa.column("to_index", sa.Boolean()),
    sa.column("ending", sa.String()),
)  # fmt: skip
CONTENTS = sa.table(
    "call_contents", sa.column("call_id", sa.Uuid()), sa.column("document", sa.JSON())
)
AGENTS = sa.table("agents", sa.column("id", sa.String()), sa.column("vapi_assistant_id", sa.String()))
PARTS = sa.table(
    "call_parts",
    sa.column("call_id", sa.Uuid()), sa.column("position", sa.Integer()),
    sa.column("assistant_id", sa.String()), sa.column("assistant_name", sa.String()),
    sa.column("assistant_version", sa.String()), sa.column("agent_id", sa.String()),
    sa.column("duration_us", sa.BigInteger()), sa.column("cost_units", sa.BigInteger()),
    sa.column("is_last", sa.Boolean()),
)  # fmt: skip
ROWS_AT_ONCE = 1_000


def upgrade() -> None:
    for name, kind in NEW_COLUMNS:
        op.add_column("calls", sa.Column(name, kind, nullable=True))
    op.add_column(
        "calls", sa.Column("is_shared", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    for name, column, condition in PARTIAL:
        op.create_index(
            name, "calls", [column],
            sqlite_where=sa.text(condition), postgresql_where=sa.text(condition),
        )  # fmt: skip
    _create_parts()
    op.execute(
        "UPDATE calls SET success_rubric = 'pass_fail', "
        "success_score = CASE WHEN success THEN 1.0 ELSE 0.0 END WHERE success IS NOT NULL"
    )
    connection = op.get_bind()
    _pair(connection)
    _divide(connection)
    op.drop_table("call_totals")
    _create_totals(("assistant_version", sa.String(32)), ("role", sa.String(16)), figures=AFTER)
    counted = CountedCalls(is_sqlite=connection.dialect.name == "sqlite").among().subquery()
    names = ("day", "source", "agent_id", "assistant_version", "role", *AFTER)
    totals = sa.table("call_totals", *(sa.column(name) for name in names))
    connection.execute(
        sa.insert(totals).from_select(names, sa.select(*(counted.c[name] for name in names)))
    )
    search_rebuild.add_tools(connection)


def downgrade() -> None:
    op.drop_table("call_totals")
    _create_totals(figures=BEFORE)
    _add_up_as_before(op.get_bind().dialect.name == "sqlite")
    op.drop_table("call_parts")
    for name, _, _ in PARTIAL:
        op.drop_index(name, "calls")
    for name in ("is_shared", *(name for name, _ in NEW_COLUMNS)):
        op.drop_column("calls", name)


def _create_parts() -> None:
    op.create_table(
        "call_parts",
        sa.Column("call_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("assistant_id", sa.String(length=64), nullable=True),
        sa.Column("assistant_name", sa.String(length=200), nullable=True),
        sa.Column("assistant_version", sa.String(length=32), nullable=True),
        sa.Column("agent_id", sa.String(length=64), nullable=True),
        sa.Column("duration_us", sa.BigInteger(), nullable=True),
        sa.Column("cost_units", sa.BigInteger(), nullable=True),
        sa.Column("is_last", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["call_id"], ["calls.id"], name=op.f("fk_call_parts_call_id_calls"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.id"], name=op.f("fk_call_parts_agent_id_agents"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("call_id", "position", name=op.f("pk_call_parts")),
    )  # fmt: skip
    op.create_index("ix_call_parts_agent_id", "call_parts", ["agent_id"])
    op.create_index("ix_call_parts_assistant_version", "call_parts", ["assistant_version"])
    condition = sa.text("agent_id IS NULL AND assistant_id IS NOT NULL")
    op.create_index(
        "ix_call_parts_unlinked", "call_parts", ["assistant_id"],
        sqlite_where=condition, postgresql_where=condition,
    )  # fmt: skip


def _create_totals(*more: tuple[str, Any], figures: tuple[str, ...]) -> None:
    key = ["day", "source", "agent_id", *(name for name, _ in more)]
    op.create_table(
        "call_totals",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        *(sa.Column(name, kind, nullable=False) for name, kind in more),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in figures),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_call_totals")),
    )


def _pair(connection: sa.Connection) -> None:
    """Rows of Close that repeat one of Vapi's, number by number."""
    repeated = (
        sa.select(CALLS.c.customer_number)
        .where(CALLS.c.customer_number.like("+%"))
        .group_by(CALLS.c.customer_number)
        .having(sa.func.count(sa.distinct(CALLS.c.source)) > 1)
    )
    numbers = list(connection.scalars(repeated))
    for at in range(0, len(numbers), ROWS_AT_ONCE):
        some = numbers[at : at + ROWS_AT_ONCE]
        rows = connection.execute(sa.select(CALLS).where(CALLS.c.customer_number.in_(some)))
        by_number: dict[str, list[Any]] = {}
        for row in rows.mappings():
            by_number.setdefault(row["customer_number"], []).append(dict(row))
        same: dict[UUID, UUID] = {}
        for each in by_number.values():
            same |= pairs(each)
        changed = sa.update(CALLS).where(CALLS.c.id == sa.bindparam("one"))
        if same:
            connection.execute(
                changed.values(same_call_as=sa.bindparam("other")),
                [{"one": one, "other": other} for one, other in same.items()],
            )


def _divide(connection: sa.Connection) -> None:
    """Calls that several assistants spoke in."""
    agent_of = {row.vapi_assistant_id: row.id for row in connection.execute(sa.select(AGENTS))}
    told = (
        sa.select(CONTENTS.c.call_id, CONTENTS.c.document, CALLS.c.duration_seconds, CALLS.c.cost_units)
        .join(CALLS, CALLS.c.id == CONTENTS.c.call_id)
        .where(sa.cast(CONTENTS.c.document, sa.Text()).like("%assistantActivations%"))
    )
    for row in connection.execute(told).all():
        shares = shares_of(row.document or {}, row.duration_seconds, row.cost_units)
        if not shares:
            continue
        parts = [
            {
                "call_id": row.call_id,
                "position": position,
                "agent_id": agent_of.get(share.assistant_id) if share.assistant_id else None,
                **{
                    name: getattr(share, name)
                    for name in ("assistant_id", "assistant_name", "assistant_version",
                                 "duration_us", "cost_units", "is_last")
                },
            }
            for position, share in enumerate(shares)
        ]  # fmt: skip
        connection.execute(sa.insert(PARTS), parts)
        connection.execute(sa.update(CALLS).where(CALLS.c.id == row.call_id).values(is_shared=True))


def _add_up_as_before(is_sqlite: bool) -> None:
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
        f"""INSERT INTO call_totals (day, source, agent_id, {", ".join(BEFORE)})
        SELECT {day}, source, coalesce(agent_id, ''), {", ".join(sums)}
        FROM calls GROUP BY 1, 2, 3"""
    )
