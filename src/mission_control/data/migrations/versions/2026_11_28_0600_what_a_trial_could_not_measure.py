"""what a trial could not measure

Revision: b19f60c2d7a5
After: a83d5f10c6e4
"""

import sqlalchemy as sa
from alembic import op

revision = "b19f60c2d7a5"
down_revision = "a83d5f10c6e4"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("trials", schema=None) as batch_op:
        batch_op.add_column(sa.Column("truncated", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("unmeasured", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("trials", schema=None) as batch_op:
        batch_op.drop_column("unmeasured")
        batch_op.drop_column("truncated")
