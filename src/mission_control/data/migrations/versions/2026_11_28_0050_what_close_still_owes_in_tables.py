"""what Close still owes, in tables of its own

Revision: b3c1f0a4d27e
After: 7d0c92b4e1fa
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "b3c1f0a4d27e"
down_revision = "7d0c92b4e1fa"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
MOMENT = sa.DateTime(timezone=True)
STATES = sa.table(
    "sync_states",
    sa.column("name", sa.String),
    sa.column("position", JSON),
    sa.column("updated_at", MOMENT),
)
REFETCHES = sa.table(
    "close_refetches",
    sa.column("kind", sa.String),
    sa.column("close_id", sa.String),
    sa.column("times", sa.Integer),
    sa.column("requested_at", MOMENT),
)
TRANSCRIPTS = sa.table(
    "pending_transcripts",
    sa.column("call_id", sa.String),
    sa.column("call_created_at", MOMENT),
    sa.column("times_asked", sa.Integer),
)
MERGED = sa.table(
    "merged_leads",
    sa.column("lead_id", sa.String),
    sa.column("into_id", sa.String),
    sa.column("merged_at", MOMENT),
)
KINDS = {"leads": "lead", "calls": "call", "gone": "deleted_lead"}
NAMES = {kind: name for name, kind in KINDS.items()}


def upgrade() -> None:
    op.create_table(
        "close_refetches",
        sa.Column(
            "kind",
            sa.Enum(
                "lead", "call", "deleted_lead", name="refetchkind", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("close_id", sa.String(length=64), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "close_id", name=op.f("pk_close_refetches")),
    )
    op.create_index("ix_close_refetches_requested_at", "close_refetches", ["requested_at"])
    op.create_table(
        "pending_transcripts",
        sa.Column("call_id", sa.String(length=64), nullable=False),
        sa.Column("call_created_at", MOMENT, nullable=False),
        sa.Column("times_asked", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_pending_transcripts")),
    )
    op.create_table(
        "merged_leads",
        sa.Column("lead_id", sa.String(length=64), nullable=False),
        sa.Column("into_id", sa.String(length=64), nullable=False),
        sa.Column("merged_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_merged_leads")),
    )
    op.create_index("ix_merged_leads_into_id", "merged_leads", ["into_id"])
    _into_tables()


def downgrade() -> None:
    _into_states()
    op.drop_table("merged_leads")
    op.drop_table("pending_transcripts")
    op.drop_table("close_refetches")


def _into_tables() -> None:
    now = datetime.now(UTC)
    for kind, named in ((KINDS[name], ids) for name, ids in _taken("close.hints").items()):
        _insert(REFETCHES, [
            {"kind": kind, "close_id": one, "times": times, "requested_at": now}
            for one, times in named.items()
        ])  # fmt: skip
    waiting = _taken("close.transcripts").get("waiting", {})
    _insert(TRANSCRIPTS, [
        {
            "call_id": call_id,
            "call_created_at": datetime.fromisoformat(created_at),
            "times_asked": asked,
        }
        for call_id, (created_at, asked) in waiting.items()
    ])  # fmt: skip
    _insert(MERGED, [
        {"lead_id": lead_id, "into_id": into, "merged_at": now}
        for lead_id, into in dict(_taken("close.merged").get("into", [])).items()
    ])  # fmt: skip
    _rename_key("walk", "backfill")


def _into_states() -> None:
    connection = op.get_bind()
    hints: dict[str, dict[str, int]] = {}
    for row in connection.execute(sa.select(REFETCHES)):
        hints.setdefault(NAMES[row.kind], {})[row.close_id] = row.times
    waiting = {
        row.call_id: [row.call_created_at.replace(tzinfo=UTC).isoformat(), row.times_asked]
        for row in connection.execute(sa.select(TRANSCRIPTS))
    }
    into = [[row.lead_id, row.into_id] for row in connection.execute(sa.select(MERGED))]
    states = {
        "close.hints": hints,
        "close.transcripts": {"waiting": waiting} if waiting else {},
        "close.merged": {"into": into} if into else {},
    }
    now = datetime.now(UTC)
    _insert(STATES, [
        {"name": name, "position": position, "updated_at": now}
        for name, position in states.items()
        if position
    ])  # fmt: skip
    _rename_key("backfill", "walk")


def _taken(name: str) -> dict:
    """The position of a state that is no more."""
    connection = op.get_bind()
    position = connection.scalar(sa.select(STATES.c.position).where(STATES.c.name == name))
    connection.execute(sa.delete(STATES).where(STATES.c.name == name))
    return position or {}


def _rename_key(old: str, new: str) -> None:
    connection = op.get_bind()
    for name in ("close.leads", "close.calls"):
        position = connection.scalar(sa.select(STATES.c.position).where(STATES.c.name == name))
        if position and old in position:
            renamed = {new if key == old else key: value for key, value in position.items()}
            connection.execute(
                sa.update(STATES).where(STATES.c.name == name).values(position=renamed)
            )


def _insert(table: sa.TableClause, rows: list[dict]) -> None:
    if rows:
        op.get_bind().execute(sa.insert(table), rows)
