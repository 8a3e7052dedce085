"""Reads all leads and calls of Close into the mirror, several pages at once, and goes on after a crash."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import structlog

from mission_control.api.mirrors.close import store as mirror
from mission_control.api.mirrors.report import SyncReport
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.page_sets import PageSet
from mission_control.core.tasks import together
from mission_control.core.words import CallSource
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close import queries
from mission_control.integrations.close.errors import TooManyLeadsInADayError
from mission_control.integrations.close.objects import JsonObject
from mission_control.integrations.close.reader import (
    LEADS_PER_PAGE,
    LONGEST_LEAD_SKIP,
    Rows,
    batches,
)
from mission_control.integrations.close_client import CloseClient
from mission_control.integrations.errors import IntegrationRejectedError

log = structlog.get_logger(__name__)

IN_FLIGHT = 5
CALL_WINDOWS = 24
SHORTEST_CALL_WINDOW = timedelta(hours=1)
MOST_BEGINNINGS = 3
# A walk older than this is begun anew: what was deleted meanwhile is in no event log any more.
LONGEST_GAP = timedelta(days=29)
CLOSE_FOUNDED = date(2011, 1, 1)
LEADS_PER_WINDOW = 9_000  # a search ends at 10,000, and some may be added


@dataclass
class CloseSync:
    """One reading of Close, in this process."""

    resources: Resources
    report: SyncReport
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("leads", "calls", "removed"), 0)
    )
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
        self.counts["leads"] += await mirror.store_leads(uow, leads, seen_at=seen_at)
        await uow.leads.saw([str(lead["id"]) for lead in leads], at=seen_at)

    async def store_calls(self, uow: UnitOfWork, calls: list[JsonObject]) -> None:
        self.counts["calls"] += await mirror.store_calls(uow, calls)

    async def remove_leads(self, lead_ids: Sequence[str]) -> None:
        """Forget leads that are no more. Their calls are asked for: a merge moves them elsewhere."""
        if not lead_ids:
            return
        async with self.step() as uow:
            self.counts["removed"] += await uow.leads.remove(lead_ids)
            call_ids = await uow.leads.calls_of(lead_ids)
        await self.check_calls(call_ids)

    async def check_calls(self, call_ids: Sequence[str]) -> None:
        """Find out whose these calls are now, and forget those that are no more."""
        for some in batches(call_ids):
            calls = await mirror.with_transcripts(self.close, await self.close.calls_with_ids(some))
            async with self.step() as uow:
                await self.store_calls(uow, calls)
                await mirror.give_calls(uow, calls)
                gone = sorted(set(some) - {str(call["id"]) for call in calls})
                self.counts["removed"] += await uow.calls.delete(CallSource.CLOSE, gone)


@dataclass
class Walk:
    """A long reading and how far it is. Whoever else is on the same one adds to the same position."""

    sync: CloseSync
    name: str
    id: str = ""
    started_at: datetime = field(default_factory=utc_now)
    position: dict[str, Any] = field(default_factory=dict[str, Any])

    async def begin(self) -> bool:
        """Take up the walk that was begun, or begin one. True: it is a new one."""
        async with self.sync.step() as uow:
            state = await uow.sync_states.of(self.name)
            begun = state.position.get("started_at")
            is_new = begun is None or utc_now() - datetime.fromisoformat(begun) > LONGEST_GAP
            if is_new:
                started = {"walk": uuid4().hex, "started_at": self.started_at.isoformat()}
                state.position = {**started, "done": []}
            self.position = dict(state.position)
        self.id = str(self.position["walk"])
        self.started_at = datetime.fromisoformat(self.position["started_at"])
        log.info("close_walk_begun", name=self.name, resumed=not is_new)
        return is_new

    async def note(self, uow: UnitOfWork, change: Callable[[dict[str, Any]], None]) -> None:
        """Write down how far it is, in the transaction that stores what was read."""
        state = await uow.sync_states.of(self.name)
        if state.position.get("walk") == self.id:  # else somebody has ended it
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


# -------------------------------------------------------------------- leads


async def walk_leads(sync: CloseSync) -> Walk:
    """Read every lead once. What changes meanwhile is for `close_changes` to catch."""
    walk = Walk(sync, mirror.LEADS)
    await walk.begin()
    if "windows" not in walk.position:
        total = walk.position.get("total")
        if total is None:
            total = (await sync.close.get_leads(limit=0, fields=["id"])).total
        if total is None or total <= LONGEST_LEAD_SKIP + LEADS_PER_PAGE:
            await _LeadPages(walk, total).read()
            return walk
        await _plan_windows(walk)
    await _LeadWindows(walk).read()
    return walk


class _LeadPages:
    """By offset: the pages do not depend on each other, so several are in flight."""

    def __init__(self, walk: Walk, total: int | None) -> None:
        self._walk, self._sync = walk, walk.sync
        self._done = walk.done
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
            await self._walk.note_done(uow, page, total=self._total)
        self._done.add(page)
        done = len(self._done) * LEADS_PER_PAGE
        await self._sync.report(
            phase="leads", done=min(done, self._total or done), total=self._total
        )


def _pages_of(total: int) -> int:
    return max(1, min(-(-total // LEADS_PER_PAGE), LONGEST_LEAD_SKIP // LEADS_PER_PAGE + 1))


async def _plan_windows(walk: Walk) -> None:
    """Cut time into windows with fewer leads than a search can tell; a day is the shortest."""
    close, windows = walk.sync.close, list[list[Any]]()
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
    async with walk.sync.step() as uow:
        await walk.note(uow, lambda position: position.update(windows=windows, reached={}))


class _LeadWindows:
    """By search, for more leads than an offset reaches: each window on its own cursor."""

    def __init__(self, walk: Walk) -> None:
        self._walk, self._sync = walk, walk.sync
        self._windows: list[tuple[str, str, int]] = walk.position["windows"]
        self._total = sum(count for *_, count in self._windows)
        self._read = sum(count for at, (*_, count) in enumerate(self._windows) if at in walk.done)

    async def read(self) -> None:
        done = self._walk.done
        left = [at for at in range(len(self._windows)) if at not in done]
        await several_at_once(lambda: left.pop() if left else None, self._window)

    async def _window(self, at: int) -> None:
        since, before, _ = self._windows[at]
        first = date.fromisoformat(since)
        reached = self._walk.position.get("reached", {}).get(str(at))
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
            await self._walk.note_done(uow, at, missing=missing)

    async def _page(self, at: int, found: list[JsonObject]) -> None:
        leads = await self._sync.close.leads_with_ids([str(lead["id"]) for lead in found])
        day = str(found[-1].get("date_created"))[:10]

        def reached(position: dict[str, Any]) -> None:
            position["reached"] = {**position.get("reached", {}), str(at): day}

        async with self._sync.step() as uow:
            await self._sync.store_leads(uow, leads)
            await self._walk.note(uow, reached)
        self._read += len(leads)
        await self._sync.report(phase="leads", done=self._read, total=self._total)


async def reconcile_leads(walk: Walk) -> None:
    """After a walk and its changes: find what an offset that moved has left out, and what is gone."""
    sync = walk.sync
    total = await sync.close.count_leads()
    async with sync.step() as uow:
        here = await uow.leads.count(seen_since=walk.started_at)
    if total is not None and here < total <= LONGEST_LEAD_SKIP + LEADS_PER_PAGE:
        log.info("close_leads_missing", here=here, total=total)
        pages = list(range(_pages_of(total)))
        await several_at_once(
            lambda: pages.pop() if pages else None, lambda page: _find_missing(sync, page)
        )
    async with sync.step() as uow:
        unseen = list(await uow.leads.not_seen_since(walk.started_at))
    for some in batches(unseen):
        there, gone = await mirror.read_leads_again(sync.close, some, set(some))
        async with sync.step() as uow:
            await sync.store_leads(uow, there)
        await sync.remove_leads(gone)


async def _find_missing(sync: CloseSync, page: int) -> None:
    rows = await sync.close.get_leads(skip=page * LEADS_PER_PAGE, fields=["id"])
    ids = [str(one["id"]) for one in rows.items]
    async with sync.step() as uow:
        missing = sorted(set(ids) - await uow.leads.present(ids))
        await uow.leads.saw(ids, at=utc_now())
    if missing:
        leads = await sync.close.leads_with_ids(missing)
        async with sync.step() as uow:
            await sync.store_leads(uow, leads)


# -------------------------------------------------------------------- calls


async def walk_calls(sync: CloseSync) -> Walk:
    """Read every call once, with what was said in it, by windows of time."""
    walk = Walk(sync, mirror.CALLS)
    await walk.begin()
    if "windows" not in walk.position:
        async with sync.step() as uow:
            first = await uow.leads.oldest_created_at() or walk.started_at
            windows = _call_windows(first, walk.started_at)
            await walk.note(uow, lambda position: position.update(windows=windows, at={}))
    await _CallWindows(walk).read()
    return walk


def _call_windows(first: datetime, last: datetime) -> list[list[str]]:
    """From before anything to after now; most calls are between the first lead and now."""
    first = min(first, last - timedelta(days=CALL_WINDOWS))
    length = (last - first) / CALL_WINDOWS
    edges = [
        datetime(CLOSE_FOUNDED.year, 1, 1, tzinfo=UTC),
        *(first + length * at for at in range(CALL_WINDOWS)),
        last + timedelta(days=1),
    ]
    return [[since.isoformat(), before.isoformat()] for since, before in pairwise(edges)]


class _CallWindows:
    def __init__(self, walk: Walk) -> None:
        self._walk, self._sync = walk, walk.sync
        self._read = 0
        done = walk.done
        self._left = [at for at in range(len(walk.position["windows"])) if at not in done]

    async def read(self) -> None:
        await several_at_once(lambda: self._left.pop() if self._left else None, self._window)

    async def _window(self, at: int) -> None:
        since, before = self._walk.position["windows"][at]
        filters = {"date_created__gte": since, "date_created__lt": before}
        skip, last_id = self._walk.position.get("at", {}).get(str(at), (0, None))
        beginnings, met, is_whole = 0, set[str](), skip == 0
        while True:
            try:
                # One call twice: if it is not there, others before it were deleted, and the rest
                # has moved up unseen.
                rows = await self._sync.close.get_calls(filters, skip=max(0, skip - 1))
            except IntegrationRejectedError:
                if skip == 0 or not await self._split(at):
                    raise
                return
            has_moved = skip > 0 and last_id not in {str(call["id"]) for call in rows.items}
            if has_moved and beginnings < MOST_BEGINNINGS:
                beginnings, skip, last_id = beginnings + 1, 0, None
                is_whole = True
                continue
            met |= {str(call["id"]) for call in rows.items}
            skip = max(0, skip - 1) + len(rows.items)
            last_id = str(rows.items[-1]["id"]) if rows.items else None
            await self._page(at, rows, skip, last_id)
            if not rows.has_more or not rows.items:
                break
        if is_whole:
            await self._forget_others(since, before, met)

    async def _forget_others(self, since: str, before: str, met: set[str]) -> None:
        """After a long absence there are calls here that Close has no more."""
        # What has come since the walk began is not in Close's lists yet.
        before_walk = min(datetime.fromisoformat(before), self._walk.started_at)
        bounds = datetime.fromisoformat(since), before_walk
        async with self._sync.resources.unit_of_work(readonly=True) as uow:
            here = await uow.calls.ids_between(CallSource.CLOSE, *bounds)
        await self._sync.check_calls(sorted(set(here) - met))

    async def _page(self, at: int, rows: Rows, skip: int, last_id: str | None) -> None:
        calls = await mirror.with_transcripts(self._sync.close, rows.items)

        def reached(position: dict[str, Any]) -> None:
            position["at"] = {**position.get("at", {}), str(at): [skip, last_id]}

        async with self._sync.step() as uow:
            await self._sync.store_calls(uow, calls)
            if rows.has_more and rows.items:
                await self._walk.note(uow, reached)
            else:
                await self._walk.note_done(uow, at)
        self._read += len(calls)
        await self._sync.report(phase="calls", done=self._read, total=None)

    async def _split(self, at: int) -> bool:
        """Close skips no further: read both halves instead. False: it is too short for that."""
        since, before = map(datetime.fromisoformat, self._walk.position["windows"][at])
        if before - since <= SHORTEST_CALL_WINDOW:
            return False
        middle = (since + (before - since) / 2).isoformat()

        def split(position: dict[str, Any]) -> None:
            halves = [[since.isoformat(), middle], [middle, before.isoformat()]]
            done = PageSet(position["done"])
            done.add(at)
            position |= {"windows": [*position["windows"], *halves], "done": done.to_json()}

        async with self._sync.step() as uow:
            await self._walk.note(uow, split)
        windows = len(self._walk.position["windows"])
        self._left += [windows - 2, windows - 1]
        return True
