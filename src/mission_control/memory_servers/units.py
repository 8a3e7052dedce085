"""How the memory servers come to the database."""

from typing import Protocol

from mission_control.data.unit_of_work import UnitOfWork


class UnitsOfWork(Protocol):
    """Gives a transaction each time it is called."""

    def __call__(self, *, readonly: bool = False) -> UnitOfWork: ...
