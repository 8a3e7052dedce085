"""Work on a database from outside the product, in one transaction."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from mission_control.data.engine import create_engine, create_sessions
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork

ResultT = TypeVar("ResultT")


async def in_one_transaction(
    url: str, work: Callable[[UnitOfWork], Awaitable[ResultT]], *, readonly: bool = False
) -> ResultT:
    """Raises DatabaseUnavailableError; nothing was changed then."""
    engine = create_engine(url)
    try:
        async with UnitOfWork(create_sessions(engine), readonly=readonly) as uow:
            return await work(uow)
    except SQLAlchemyError as error:
        raise DatabaseUnavailableError(
            f"The database cannot be used as it is ({type(error).__name__}); nothing was changed."
        ) from error
    finally:
        await engine.dispose()
