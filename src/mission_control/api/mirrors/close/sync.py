"""Keeps the mirror of Close up to date: everything the first time, then what has changed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from mission_control.api.mirrors.close import store
from mission_control.api.mirrors.close.backfill import LONGEST_GAP, Backfill
from mission_control.api.mirrors.close.call_backfill import backfill_calls
from mission_control.api.mirrors.close.changes import catch_up
from mission_control.api.mirrors.close.lead_backfill import backfill_leads, reconcile_leads
from mission_control.api.mirrors.close.refetch import refetch_named
from mission_control.api.mirrors.close.run import SyncRun
from mission_control.api.mirrors.report import SyncReport, unreported
from mission_control.api.mirrors.tally import ChangeTally
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.data.sync_states import SyncState
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close.errors import TooManyLeadsInADayError
from mission_control.integrations.errors import IntegrationError

FIELDS_AGE = timedelta(hours=1)


async def sync_close(
    resources: Resources, report: SyncReport, changed: ChangeTally | None = None
) -> dict[str, int]:
    """Read Close into the mirror: all of it the first time, then what has changed.

    Returns how many leads and calls were new or different, and how many were removed. Goes on
    where an earlier sync was interrupted; two at once do each other no harm.

    Raises:
        IntegrationError: Close did not let us read to the end. What was read is kept.
    """
    changed = changed or ChangeTally("close")
    sync = SyncRun(resources, report, changed)
    try:
        await _read_all_that_is_due(sync)
    except IntegrationError as error:
        await _note_error(sync, error)
        raise
    async with resources.unit_of_work(readonly=True) as uow:
        return await changed.counts(uow, "leads", "calls", "removed")


async def _read_all_that_is_due(sync: SyncRun) -> None:
    async with sync.step() as uow:
        leads = await uow.sync_states.of(store.LEADS)
        calls = await uow.sync_states.of(store.CALLS)
        until = [leads.complete_until, calls.complete_until]
        due = [_is_due(leads), _is_due(calls)]
    await store.store_fields(sync.resources)
    began = utc_now()
    leads_read = await backfill_leads(sync) if due[0] else None
    calls_read = await backfill_calls(sync) if due[1] else None
    backfills = [each for each in (leads_read, calls_read) if each is not None]
    since = [each.started_at for each in backfills]
    since += [at for at, is_due in zip(until, due, strict=True) if at is not None and not is_due]
    await catch_up(sync, min(since))
    if leads_read is not None:
        await reconcile_leads(leads_read)
    missing = await _note_complete(sync, began, backfills)
    if missing:
        raise TooManyLeadsInADayError(missing)


def _is_due(state: SyncState) -> bool:
    """Whether everything has to be read: never done, begun and not ended, or too long ago."""
    until = state.complete_until
    return "backfill" in state.position or until is None or utc_now() - until > LONGEST_GAP


async def _note_complete(
    sync: SyncRun, until: datetime, backfills: Sequence[Backfill] = ()
) -> list[str]:
    """Returns the days of which leads are missing: what is read to its end is not always all."""
    missing: list[str] = []
    ended = {each.id for each in backfills}
    async with sync.step() as uow:
        for name in (store.LEADS, store.CALLS):
            state = await uow.sync_states.of(name)
            backfill_id = state.position.get("backfill")
            if backfill_id is not None and backfill_id not in ended:
                continue  # somebody else's, and still going on
            out_of_reach: list[str] = state.position.get("missing", [])
            state.position = {"missing": out_of_reach} if out_of_reach else {}
            state.error = (
                TooManyLeadsInADayError(out_of_reach).described() if out_of_reach else None
            )
            state.complete_until = max(until, state.complete_until or until)
            missing += out_of_reach
    return missing


async def _note_error(sync: SyncRun, error: IntegrationError) -> None:
    async with sync.step() as uow:
        state = await uow.sync_states.of(store.LEADS)
        state.error = error.described()


async def sync_changes(resources: Resources, since: datetime) -> None:
    """Read what has changed since then, after a first reading to the end.

    Raises:
        IntegrationError: Close did not let us read to the end; kept as the state's error too.
    """
    sync, began = SyncRun(resources, unreported), utc_now()
    try:
        await _refresh_fields(resources)
        await refetch_named(resources)
        await catch_up(sync, since)
    except IntegrationError as error:
        await _note_error(sync, error)
        raise
    await _note_complete(sync, began)


async def read_until(uow: UnitOfWork) -> datetime | None:
    """The moment up to which all is mirrored; None while everything has to be read first."""
    states = [await uow.sync_states.seen(name) for name in (store.LEADS, store.CALLS)]
    read = [state for state in states if state is not None and not _is_due(state)]
    until = [state.complete_until for state in read if state.complete_until is not None]
    return min(until) if len(until) == len(states) else None


async def _refresh_fields(resources: Resources) -> None:
    async with resources.unit_of_work(readonly=True) as uow:
        state = await uow.sync_states.seen(store.FIELDS)
    read_at = state.complete_until if state is not None else None
    if read_at is None or utc_now() - read_at > FIELDS_AGE:
        await store.store_fields(resources)
