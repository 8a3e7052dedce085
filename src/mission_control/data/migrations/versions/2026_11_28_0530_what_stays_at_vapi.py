"""what an assistant at Vapi has and its agent does not carry, and whether our texts moved there

Revision: 7d40b2f6c9e1
After: 9c4e7d15b8a2
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "7d40b2f6c9e1"
down_revision = "9c4e7d15b8a2"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    with op.batch_alter_table("drift_checks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("left_at_vapi", JSON, nullable=True))
        batch_op.add_column(sa.Column("texts_moved", sa.Boolean(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("drift_checks", schema=None) as batch_op:
        batch_op.drop_column("texts_moved")
        batch_op.drop_column("left_at_vapi")
