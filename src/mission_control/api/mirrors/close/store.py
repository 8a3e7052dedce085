"""Puts what Close sends into the mirror: leads, their custom fields, and calls with what was said."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from mission_control.api.mirrors.close.transcripts import await_transcripts
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.core.words import CallEnding, CallSource
from mission_control.data.call_facts import CallFacts
from mission_control.data.leads import LeadFacts, LeadField
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close.fields import CustomField
from mission_control.integrations.close.objects import CloseCall, CloseLead, JsonObject
from mission_control.integrations.close_client import CloseClient
from mission_control.integrations.errors import IntegrationNotFoundError

log = structlog.get_logger(__name__)

# The names of their `SyncState`s.
FIELDS, LEADS, CALLS = "close.fields", "close.leads", "close.calls"
EVENTS = "close.events"


# -------------------------------------------------------------------- leads


async def store_leads(uow: UnitOfWork, leads: Sequence[JsonObject], *, seen_at: datetime) -> int:
    """Returns how many were new or had changed."""
    facts = [_lead_facts(CloseLead.of(lead)) for lead in leads]
    return len(await uow.leads.store(facts, seen_at=seen_at))


def _lead_facts(lead: CloseLead) -> LeadFacts:
    return LeadFacts(
        id=lead.id,
        created_at=lead.created_at,
        updated_at=lead.updated_at,
        name=lead.name,
        status_id=_short(lead.status_id, 64),
        status_label=_short(lead.status_label, 200),
        phones=lead.phones,
        primary_email=_short(next(iter(lead.emails), None), 320),
        search_text=lead.search_text,
        custom=lead.custom,
        document=lead.document,
    )


async def store_fields(resources: Resources) -> None:
    """What custom fields and statuses there are."""
    fields = await resources.close.custom_fields()
    statuses = await resources.close.lead_statuses()
    async with resources.unit_of_work() as uow:
        await uow.leads.store_fields([_field(field) for field in fields])
        state = await uow.sync_states.of(FIELDS)
        # A list: JSON on PostgreSQL does not keep the order of keys.
        state.position = {"statuses": [*statuses.items()]}
        state.complete_until = utc_now()


def _field(field: CustomField) -> LeadField:
    return LeadField(
        id=field.id,
        name=field.name[:200],
        type=field.type[:32],
        accepts_multiple=field.accepts_multiple,
        choices=list(field.choices),
        position=field.position,
    )


async def read_leads_again(
    close: CloseClient, lead_ids: Sequence[str], present: set[str], *, singly: bool = False
) -> tuple[list[JsonObject], list[str]]:
    """The leads as they are now, and those of `present` that are no more.

    Close's lists lag behind, so a lead is only called gone when it is not to be had by itself.
    """
    found = [] if singly else await close.leads_with_ids(lead_ids)
    gone: list[str] = []
    for lead_id in sorted(present - {str(lead["id"]) for lead in found}):
        try:
            found.append(await close.get_lead(lead_id))
        except IntegrationNotFoundError:
            gone.append(lead_id)
    return found, gone


# -------------------------------------------------------------------- calls


async def with_transcripts(close: CloseClient, calls: Sequence[JsonObject]) -> list[JsonObject]:
    """The same calls with what was said in those that may have been transcribed."""
    wanted = [str(call["id"]) for call in calls if CloseCall.of(call).wants_transcript]
    said = await close.transcripts_of(wanted)
    return [{**call, **said.get(str(call["id"]), {})} for call in calls]


async def store_calls(uow: UnitOfWork, calls: Sequence[JsonObject]) -> int:
    """Returns how many were new or had changed."""
    read = [CloseCall.of(call) for call in calls]
    await await_transcripts(uow, read)
    return await uow.calls.store([_call_facts(call) for call in read])


def _call_facts(call: CloseCall) -> CallFacts:
    transcript = call.transcript
    return CallFacts(
        source=CallSource.CLOSE,
        external_id=call.id,
        created_at=call.created_at,
        source_updated_at=call.updated_at,
        lead_id=_short(call.lead_id, 64),
        contact_id=_short(call.contact_id, 64),
        names_call=call.names_call,
        direction=_short(call.direction, 32),
        status=_short(call.status, 32),
        started_at=call.started_at,
        ended_at=call.ended_at,
        duration_seconds=call.duration_seconds,
        ended_reason=_short(call.reason, 200),
        ending=CallEnding(call.ending) if call.ending is not None else None,
        cost_usd=call.cost_usd,
        customer_number=call.customer_number,
        summary=transcript.summary if transcript is not None else None,
        transcript=transcript.text if transcript is not None else None,
        document=call.document,
    )


async def give_calls(uow: UnitOfWork, calls: Sequence[JsonObject]) -> None:
    """To the leads that Close keeps them with: a merge moves calls without changing them."""
    by_lead: dict[str, list[str]] = {}
    for call in map(CloseCall.of, calls):
        if call.lead_id is not None:
            by_lead.setdefault(call.lead_id, []).append(call.id)
    for lead_id, call_ids in sorted(by_lead.items()):
        await uow.leads.give_calls(lead_id, call_ids)


def _short(given: str | None, length: int) -> str | None:
    return None if given is None else given[:length]
