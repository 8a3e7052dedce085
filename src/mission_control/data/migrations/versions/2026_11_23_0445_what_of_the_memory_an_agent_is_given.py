"""what of the memory an agent is given

Revision: 7d0c92b4e1fa
After: 6b842edf8eb2
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d0c92b4e1fa"
down_revision = "6b842edf8eb2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "agent_contexts",
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "settings",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=True,
        ),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["agents.id"],
            name=op.f("fk_agent_contexts_agent_id_agents"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_contexts")),
        sa.UniqueConstraint("agent_id", "number", name=op.f("uq_agent_contexts_agent_id_number")),
    )
    with op.batch_alter_table("agent_contexts", schema=None) as batch_op:
        batch_op.create_index(
            "ix_agent_contexts_agent_id_created_at_id",
            ["agent_id", "created_at", "id"],
            unique=False,
        )
    for table in ("executions", "deployments"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.add_column(
                sa.Column(
                    "memories",
                    sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
                    nullable=True,
                )
            )


def downgrade() -> None:
    for table in ("deployments", "executions"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("memories")
    op.drop_table("agent_contexts")
