"""the test split's ledger

Comparisons that were made before are readings of the test split, too: they are counted, with the
questions that they asked.

Revision: e41c7d2f90ab
After: 4e9a7c21d0b8
"""

import json
from collections import Counter
from datetime import UTC
from uuid import uuid4

import sqlalchemy as sa
import yaml
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e41c7d2f90ab"
down_revision = "4e9a7c21d0b8"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")


def upgrade() -> None:
    op.create_table(
        "split_readings",
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=True),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edited_version", sa.Integer(), nullable=True),
        sa.Column("questions", JSON, nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["agents.id"],
            name=op.f("fk_split_readings_agent_id_agents"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
            name=op.f("fk_split_readings_job_id_jobs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_split_readings")),
        sa.UniqueConstraint("job_id", name=op.f("uq_split_readings_job_id")),
    )
    with op.batch_alter_table("split_readings", schema=None) as batch_op:
        batch_op.create_index(
            "ix_split_readings_agent_id_counted_at", ["agent_id", "counted_at"], unique=False
        )
    with op.batch_alter_table("optimizations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("warnings", JSON, nullable=False, server_default="[]"))
    with op.batch_alter_table("optimizations", schema=None) as batch_op:
        batch_op.alter_column("warnings", server_default=None)
    with op.batch_alter_table("evaluations", schema=None) as batch_op:
        batch_op.add_column(sa.Column("test_pass_rate", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("test_scenarios", sa.Integer(), nullable=True))
    _tell_the_test_split_apart()
    _count_earlier_comparisons()


def downgrade() -> None:
    with op.batch_alter_table("evaluations", schema=None) as batch_op:
        batch_op.drop_column("test_scenarios")
        batch_op.drop_column("test_pass_rate")
    with op.batch_alter_table("optimizations", schema=None) as batch_op:
        batch_op.drop_column("warnings")
    op.drop_table("split_readings")


def _tell_the_test_split_apart() -> None:
    """The arms of a comparison ran nothing else; of other evaluations it is not known any more."""
    connection = op.get_bind()
    evaluations = sa.table(
        "evaluations",
        sa.column("id", sa.Uuid),
        sa.column("purpose", sa.String),
        sa.column("pass_rate", sa.Float),
        sa.column("scenario_ids", JSON),
        sa.column("test_pass_rate", sa.Float),
        sa.column("test_scenarios", sa.Integer),
    )
    arms = connection.execute(
        sa.select(evaluations.c.id, evaluations.c.pass_rate, evaluations.c.scenario_ids).where(
            evaluations.c.purpose.in_(("comparison_baseline", "comparison_candidate")),
            evaluations.c.pass_rate.is_not(None),
        )
    ).all()
    for arm in arms:
        connection.execute(
            evaluations.update()
            .where(evaluations.c.id == arm.id)
            .values(test_pass_rate=arm.pass_rate, test_scenarios=len(arm.scenario_ids))
        )


def _count_earlier_comparisons() -> None:
    connection = op.get_bind()
    evaluations = sa.table(
        "evaluations",
        sa.column("agent_id", sa.String),
        sa.column("version_id", sa.Uuid),
        sa.column("job_id", sa.Uuid),
        sa.column("purpose", sa.String),
        sa.column("scenario_ids", JSON),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    versions = sa.table(
        "agent_versions", sa.column("id", sa.Uuid), sa.column("playbook", sa.Text)
    )
    readings = sa.table(
        "split_readings",
        sa.column("id", sa.Uuid),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("agent_id", sa.String),
        sa.column("job_id", sa.Uuid),
        sa.column("kind", sa.String),
        sa.column("number", sa.Integer),
        sa.column("counted_at", sa.DateTime(timezone=True)),
        sa.column("questions", JSON),
    )
    compared = connection.execute(
        sa.select(
            evaluations.c.agent_id,
            evaluations.c.job_id,
            evaluations.c.scenario_ids,
            evaluations.c.created_at,
            versions.c.playbook,
        )
        .join(versions, versions.c.id == evaluations.c.version_id)
        .where(evaluations.c.purpose == "comparison_baseline")
        .order_by(evaluations.c.created_at)
    ).all()
    numbers: Counter[str] = Counter()
    known: set[tuple[str, str]] = set()
    for row in compared:
        numbers[row.agent_id] += 1
        inputs = _inputs(row.playbook)
        asked = [inputs[name] for name in row.scenario_ids if name in inputs]
        keys = [(row.agent_id, json.dumps(each, sort_keys=True)) for each in asked]
        at = row.created_at if row.created_at.tzinfo else row.created_at.replace(tzinfo=UTC)
        connection.execute(
            readings.insert().values(
                id=uuid4(),
                created_at=at,
                agent_id=row.agent_id,
                job_id=row.job_id,
                kind="comparison",
                number=numbers[row.agent_id],
                counted_at=at,
                questions=[
                    each for each, key in zip(asked, keys, strict=True) if key not in known
                ],
            )
        )
        known.update(keys)


def _inputs(playbook: str) -> dict[str, dict[str, str]]:
    """Scenario names and inputs of a stored playbook, which is YAML that we wrote ourselves."""
    spec = (yaml.safe_load(playbook) or {}).get("spec") or {}
    scenarios = (spec.get("feature_specifications") or {}).get("scenarios")
    found = scenarios or spec.get("scenarios") or []
    return {
        str(each["name"]): {str(key): str(value) for key, value in each["input"].items()}
        for each in found
        if isinstance(each, dict) and "name" in each and isinstance(each.get("input"), dict)
    }
