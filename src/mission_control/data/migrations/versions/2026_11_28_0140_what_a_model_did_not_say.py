"""tokens that a server did not tell, replies that were cut, and what a model thought

Revision: 5a1d0c7be942
After: e41c7d2f90ab
"""

import sqlalchemy as sa
from alembic import op

revision = "5a1d0c7be942"
down_revision = "e41c7d2f90ab"
branch_labels = None
depends_on = None

COUNTED = ("evaluations", "scenario_results", "optimizations", "executions")
ANSWERED = ("scenario_results", "executions")
TOKENS = ("input_tokens", "output_tokens")


def upgrade() -> None:
    for table in COUNTED:
        with op.batch_alter_table(table) as batch_op:
            for column in TOKENS:
                batch_op.alter_column(column, existing_type=sa.Integer(), nullable=True)
            if table in ANSWERED:
                batch_op.add_column(
                    sa.Column("truncated", sa.Boolean(), server_default=sa.false(), nullable=False)
                )
                batch_op.add_column(sa.Column("thinking", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in COUNTED:
        rows = sa.table(table, *(sa.column(column, sa.Integer) for column in TOKENS))
        for column in TOKENS:
            op.execute(rows.update().where(rows.c[column].is_(None)).values({column: 0}))
        with op.batch_alter_table(table) as batch_op:
            for column in TOKENS:
                batch_op.alter_column(column, existing_type=sa.Integer(), nullable=False)
            if table in ANSWERED:
                batch_op.drop_column("thinking")
                batch_op.drop_column("truncated")
