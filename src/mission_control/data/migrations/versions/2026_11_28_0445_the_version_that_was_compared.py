"""the version that a comparison with an assistant told of

Revision: 5a2e8c17d4b0
After: 3f1b6d90c2ae
"""

import sqlalchemy as sa
from alembic import op

revision = "5a2e8c17d4b0"
down_revision = "3f1b6d90c2ae"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("drift_checks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), nullable=True))
    # Nobody noted it. An agent whose versions are all older than its comparison has one answer.
    op.execute(
        "UPDATE drift_checks SET version = ("
        " SELECT a.current_version FROM agents a WHERE a.id = drift_checks.agent_id"
        "  AND NOT EXISTS (SELECT 1 FROM agent_versions v WHERE v.agent_id = a.id"
        "   AND v.created_at >= drift_checks.compared_at))"
        " WHERE compared_at IS NOT NULL"
    )


def downgrade() -> None:
    with op.batch_alter_table("drift_checks", schema=None) as batch_op:
        batch_op.drop_column("version")
