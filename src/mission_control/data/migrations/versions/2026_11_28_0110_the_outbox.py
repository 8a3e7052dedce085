"""the outbox: events that are committed and not published yet

Revision: 4e9a7c21d0b8
After: b3c1f0a4d27e
"""

import sqlalchemy as sa
from alembic import op

revision = "4e9a7c21d0b8"
down_revision = "b3c1f0a4d27e"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "outbox_clock",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_clock")),
    )
    op.create_table(
        "outbox_events",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("channel", sa.String(length=120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_events")),
    )


def downgrade() -> None:
    op.drop_table("outbox_events")
    op.drop_table("outbox_clock")
