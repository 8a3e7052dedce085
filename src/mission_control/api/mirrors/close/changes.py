"""Brings the mirror of Close up to date: what was created, changed, deleted or merged since."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from mission_control.api.mirrors.close import event_log, store, transcripts
from mission_control.api.mirrors.close.backfill import LONGEST_GAP
from mission_control.api.mirrors.close.run import SyncRun
from mission_control.core.clock import utc_now
from mission_control.integrations.close import queries
from mission_control.integrations.close.errors import TooManyLeadsInADayError
from mission_control.integrations.close.objects import JsonObject, moment
from mission_control.integrations.close.reader import batches

log = structlog.get_logger(__name__)

# Close folds quick changes into one event whose time moves, and its lists lag behind.
OVERLAP = timedelta(minutes=5)
# Past this, only the events that nothing else tells are asked for: a page has no more than fifty.
FEW = 20
EVERY_EVENT_WITHIN = timedelta(days=1)
ONLY_IN_EVENTS = (
    ("lead", "deleted"),
    ("lead", "merged"),
    ("contact", "created"),
    ("contact", "updated"),
    ("contact", "deleted"),
    ("activity.call", "updated"),
    ("activity.call", "deleted"),
)


@dataclass
class _LoggedChanges:
    """What the event log says is to be done; each event counts once."""

    leads: set[str] = field(default_factory=set[str])
    calls: set[str] = field(default_factory=set[str])
    ends: list[JsonObject] = field(default_factory=list[JsonObject])
    newest: datetime | None = None
    _seen: set[str] = field(default_factory=set[str])

    def note(self, event: JsonObject) -> None:
        at = moment(event.get("date_updated"))
        if at is not None and (self.newest is None or at > self.newest):
            self.newest = at
        if str(event.get("id")) in self._seen:
            return
        self._seen.add(str(event.get("id")))
        lead_id, call_id = event_log.lead_to_read(event), event_log.call_to_read(event)
        self.leads |= {lead_id} if lead_id else set()
        self.calls |= {call_id} if call_id else set()
        if event.get("action") in {"deleted", "merged"}:
            self.ends.append(event)


async def catch_up(sync: SyncRun, since: datetime) -> None:
    """Read all that has changed since then, by Close's clock as far as the event log reaches."""
    since = await _by_closes_clock(sync, since) - OVERLAP
    changes = await _read_event_log(sync, since)
    await _read_leads(sync, sorted(changes.leads | await _updated_leads(sync, since)))
    await _read_calls(sync, since, sorted(changes.calls))
    await _ask_for_transcripts(sync)
    await _apply_ends(sync, changes)


async def read_again(
    sync: SyncRun,
    *,
    lead_ids: Sequence[str] = (),
    call_ids: Sequence[str] = (),
    gone_ids: Sequence[str] = (),
) -> None:
    """Bring these leads and calls up to date. `gone_ids`: leads that are known to be no more."""
    singly = len(lead_ids) <= FEW
    for some in [[one] for one in lead_ids] if singly else batches(lead_ids):
        # One by one they are as they are now; Close's lists lag behind.
        leads, gone = await store.read_leads_again(sync.close, some, set(some), singly=singly)
        async with sync.step() as uow:
            await sync.store_leads(uow, leads)
        await sync.remove_leads(gone)
    await sync.remove_leads(gone_ids)
    for some in batches(call_ids):
        await _store_calls(sync, await sync.close.calls_with_ids(some))


# -------------------------------------------------------------------- what has changed


async def _by_closes_clock(sync: SyncRun, since: datetime) -> datetime:
    """Not after the newest event that was read: our clock may be ahead of Close's."""
    async with sync.resources.unit_of_work(readonly=True) as uow:
        state = await uow.sync_states.seen(store.EVENTS)
    newest = state.complete_until if state is not None else None
    return since if newest is None or utc_now() - newest > LONGEST_GAP else min(since, newest)


async def _read_event_log(sync: SyncRun, since: datetime) -> _LoggedChanges:
    changes = _LoggedChanges()
    everything = utc_now() - since < EVERY_EVENT_WITHIN
    for object_type, action in ((None, None),) if everything else ONLY_IN_EVENTS:
        events = sync.close.get_events(since, object_type=object_type, action=action)
        async with aclosing(events) as pages:
            async for page in pages:
                for event in page:
                    changes.note(event)
    return changes


async def _updated_leads(sync: SyncRun, since: datetime) -> set[str]:
    """Leads whose time of change is another one than here. Close searches by whole days."""
    query = queries.updated(since=(since - timedelta(days=1)).date())
    found: set[str] = set()
    try:
        async with aclosing(sync.close.search_leads(query, fields=["date_updated"])) as pages:
            async for page in pages:
                found |= await _differing(sync, page)
    except TooManyLeadsInADayError:
        # As after a large import. Each of them is in the event log, too.
        log.warning("close_search_out_of_reach")
    return found


async def _differing(sync: SyncRun, page: list[JsonObject]) -> set[str]:
    found = {str(lead["id"]): moment(lead.get("date_updated")) for lead in page}
    async with sync.resources.unit_of_work(readonly=True) as uow:
        here = await uow.leads.updated_at_of(found)
    return {lead_id for lead_id, at in found.items() if here.get(lead_id) != at}


# -------------------------------------------------------------------- reading


async def _read_leads(sync: SyncRun, lead_ids: Sequence[str]) -> None:
    for some in batches(lead_ids):
        async with sync.resources.unit_of_work(readonly=True) as uow:
            present = await uow.leads.present(some)
        leads, gone = await store.read_leads_again(sync.close, some, present)
        async with sync.step() as uow:
            await sync.store_leads(uow, leads)
        await sync.remove_leads(gone)
        await sync.report(phase="changed leads", done=len(some), total=None)


async def _read_calls(sync: SyncRun, since: datetime, call_ids: Sequence[str]) -> None:
    """What was created since, and what events say has changed."""
    seen: set[str] = set()
    skip = 0
    while True:
        rows = await sync.close.get_calls({"date_created__gte": since.isoformat()}, skip=skip)
        await _store_calls(sync, rows.items)
        seen |= {str(call["id"]) for call in rows.items}
        skip += len(rows.items)
        if not rows.has_more or not rows.items:
            break
    for some in batches([one for one in call_ids if one not in seen]):
        await _store_calls(sync, await sync.close.calls_with_ids(some))


async def _store_calls(sync: SyncRun, calls: Sequence[JsonObject]) -> None:
    if not calls:
        return
    whole = await store.with_transcripts(sync.close, calls)
    async with sync.step() as uow:
        await sync.store_calls(uow, whole)
    await sync.report(phase="changed calls", done=len(calls), total=None)


async def _ask_for_transcripts(sync: SyncRun) -> None:
    async with sync.step() as uow:
        due = await transcripts.due_transcripts(uow)
    for some in batches(due):
        calls = await store.with_transcripts(sync.close, await sync.close.calls_with_ids(some))
        async with sync.step() as uow:
            await sync.store_calls(uow, calls)
            await transcripts.stop_waiting(uow, calls)


# -------------------------------------------------------------------- ends


async def _apply_ends(sync: SyncRun, changes: _LoggedChanges) -> None:
    """Last, since a list that lags may just have brought back what was deleted."""
    gone: list[str] = []
    async with sync.step() as uow:
        for event in reversed(changes.ends):  # oldest first
            await sync.changed.add(uow, removed=int(await event_log.apply_end(uow, event)))
            gone += [lead_id] if (lead_id := event_log.deleted_lead(event)) else []
    await sync.remove_leads(gone)
    async with sync.step() as uow:
        if changes.newest is not None:
            state = await uow.sync_states.of(store.EVENTS)
            if state.complete_until is None or state.complete_until < changes.newest:
                state.complete_until = changes.newest
