"""A backfill: a long reading of everything, several pages at once, that goes on after a crash."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

import structlog

from mission_control.api.mirrors.close.run import SyncRun
from mission_control.core.clock import utc_now
from mission_control.core.page_sets import PageSet
from mission_control.core.tasks import together
from mission_control.data.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

IN_FLIGHT = 5
# A backfill older than this is begun anew: what was deleted meanwhile is in no event log any more.
LONGEST_GAP = timedelta(days=29)
CLOSE_FOUNDED = date(2011, 1, 1)


@dataclass
class Backfill:
    """A long reading and how far it is. Whoever else is on the same one adds to the same position."""

    sync: SyncRun
    name: str
    id: str = ""
    started_at: datetime = field(default_factory=utc_now)
    position: dict[str, Any] = field(default_factory=dict[str, Any])

    async def begin(self) -> bool:
        """Take up the backfill that was begun, or begin one. True: it is a new one."""
        async with self.sync.step() as uow:
            state = await uow.sync_states.of(self.name)
            begun = state.position.get("started_at")
            is_new = begun is None or utc_now() - datetime.fromisoformat(begun) > LONGEST_GAP
            if is_new:
                started = {"backfill": uuid4().hex, "started_at": self.started_at.isoformat()}
                state.position = {**started, "done": []}
            self.position = dict(state.position)
        self.id = str(self.position["backfill"])
        self.started_at = datetime.fromisoformat(self.position["started_at"])
        log.info("close_backfill_begun", name=self.name, resumed=not is_new)
        return is_new

    async def note(self, uow: UnitOfWork, change: Callable[[dict[str, Any]], None]) -> None:
        """Write down how far it is, in the transaction that stores what was read."""
        state = await uow.sync_states.of(self.name)
        if state.position.get("backfill") == self.id:  # else somebody has ended it
            position = dict(state.position)
            change(position)
            state.position = position
            self.position = position

    async def note_done(
        self, uow: UnitOfWork, page: int, *, missing: Sequence[str] = (), **more: Any
    ) -> None:
        """`missing`: days of which Close keeps leads from us."""

        def change(position: dict[str, Any]) -> None:
            done = PageSet(position["done"])
            done.add(page)
            position |= {"done": done.to_json(), **more}
            if missing:
                position["missing"] = sorted({*position.get("missing", []), *missing})

        await self.note(uow, change)

    @property
    def done(self) -> PageSet:
        return PageSet(self.position["done"])


async def several_at_once(
    take: Callable[[], int | None], do: Callable[[int], Awaitable[None]]
) -> None:
    """Do what `take` gives out, some in flight, until it has no more; the first failure ends all."""

    async def one_after_the_other() -> None:
        while (each := take()) is not None:
            await do(each)

    await together(*(one_after_the_other() for _ in range(IN_FLIGHT)))
