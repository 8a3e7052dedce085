"""Reads every call of Close once, with what was said in it, by windows of time."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from mission_control.api.mirrors.close import store
from mission_control.api.mirrors.close.backfill import CLOSE_FOUNDED, Backfill, several_at_once
from mission_control.api.mirrors.close.run import SyncRun
from mission_control.core.page_sets import PageSet
from mission_control.core.words import CallSource
from mission_control.integrations.close.reader import Rows
from mission_control.integrations.errors import IntegrationRejectedError

CALL_WINDOWS = 24
SHORTEST_CALL_WINDOW = timedelta(hours=1)
MOST_BEGINNINGS = 3


async def backfill_calls(sync: SyncRun) -> Backfill:
    """Read every call once, with what was said in it, by windows of time."""
    backfill = Backfill(sync, store.CALLS)
    await backfill.begin()
    if "windows" not in backfill.position:
        async with sync.step() as uow:
            first = await uow.leads.oldest_created_at() or backfill.started_at
            windows = _call_windows(first, backfill.started_at)
            await backfill.note(uow, lambda position: position.update(windows=windows, at={}))
    await _CallWindows(backfill).read()
    return backfill


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
    def __init__(self, backfill: Backfill) -> None:
        self._backfill, self._sync = backfill, backfill.sync
        self._read = 0
        done = backfill.done
        self._left = [at for at in range(len(backfill.position["windows"])) if at not in done]

    async def read(self) -> None:
        await several_at_once(lambda: self._left.pop() if self._left else None, self._window)

    async def _window(self, at: int) -> None:
        since, before = self._backfill.position["windows"][at]
        filters = {"date_created__gte": since, "date_created__lt": before}
        skip, last_id = self._backfill.position.get("at", {}).get(str(at), (0, None))
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
        # What has come since the backfill began is not in Close's lists yet.
        before_backfill = min(datetime.fromisoformat(before), self._backfill.started_at)
        bounds = datetime.fromisoformat(since), before_backfill
        async with self._sync.resources.unit_of_work(readonly=True) as uow:
            here = await uow.calls.ids_between(CallSource.CLOSE, *bounds)
        await self._sync.check_calls(sorted(set(here) - met))

    async def _page(self, at: int, rows: Rows, skip: int, last_id: str | None) -> None:
        calls = await store.with_transcripts(self._sync.close, rows.items)

        def reached(position: dict[str, Any]) -> None:
            position["at"] = {**position.get("at", {}), str(at): [skip, last_id]}

        async with self._sync.step() as uow:
            await self._sync.store_calls(uow, calls)
            if rows.has_more and rows.items:
                await self._backfill.note(uow, reached)
            else:
                await self._backfill.note_done(uow, at)
        self._read += len(calls)
        await self._sync.report(phase="calls", done=self._read, total=None)

    async def _split(self, at: int) -> bool:
        """Close skips no further: read both halves instead. False: it is too short for that."""
        since, before = map(datetime.fromisoformat, self._backfill.position["windows"][at])
        if before - since <= SHORTEST_CALL_WINDOW:
            return False
        middle = (since + (before - since) / 2).isoformat()

        def split(position: dict[str, Any]) -> None:
            halves = [[since.isoformat(), middle], [middle, before.isoformat()]]
            done = PageSet(position["done"])
            done.add(at)
            position |= {"windows": [*position["windows"], *halves], "done": done.to_json()}

        async with self._sync.step() as uow:
            await self._backfill.note(uow, split)
        windows = len(self._backfill.position["windows"])
        self._left += [windows - 2, windows - 1]
        return True
