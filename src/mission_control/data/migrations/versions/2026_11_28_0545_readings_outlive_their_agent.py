"""readings outlive their agent

Revision: a83d5f10c6e4
After: 7d40b2f6c9e1
"""

import sqlalchemy as sa
from alembic import op

revision = "a83d5f10c6e4"
down_revision = "7d40b2f6c9e1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("split_readings", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("fk_split_readings_agent_id_agents"), type_="foreignkey")
        batch_op.drop_constraint(op.f("fk_split_readings_job_id_jobs"), type_="foreignkey")


def downgrade() -> None:
    """Readings of agents that are no more go: their table cannot hold them."""
    op.execute(
        sa.text(
            "DELETE FROM split_readings WHERE agent_id NOT IN (SELECT id FROM agents) "
            "OR job_id NOT IN (SELECT id FROM jobs)"
        )
    )
    with op.batch_alter_table("split_readings", schema=None) as batch_op:
        batch_op.create_foreign_key(
            op.f("fk_split_readings_agent_id_agents"), "agents", ["agent_id"], ["id"],
            ondelete="CASCADE",
        )  # fmt: skip
        batch_op.create_foreign_key(
            op.f("fk_split_readings_job_id_jobs"), "jobs", ["job_id"], ["id"], ondelete="CASCADE"
        )
