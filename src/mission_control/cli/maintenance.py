"""Compares and rebuilds what the database keeps beside its rows: totals of calls, and searches."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.text import Text

from mission_control.cli.migration import described
from mission_control.cli.session import UNAVAILABLE, CommandError, Screen
from mission_control.core.logging import configure_logging
from mission_control.core.settings import get_settings
from mission_control.data.maintenance import in_one_transaction
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork

ResultT = TypeVar("ResultT")
MOST_SHOWN = 20


def check_totals(screen: Screen) -> bool:
    """False: a sum is wrong."""
    where, wrong = _in_database(lambda uow: uow.call_totals.differences(), readonly=True)
    lines = [
        f"{each.key.day} {each.key.source} {each.key.agent_id or 'no agent'} "
        f"{each.key.assistant_version} ({each.key.role}): too high by "
        + ", ".join(f"{name} {amount}" for name, amount in each.too_high_by.items())
        for each in wrong[:MOST_SHOWN]
    ]
    if wrong:
        lines.append(
            f"{len(wrong)} sums in {where} are not what their calls come to. Nothing was changed; "
            "`mission-control totals rebuild` adds up every call again."
        )
    else:
        lines.append(f"Every sum in {where} is what its calls come to.")
    document = [
        {
            "day": each.key.day.isoformat(),
            "source": each.key.source,
            "agent_id": each.key.agent_id or None,
            "assistant_version": each.key.assistant_version or None,
            "role": each.key.role,
            "too_high_by": dict(each.too_high_by),
        }
        for each in wrong
    ]
    screen.answer({"database": where, "wrong": document}, Text("\n".join(lines)))
    return not wrong


def rebuild_totals(screen: Screen) -> None:
    where, _ = _in_database(lambda uow: uow.call_totals.rebuild(), readonly=False)
    screen.answer({"database": where}, Text(f"The sums in {where} were added up again."))


def rebuild_searches(screen: Screen) -> None:
    where, _ = _in_database(lambda uow: uow.rebuild_searches(), readonly=False)
    screen.answer({"database": where}, Text(f"The searches in {where} were made anew."))


def _in_database(
    work: Callable[[UnitOfWork], Awaitable[ResultT]], *, readonly: bool
) -> tuple[str, ResultT]:
    """Do the work in one transaction of the configured database."""
    settings = get_settings()
    configure_logging("warning")  # how far a long work is, among others
    where = described(settings)

    try:
        return where, asyncio.run(in_one_transaction(settings.database, work, readonly=readonly))
    except (DatabaseUnavailableError, OSError) as error:
        raise CommandError(
            f"{where} cannot be used; nothing was changed. Check that it is reachable, and that "
            "`mission-control migrate` has made its tables.",
            exit_code=UNAVAILABLE,
            code="database_unavailable",
        ) from error
