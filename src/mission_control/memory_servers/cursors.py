"""Cursors: where a list goes on, as a text that means nothing to anybody else."""

import base64
import binascii
import json
from datetime import datetime
from uuid import UUID

from mission_control.memory_servers.errors import MemoryCursorError

LONGEST = 400


def encode(*values: datetime | UUID) -> str:
    told = [v.isoformat() if isinstance(v, datetime) else str(v) for v in values]
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def decode(cursor: str, *, times: int) -> tuple[list[datetime], UUID]:
    """So many times, and an id. Raises MemoryCursorError."""
    moments, last = _read(cursor)
    if last is None or len(moments) != times or not all(_is_storable(at) for at in moments):
        raise MemoryCursorError(
            "This cursor is not one that this list gave; start again without it."
        )
    return moments, last


def _read(cursor: str) -> tuple[list[datetime], UUID | None]:
    try:
        padded = cursor[:LONGEST] + "=" * (-len(cursor) % 4)
        *told, last = json.loads(base64.urlsafe_b64decode(padded))
        return [datetime.fromisoformat(each) for each in told], UUID(last)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return [], None


def _is_storable(at: datetime) -> bool:
    return at.tzinfo is not None and 1 < at.year < 9999
