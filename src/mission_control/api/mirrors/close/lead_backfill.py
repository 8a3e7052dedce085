"""Reads every lead of Close once: by offset, or by search where an offset does not reach."""

from contextlib import aclosing
from datetime import date, timedelta
from typing import Any

import structlog

from mission_control.api.mirrors.close import store
from mission_control.api.mirrors.close.backfill import CLOSE_FOUNDED, Backfill, several_at_once
from mission_control.api.mirrors.close.run import SyncRun
from mission_control.core.clock import utc_now
from mission_control.integrations.close import queries
from mission_control.integrations.close.errors import TooManyLeadsInADayError
from mission_control.integrations.close.objects import JsonObject
from mission_control.integrations.close.reader import LEADS_PER_PAGE, LONGEST_LEAD_SKIP, batches

log = structlog.get_logger(__name__)

LEADS_PER_WINDOW = 9_000  # a search ends at 10,000, and some may be added


async def backfill_leads(sync: SyncRun) -> Backfill:
    """Read every lead once. What changes meanwhile is for `close_changes` to catch."""
    backfill = Backfill(sync, store.LEADS)
    await backfill.begin()
    if "windows" not in backfill.position:
        total = backfill.position.get("total")
        if total is None:
            total = (await sync.close.get_leads(limit=0, fields=["id"])).total
        if total is None or total <= LONGEST_LEAD_SKIP + LEADS_PER_PAGE:
            await _LeadPages(backfill, total).read()
            return backfill
        await _plan_windows(backfill)
    await _LeadWindows(backfill).read()
    return backfill


class _LeadPages:
    """By offset: the pages do not depend on each other, so several are in flight."""

    def __init__(self, backfill: Backfill, total: int | None) -> None:
        self._backfill, self._sync = backfill, backfill.sync
        self._done = backfill.done
        self._total = total
        self._pages = 1 if total is None else _pages_of(total)
        self._next = 0

    async def read(self) -> None:
        await several_at_once(self._take, self._page)

    def _take(self) -> int | None:
        while self._next in self._done:
            self._next += 1
        if self._next >= self._pages:
            return None
        self._next += 1
        return self._next - 1

    async def _page(self, page: int) -> None:
        rows = await self._sync.close.get_leads(skip=page * LEADS_PER_PAGE)
        if rows.total is not None:
            self._total = rows.total
            self._pages = max(self._pages, _pages_of(rows.total))
        elif rows.has_more and rows.items:
            self._pages = max(self._pages, page + 2)
        async with self._sync.step() as uow:
            await self._sync.store_leads(uow, rows.items)
            await self._backfill.note_done(uow, page, total=self._total)
        self._done.add(page)
        done = len(self._done) * LEADS_PER_PAGE
        await self._sync.report(
            phase="leads", done=min(done, self._total or done), total=self._total
        )


def _pages_of(total: int) -> int:
    return max(1, min(-(-total // LEADS_PER_PAGE), LONGEST_LEAD_SKIP // LEADS_PER_PAGE + 1))


async def _plan_windows(backfill: Backfill) -> None:
    """Cut time into windows with fewer leads than a search can tell; a day is the shortest."""
    close, windows = backfill.sync.close, list[list[Any]]()
    open_windows = [(CLOSE_FOUNDED, utc_now().date() + timedelta(days=2))]
    while open_windows:
        since, before = open_windows.pop()
        count = await close.count_found(queries.created(since=since, before=before))
        days = (before - since).days
        if count > LEADS_PER_WINDOW and days > 1:
            middle = since + timedelta(days=days // 2)
            open_windows += [(middle, before), (since, middle)]
        elif count:
            windows.append([since.isoformat(), before.isoformat(), count])
    async with backfill.sync.step() as uow:
        await backfill.note(uow, lambda position: position.update(windows=windows, reached={}))


class _LeadWindows:
    """By search, for more leads than an offset reaches: each window on its own cursor."""

    def __init__(self, backfill: Backfill) -> None:
        self._backfill, self._sync = backfill, backfill.sync
        self._windows: list[tuple[str, str, int]] = backfill.position["windows"]
        self._total = sum(count for *_, count in self._windows)
        self._read = sum(
            count for at, (*_, count) in enumerate(self._windows) if at in backfill.done
        )

    async def read(self) -> None:
        done = self._backfill.done
        left = [at for at in range(len(self._windows)) if at not in done]
        await several_at_once(lambda: left.pop() if left else None, self._window)

    async def _window(self, at: int) -> None:
        since, before, _ = self._windows[at]
        first = date.fromisoformat(since)
        reached = self._backfill.position.get("reached", {}).get(str(at))
        if reached is not None:  # a day early: where Close's day begins depends on who asks
            first = max(first, date.fromisoformat(reached) - timedelta(days=1))
        query = queries.created(since=first, before=date.fromisoformat(before))
        try:
            async with aclosing(self._sync.close.search_leads(query)) as pages:
                async for found in pages:
                    await self._page(at, found)
        except TooManyLeadsInADayError as error:
            # All that can be had is here; that there is more is told at the end, and for good.
            log.error("close_leads_out_of_reach", days=error.days)
            missing = error.days
        else:
            missing = ()
        async with self._sync.step() as uow:
            await self._backfill.note_done(uow, at, missing=missing)

    async def _page(self, at: int, found: list[JsonObject]) -> None:
        leads = await self._sync.close.leads_with_ids([str(lead["id"]) for lead in found])
        day = str(found[-1].get("date_created"))[:10]

        def reached(position: dict[str, Any]) -> None:
            position["reached"] = {**position.get("reached", {}), str(at): day}

        async with self._sync.step() as uow:
            await self._sync.store_leads(uow, leads)
            await self._backfill.note(uow, reached)
        self._read += len(leads)
        await self._sync.report(phase="leads", done=self._read, total=self._total)


async def reconcile_leads(backfill: Backfill) -> None:
    """After a backfill and its changes: find what an offset that moved has left out, and what is gone."""
    sync = backfill.sync
    total = await sync.close.count_leads()
    async with sync.step() as uow:
        here = await uow.leads.count(seen_since=backfill.started_at)
    if total is not None and here < total <= LONGEST_LEAD_SKIP + LEADS_PER_PAGE:
        log.info("close_leads_missing", here=here, total=total)
        pages = list(range(_pages_of(total)))
        await several_at_once(
            lambda: pages.pop() if pages else None, lambda page: _find_missing(sync, page)
        )
    async with sync.step() as uow:
        unseen = list(await uow.leads.not_seen_since(backfill.started_at))
    for some in batches(unseen):
        there, gone = await store.read_leads_again(sync.close, some, set(some))
        async with sync.step() as uow:
            await sync.store_leads(uow, there)
        await sync.remove_leads(gone)


async def _find_missing(sync: SyncRun, page: int) -> None:
    rows = await sync.close.get_leads(skip=page * LEADS_PER_PAGE, fields=["id"])
    ids = [str(one["id"]) for one in rows.items]
    async with sync.step() as uow:
        missing = sorted(set(ids) - await uow.leads.present(ids))
        await uow.leads.saw(ids, at=utc_now())
    if missing:
        leads = await sync.close.leads_with_ids(missing)
        async with sync.step() as uow:
            await sync.store_leads(uow, leads)
