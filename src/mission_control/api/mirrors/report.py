"""How a sync says how far it is, whatever it reads."""

from typing import Protocol


class SyncReport(Protocol):
    """Called after each stored page. May raise, and then the sync ends where it is."""

    async def __call__(self, *, phase: str, done: int, total: int | None) -> None:
        """`phase` names what is read (`leads`); `total` is None while nobody knows it."""
        ...


async def unreported(*, phase: str, done: int, total: int | None) -> None:
    """For a sync that nobody watches."""
