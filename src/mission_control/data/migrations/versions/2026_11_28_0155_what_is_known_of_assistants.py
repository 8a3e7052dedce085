"""what is known of assistants, who asked for deployments, and one agent per assistant

Revision: 3f1b6d90c2ae
After: e41f7a90c3d5
"""

import json
from collections import defaultdict

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "3f1b6d90c2ae"
down_revision = "e41f7a90c3d5"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
DEPLOYMENT_COLUMNS = (
    ("requested_by", sa.String(120)),
    ("seen", JSON),
    ("overwritten", JSON),
    ("known_before", sa.LargeBinary()),
    ("rolled_back_at", sa.DateTime(timezone=True)),
    ("rolled_back_by", sa.String(120)),
    ("rollback_seen", JSON),
    ("rollback_overwritten", JSON),
)


def upgrade() -> None:
    _keep_one_link_per_assistant()
    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.create_unique_constraint("uq_agents_vapi_assistant_id", ["vapi_assistant_id"])
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("warnings", JSON, nullable=False, server_default="[]"))
        batch_op.add_column(
            sa.Column("taken_over", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        for name, kind in DEPLOYMENT_COLUMNS:
            batch_op.add_column(sa.Column(name, kind, nullable=True))
    with op.batch_alter_table("drift_checks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("warnings", JSON, nullable=False, server_default="[]"))
    op.create_table(
        "known_assistants",
        sa.Column("agent_id", sa.String(length=64), nullable=False),
        sa.Column("assistant_id", sa.String(length=64), nullable=False),
        sa.Column("known_by", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["agent_id"],
            ["agents.id"],
            name=op.f("fk_known_assistants_agent_id_agents"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("agent_id", name=op.f("pk_known_assistants")),
    )


def downgrade() -> None:
    op.drop_table("known_assistants")
    with op.batch_alter_table("drift_checks", schema=None) as batch_op:
        batch_op.drop_column("warnings")
    with op.batch_alter_table("deployments", schema=None) as batch_op:
        for name, _ in reversed(DEPLOYMENT_COLUMNS):
            batch_op.drop_column(name)
        batch_op.drop_column("taken_over")
        batch_op.drop_column("warnings")
    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.drop_constraint("uq_agents_vapi_assistant_id", type_="unique")


# ---------------------------------------------------------------- agents that share an assistant


def _keep_one_link_per_assistant() -> None:
    """The link stays with the agent that was deployed last, else the oldest; the others say why."""
    connection = op.get_bind()
    linked = connection.execute(
        sa.text(
            "SELECT a.id, a.vapi_assistant_id, a.deployed_version, a.created_at,"
            " (SELECT MAX(d.created_at) FROM deployments d"
            "  WHERE d.agent_id = a.id AND d.status = 'verified') AS deployed_at"
            " FROM agents a WHERE a.vapi_assistant_id IS NOT NULL ORDER BY a.created_at, a.id"
        )
    ).all()
    sharing: dict[str, list[sa.Row]] = defaultdict(list)
    for row in linked:
        sharing[row.vapi_assistant_id].append(row)
    for assistant_id, agents in sharing.items():
        deployed = [one for one in agents if one.deployed_version is not None]
        kept = max(deployed, key=lambda one: str(one.deployed_at)) if deployed else agents[0]
        for agent in agents:
            if agent.id != kept.id:
                _unlink(connection, agent.id, assistant_id, kept.id)


def _unlink(connection: sa.Connection, agent_id: str, assistant_id: str, kept: str) -> None:
    why = (
        f"Until an upgrade this agent was linked to the assistant {assistant_id} at Vapi, as the "
        f"agent {kept} is. Two agents on one assistant overwrite each other, so the link stayed "
        f"with {kept}, which was deployed there last or is older. Nothing was changed at Vapi."
    )
    values = {"agent": agent_id, "error": json.dumps({"code": "assistant_shared", "detail": why})}
    cast = "CAST(:error AS JSONB)" if connection.dialect.name == "postgresql" else ":error"
    connection.execute(
        sa.text(
            f"UPDATE deployments SET status = 'failed', error = {cast}"
            " WHERE agent_id = :agent AND status = 'verified'"
        ),
        values,
    )
    version = connection.execute(
        sa.text(
            "SELECT v.id, v.warnings FROM agent_versions v JOIN agents a"
            " ON a.id = v.agent_id AND a.current_version = v.number WHERE a.id = :agent"
        ),
        {"agent": agent_id},
    ).first()
    if version is not None:
        old = json.loads(version.warnings) if isinstance(version.warnings, str) else version.warnings
        cast = "CAST(:warnings AS JSONB)" if connection.dialect.name == "postgresql" else ":warnings"
        connection.execute(
            sa.text(f"UPDATE agent_versions SET warnings = {cast} WHERE id = :id"),
            {"warnings": json.dumps([*(old or []), why]), "id": version.id},
        )
    connection.execute(
        sa.text(
            "UPDATE agents SET vapi_assistant_id = NULL, deployed_version = NULL,"
            " status = CASE WHEN status = 'live' THEN 'dev' ELSE status END WHERE id = :agent"
        ),
        {"agent": agent_id},
    )
