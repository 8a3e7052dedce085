"""One reading of Close in this process: its transactions, what it stored, and how it reports."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from mission_control.api.mirrors.close import store
from mission_control.api.mirrors.report import SyncReport
from mission_control.api.mirrors.tally import ChangeTally
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.words import CallSource
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close.objects import JsonObject
from mission_control.integrations.close.reader import batches
from mission_control.integrations.close_client import CloseClient


@dataclass
class SyncRun:
    """One reading of Close, in this process."""

    resources: Resources
    report: SyncReport
    changed: ChangeTally = field(default_factory=lambda: ChangeTally("close"))
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def close(self) -> CloseClient:
        return self.resources.close

    @asynccontextmanager
    async def step(self) -> AsyncGenerator[UnitOfWork]:
        """One transaction. Pages that arrive together queue here, not at the database's lock."""
        async with self._writing, self.resources.unit_of_work() as uow:
            yield uow

    async def store_leads(self, uow: UnitOfWork, leads: list[JsonObject]) -> None:
        seen_at = utc_now()
        await self.changed.add(uow, leads=await store.store_leads(uow, leads, seen_at=seen_at))
        await uow.leads.saw([str(lead["id"]) for lead in leads], at=seen_at)

    async def store_calls(self, uow: UnitOfWork, calls: list[JsonObject]) -> None:
        await self.changed.add(uow, calls=await store.store_calls(uow, calls))

    async def remove_leads(self, lead_ids: Sequence[str]) -> None:
        """Forget leads that are no more. Their calls are asked for: a merge moves them elsewhere."""
        if not lead_ids:
            return
        async with self.step() as uow:
            await self.changed.add(uow, removed=await uow.leads.remove(lead_ids))
            call_ids = await uow.leads.calls_of(lead_ids)
        await self.check_calls(call_ids)

    async def check_calls(self, call_ids: Sequence[str]) -> None:
        """Find out whose these calls are now, and forget those that are no more."""
        for some in batches(call_ids):
            calls = await store.with_transcripts(self.close, await self.close.calls_with_ids(some))
            async with self.step() as uow:
                await self.store_calls(uow, calls)
                await store.give_calls(uow, calls)
                gone = sorted(set(some) - {str(call["id"]) for call in calls})
                deleted = await uow.calls.delete(CallSource.CLOSE, gone)
                await self.changed.add(uow, removed=deleted)
