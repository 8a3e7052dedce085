"""Keyset pages: newest first, stable while rows are being written."""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import Select, literal, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from mission_control.core.errors import NotAcceptableError
from mission_control.data.base import Base

RowT = TypeVar("RowT")

ROW_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # a slug, a UUID, or Close's own


class CursorError(NotAcceptableError):
    """The cursor is not one that a list of this kind has given."""

    code = "cursor_invalid"
    field = "cursor"


@dataclass(frozen=True)
class Cursor:
    """The last row a client has seen, of the table that the list shows."""

    table: str
    created_at: datetime
    id: str

    @classmethod
    def after(cls, row: Any) -> "Cursor":
        return cls(table=row.__tablename__, created_at=row.created_at, id=str(row.id))

    def encode(self) -> str:
        text = json.dumps([self.table, self.created_at.isoformat(), self.id])
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str | None, table: type[Base]) -> "Cursor | None":
        """Where a list of this table goes on; None is its beginning. Raises CursorError."""
        if text is None:
            return None
        try:
            padded = text + "=" * (-len(text) % 4)
            of, created_at, row_id = json.loads(base64.urlsafe_b64decode(padded))
            seen = cls(table=of, created_at=datetime.fromisoformat(created_at), id=str(row_id))
            seen.created_at.astimezone(UTC)
        except (ValueError, TypeError, OverflowError, binascii.Error) as exc:
            raise _not_ours() from exc
        if seen.table != table.__tablename__:
            raise CursorError("This cursor is of another list; start again without it.")
        if seen.created_at.tzinfo is None or not ROW_ID.fullmatch(seen.id):
            raise _not_ours()
        return seen

    def key(self, of: type) -> UUID | str:
        """The id as this kind of key. Raises CursorError."""
        try:
            return UUID(self.id) if of is UUID else self.id
        except ValueError as exc:
            raise _not_ours() from exc


def _not_ours() -> CursorError:
    return CursorError("This cursor is not one of ours; start again without it.")


@dataclass(frozen=True)
class Page(Generic[RowT]):
    items: Sequence[RowT]
    next_cursor: str | None


async def page_of(
    session: AsyncSession,
    statement: Select[RowT],
    table: Any,
    *,
    limit: int,
    cursor: Cursor | None,
) -> Page[RowT]:
    """One page of `statement`, ordered by (created_at, id) descending."""
    created_at: InstrumentedAttribute[datetime] = table.created_at
    key: InstrumentedAttribute[Any] = table.id
    if cursor is not None:
        last_id = cursor.key(key.type.python_type)
        # The bound values need the columns' types: SQLite compares dates as text.
        seen = tuple_(literal(cursor.created_at, created_at.type), literal(last_id, key.type))
        statement = statement.where(tuple_(created_at, key) < seen)
    statement = statement.order_by(created_at.desc(), key.desc()).limit(limit + 1)
    return page_with((await session.scalars(statement)).all(), limit=limit)


def page_with(rows: Sequence[Any], *, limit: int) -> Page[Any]:
    """The page that these rows begin; there is a next one if there are more than `limit`."""
    if len(rows) <= limit:
        return Page(items=rows, next_cursor=None)
    return Page(items=rows[:limit], next_cursor=Cursor.after(rows[limit - 1]).encode())
