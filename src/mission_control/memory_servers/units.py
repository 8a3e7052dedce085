"""How the memory servers come to the database."""

from typing import Protocol

from mission_control.core.events import Event
from mission_control.data.unit_of_work import UnitOfWork


class UnitsOfWork(Protocol):
    """Gives a transaction each time it is called."""

    def __call__(self, *, readonly: bool = False) -> UnitOfWork: ...


class NoListeners:
    """An event bus without anybody on it: a server on its own has no console to tell."""

    async def publish(self, events: list[Event]) -> None:
        pass
