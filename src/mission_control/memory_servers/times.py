"""Times as the memory servers write them."""

from datetime import datetime
from typing import overload


@overload
def said(at: datetime) -> str: ...
@overload
def said(at: None) -> None: ...
@overload
def said(at: datetime | None) -> str | None: ...
def said(at: datetime | None) -> str | None:
    """With microseconds: these times are compared with one another."""
    return None if at is None else at.isoformat(timespec="microseconds").replace("+00:00", "Z")
