"""Alembic environment: the same revisions on SQLite and on PostgreSQL."""

from typing import Any, Literal

from alembic import context
from sqlalchemy.engine import Connection

from mission_control.data.base import Usd, UtcDateTime
from mission_control.data.tables import Base

SEARCHES = ("call_search", "lead_search", "turn_search")


def plain_types(kind: str, thing: Any, _context: Any) -> str | Literal[False]:
    """Write our column types as the databases' own, so that old revisions stay readable."""
    if kind == "type" and isinstance(thing, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(thing, Usd):
        return "sa.Numeric(18, 8).with_variant(sa.Text(), 'sqlite')"
    return False


def is_ours_to_compare(
    _thing: Any,
    name: str | None,
    _kind: str,
    reflected: bool,  # noqa: FBT001  # Alembic calls it so
    _other: Any,
) -> bool:
    """The full text search is made of what no table of ours can say: by hand, in its revision."""
    return not (reflected and (name or "").startswith(SEARCHES))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        compare_type=True,
        render_item=plain_types,
        include_object=is_ours_to_compare,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


run(context.config.attributes["connection"])
