"""Leads: the mirror of Close's, kept up to date, searched here, and changed at Close first."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog

from mission_control.api.jobs.service import describe
from mission_control.api.leads.errors import (
    LeadFilterUnknownError,
    LeadMirrorBehindError,
    LeadStatusUnknownError,
)
from mission_control.api.leads.schemas import (
    ContactRead,
    CustomValue,
    LeadCall,
    LeadDetail,
    LeadFieldRead,
    LeadFieldsRead,
    LeadPage,
    LeadRead,
    LeadReference,
    LeadStatusRead,
    LeadUpdate,
)
from mission_control.api.mirrors.close import store as mirror
from mission_control.api.mirrors.close.backfill import (
    LONGEST_GAP,
    CloseSync,
    Walk,
    reconcile_leads,
    walk_calls,
    walk_leads,
)
from mission_control.api.mirrors.close.changes import catch_up, read_again
from mission_control.api.mirrors.report import SyncReport, unreported
from mission_control.api.queue import send_hint
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.phone_numbers import e164
from mission_control.core.words import CallSource, LeadMatch
from mission_control.data.calls import Call
from mission_control.data.leads import Lead, LeadField, LeadFilter
from mission_control.data.pages import Cursor
from mission_control.data.sync_states import SyncState
from mission_control.data.unit_of_work import DatabaseUnavailableError, UnitOfWork
from mission_control.integrations.close.errors import (
    LeadFieldAmbiguousError,
    LeadFieldUnknownError,
    TooManyLeadsInADayError,
)
from mission_control.integrations.close.fields import PREFIX
from mission_control.integrations.close.objects import CloseLead, JsonObject
from mission_control.integrations.errors import IntegrationError

log = structlog.get_logger(__name__)

SYNC_JOB = "sync"
CALLS_SHOWN = 200
SAME_CALL_WITHIN = timedelta(seconds=120)
FIELDS_AGE = timedelta(hours=1)
FOLLOW_HINTS = "leads.follow_hints"
MOST_HINTS = 1_000  # past that the next reading of what has changed is quicker
NOT_A_FILTER = {"search", "status", "limit", "cursor"}

Hints = dict[str, dict[str, int]]  # how often each id was named, by what it is to be done with


# -------------------------------------------------------------------- syncing


async def sync_close(resources: Resources, report: SyncReport) -> dict[str, int]:
    """Read Close into the mirror: all of it the first time, then what has changed.

    Returns how many leads and calls were new or different, and how many were removed. Goes on
    where an earlier sync was interrupted; two at once do each other no harm.

    Raises:
        IntegrationError: Close did not let us read to the end. What was read is kept.
    """
    sync = CloseSync(resources, report)
    try:
        await _read_all_that_is_due(sync)
    except IntegrationError as error:
        await _note_error(sync, error)
        raise
    return sync.counts


async def _read_all_that_is_due(sync: CloseSync) -> None:
    async with sync.step() as uow:
        leads = await uow.sync_states.of(mirror.LEADS)
        calls = await uow.sync_states.of(mirror.CALLS)
        until = [leads.complete_until, calls.complete_until]
        due = [_is_due(leads), _is_due(calls)]
    await mirror.store_fields(sync.resources)
    began = utc_now()
    lead_walk = await walk_leads(sync) if due[0] else None
    call_walk = await walk_calls(sync) if due[1] else None
    walks = [walk for walk in (lead_walk, call_walk) if walk is not None]
    since = [walk.started_at for walk in walks]
    since += [at for at, is_due in zip(until, due, strict=True) if at is not None and not is_due]
    await catch_up(sync, min(since))
    if lead_walk is not None:
        await reconcile_leads(lead_walk)
    missing = await _note_complete(sync, began, walks)
    if missing:
        raise TooManyLeadsInADayError(missing)


def _is_due(state: SyncState) -> bool:
    """Whether everything has to be read: never done, begun and not ended, or too long ago."""
    until = state.complete_until
    return "walk" in state.position or until is None or utc_now() - until > LONGEST_GAP


async def _note_complete(sync: CloseSync, until: datetime, walks: Sequence[Walk] = ()) -> list[str]:
    """Returns the days of which leads are missing: what is read to its end is not always all."""
    missing: list[str] = []
    ended = {walk.id for walk in walks}
    async with sync.step() as uow:
        for name in (mirror.LEADS, mirror.CALLS):
            state = await uow.sync_states.of(name)
            walk = state.position.get("walk")
            if walk is not None and walk not in ended:
                continue  # somebody else's, and still going on
            out_of_reach: list[str] = state.position.get("missing", [])
            state.position = {"missing": out_of_reach} if out_of_reach else {}
            state.error = describe(TooManyLeadsInADayError(out_of_reach)) if out_of_reach else None
            state.complete_until = max(until, state.complete_until or until)
            missing += out_of_reach
    return missing


async def _note_error(sync: CloseSync, error: IntegrationError) -> None:
    async with sync.step() as uow:
        state = await uow.sync_states.of(mirror.LEADS)
        state.error = describe(error)


async def poll_close(resources: Resources) -> None:
    """Read what has changed, unless a sync is at it or nothing was ever read to the end.

    What goes wrong is noted and not raised: the next poll is a few minutes away.
    """
    async with resources.unit_of_work(readonly=True) as uow:
        is_syncing = await uow.jobs.holding(SYNC_JOB) is not None
        states = [await uow.sync_states.seen(name) for name in (mirror.LEADS, mirror.CALLS)]
    known = [state for state in states if state is not None and not _is_due(state)]
    until = [state.complete_until for state in known if state.complete_until is not None]
    if is_syncing or len(until) < len(states):
        return
    sync, began = CloseSync(resources, unreported), utc_now()
    try:
        await _refresh_fields(resources)
        await follow_hints(resources)
        await catch_up(sync, min(until))
    except IntegrationError as error:
        log.warning("close_poll_failed", code=error.code, detail=error.message)
        await _note_error(sync, error)
    else:
        await _note_complete(sync, began)


async def _refresh_fields(resources: Resources) -> None:
    async with resources.unit_of_work(readonly=True) as uow:
        state = await uow.sync_states.seen(mirror.FIELDS)
    read_at = state.complete_until if state is not None else None
    if read_at is None or utc_now() - read_at > FIELDS_AGE:
        await mirror.store_fields(resources)


# -------------------------------------------------------------------- webhooks


async def take_close_event(resources: Resources, event: JsonObject) -> None:
    """Take what a webhook says as a hint, and return at once.

    Events come late, twice and in any order, and hold no contacts: so what has changed is read
    again from Close, behind the webhook's back. Only ends are applied as they are told.
    """
    async with resources.unit_of_work() as uow:
        await mirror.apply_end(uow, event)
        named = {
            "leads": mirror.lead_to_read(event),
            "calls": mirror.call_to_read(event),
            "gone": mirror.deleted_lead(event),
        }
        if not any(named.values()):
            return
        state = await uow.sync_states.of(mirror.HINTS)
        hints: Hints = {name: dict(state.position.get(name, {})) for name in named}
        for name, found in named.items():
            if found is not None and (found in hints[name] or len(hints[name]) < MOST_HINTS):
                hints[name][found] = hints[name].get(found, 0) + 1
        if not any(state.position.values()):  # else somebody is on the way already
            uow.after_commit(lambda: send_hint(FOLLOW_HINTS))
        state.position = hints


async def follow_hints(resources: Resources) -> None:
    """Read again what webhooks have named. What cannot be read now stays named."""
    async with resources.unit_of_work(readonly=True) as uow:
        state = await uow.sync_states.seen(mirror.HINTS)
    hints: Hints = state.position if state is not None else {}
    if not any(hints.values()):
        return
    sync = CloseSync(resources, unreported)
    await read_again(
        sync,
        lead_ids=[*hints.get("leads", {})],
        call_ids=[*hints.get("calls", {})],
        gone_ids=[*hints.get("gone", {})],
    )
    async with sync.step() as uow:
        now = await uow.sync_states.of(mirror.HINTS)
        now.position = {
            name: _named_since(named, hints.get(name, {})) for name, named in now.position.items()
        }
        if any(now.position.values()):
            uow.after_commit(lambda: send_hint(FOLLOW_HINTS))


def _named_since(named: Mapping[str, int], read: Mapping[str, int]) -> dict[str, int]:
    """What was named while it was being read has changed again, perhaps after we looked."""
    return {one: times for one, times in named.items() if read.get(one) != times}


# -------------------------------------------------------------------- listing


async def list_leads(
    uow: UnitOfWork,
    *,
    search: str | None,
    status: str | None,
    custom: Sequence[tuple[str, str]],
    limit: int,
    cursor: str | None,
) -> LeadPage:
    """`custom`: pairs of the id or name of a field and what it must hold.

    Raises:
        NotAcceptableError: A status or custom field that there is not.
    """
    fields, labels = await uow.leads.fields(), await _labels(uow)
    status_id = _status_id(status, labels) if status is not None and labels else None
    wanted = LeadFilter(
        words=_words(search),
        status_id=status_id,
        status_label=status if status is not None and not labels else None,
        custom=[(_field_named(named, fields), value) for named, value in custom],
    )
    page = await uow.leads.page(
        wanted, limit=limit, cursor=Cursor.decode(cursor) if cursor else None
    )
    return LeadPage(
        items=[_read(lead, labels) for lead in page.items], next_cursor=page.next_cursor
    )


def custom_filters(query: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Raises LeadFilterUnknownError."""
    unknown = [
        name
        for name, value in query
        if "\x00" in value or (name not in NOT_A_FILTER and not name.startswith(PREFIX))
    ]
    if unknown:
        raise LeadFilterUnknownError(unknown)
    return [(name.removeprefix(PREFIX), value) for name, value in query if name.startswith(PREFIX)]


def _words(search: str | None) -> list[str]:
    """A telephone number is one word, however it is written."""
    if search is None:
        return []
    number = e164(search)
    return [number] if number is not None else search.split()


def _field_named(named: str, fields: Sequence[LeadField]) -> LeadField:
    found = [field for field in fields if field.id == named]
    found = found or [field for field in fields if field.name == named]
    if not found:
        raise LeadFieldUnknownError(named, [field.name for field in fields])
    if len(found) > 1:
        raise LeadFieldAmbiguousError(named, [field.id for field in found])
    return found[0]


async def list_fields(uow: UnitOfWork) -> LeadFieldsRead:
    state = await uow.sync_states.seen(mirror.FIELDS)
    labels = await _labels(uow)
    return LeadFieldsRead(
        fields=[LeadFieldRead.model_validate(field) for field in await uow.leads.fields()],
        statuses=[LeadStatusRead(id=status_id, label=label) for status_id, label in labels.items()],
        read_at=state.complete_until if state is not None else None,
    )


async def _labels(uow: UnitOfWork) -> dict[str, str]:
    """Label of each status by its id, in Close's order."""
    state = await uow.sync_states.seen(mirror.FIELDS)
    return dict(state.position.get("statuses", [])) if state is not None else {}


def _status_id(named: str, labels: Mapping[str, str]) -> str:
    """Raises LeadStatusUnknownError."""
    if named in labels:
        return named
    found = [one for one, label in labels.items() if label.lower() == named.lower()]
    if not found:
        raise LeadStatusUnknownError(list(labels.values()))
    return found[0]


def _read(lead: Lead, labels: Mapping[str, str]) -> LeadRead:
    read = LeadRead.model_validate(lead)
    # A status may have been renamed since the lead was read.
    read.status_label = labels.get(lead.status_id or "", lead.status_label)
    return read


# -------------------------------------------------------------------- one lead


async def show_lead(uow: UnitOfWork, lead_id: str) -> LeadDetail:
    """Raises NotFoundError."""
    lead = await uow.leads.get(lead_id)
    fields, labels = await uow.leads.fields(), await _labels(uow)
    known = CloseLead.of(lead.document)
    calls = await _calls(uow, lead)
    return LeadDetail(
        **_read(lead, labels).model_dump(),
        description=_text(lead.document, "description"),
        url=_text(lead.document, "url"),
        close_url=_text(lead.document, "html_url"),
        contacts=[
            ContactRead(
                id=each.id,
                name=each.name,
                title=each.title,
                phones=list(each.phones),
                emails=list(each.emails),
            )
            for each in known.contacts
        ],
        custom_fields=_custom_values(lead.custom, fields),
        mirrored_at=lead.mirrored_at,
        calls=calls[:CALLS_SHOWN],
        more_calls=len(calls) > CALLS_SHOWN,
    )


def _text(document: Mapping[str, Any], key: str) -> str | None:
    value = document.get(key)
    return value if isinstance(value, str) and value else None


def _custom_values(custom: Mapping[str, Any], fields: Sequence[LeadField]) -> list[CustomValue]:
    """In the order in which people see them in Close; unknown ones at the end."""
    known = {field.id: field for field in fields}
    in_order = [*(one for one in known if one in custom), *(custom.keys() - known.keys())]
    return [
        CustomValue(
            id=one,
            name=known[one].name if one in known else None,
            type=known[one].type if one in known else None,
            value=custom[one],
        )
        for one in in_order
    ]


async def _calls(uow: UnitOfWork, lead: Lead) -> list[LeadCall]:
    phones = await uow.leads.phones(lead.id)
    calls = await uow.calls.of_lead(lead.id, phones, limit=CALLS_SHOWN + 1)
    sharing = await uow.leads.with_phones(phones)
    same = _same_calls(calls)
    found: list[LeadCall] = []
    for call in calls:
        matched_by = _matched_by(call, lead.id)
        others = sharing.get(call.customer_number or "", {})
        columns = {
            name: getattr(call, name) for name in LeadCall.model_fields if hasattr(Call, name)
        }
        found.append(
            LeadCall(
                **columns,
                matched_by=matched_by,
                same_call_as=same.get(call.id),
                other_leads=[
                    LeadReference(id=other_id, name=name)
                    for other_id, name in others.items()
                    if other_id != lead.id and matched_by is LeadMatch.PHONE
                ],
            )
        )
    return found


def _matched_by(call: Call, lead_id: str) -> LeadMatch:
    if call.lead_id != lead_id:
        return LeadMatch.PHONE
    return LeadMatch.CLOSE if call.source is CallSource.CLOSE else LeadMatch.METADATA


def _same_calls(calls: Sequence[Call]) -> dict[Any, Any]:
    """Pairs of rows, one of each source, that tell of one conversation; the nearest in time first."""
    pairs = sorted(
        (
            (abs(_begin(one) - _begin(other)), str(one.id), one.id, other.id)
            for one in calls
            if one.source is CallSource.VAPI and one.customer_number is not None
            for other in calls
            if other.source is CallSource.CLOSE
            and other.customer_number == one.customer_number
            and abs(_begin(one) - _begin(other)) <= SAME_CALL_WITHIN
        ),
        key=lambda pair: pair[:2],
    )
    same: dict[Any, Any] = {}
    for _, _, one_id, other_id in pairs:
        if one_id not in same and other_id not in same:
            same |= {one_id: other_id, other_id: one_id}
    return same


def _begin(call: Call) -> datetime:
    return call.started_at or call.created_at


# -------------------------------------------------------------------- changing


async def update_lead(resources: Resources, lead_id: str, request: LeadUpdate) -> LeadDetail:
    """Change the lead at Close, then here, from Close's answer. What Close refuses changes neither.

    Raises:
        NotFoundError: It is not mirrored here.
        NotAcceptableError: A status, field or value that Close would not understand as meant.
        LeadUpdateUnconfirmedError: Close may or may not have taken it.
        LeadMirrorBehindError: Close has taken it, and the database here does not answer.
    """
    async with resources.unit_of_work(readonly=True) as uow:
        await uow.leads.get(lead_id)
        labels = await _labels(uow)
    data: dict[str, Any] = request.model_dump(exclude_unset=True, exclude={"status"})
    if request.status is not None:
        data["status_id"] = await _status_at_close(resources, request.status, labels)
    lead = await resources.close.update_lead(lead_id, data)
    try:
        async with resources.unit_of_work() as uow:
            await mirror.store_leads(uow, [lead], seen_at=utc_now())
    except DatabaseUnavailableError as error:
        raise LeadMirrorBehindError(lead_id) from error
    async with resources.unit_of_work(readonly=True) as uow:
        return await show_lead(uow, lead_id)


async def _status_at_close(resources: Resources, named: str, labels: Mapping[str, str]) -> str:
    """As known here, else as Close says now."""
    with suppress(LeadStatusUnknownError):
        return _status_id(named, labels)
    return _status_id(named, await resources.close.lead_statuses())
