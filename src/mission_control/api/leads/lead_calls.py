"""The calls of one lead, at Vapi and at Close, each with how it is known to be the lead's."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from mission_control.api.leads.schemas import LeadCall, LeadReference
from mission_control.core.words import CallSource, LeadMatch
from mission_control.data.calls import Call
from mission_control.data.leads import Lead
from mission_control.data.unit_of_work import UnitOfWork

SAME_CALL_WITHIN = timedelta(seconds=120)


async def calls_of_lead(uow: UnitOfWork, lead: Lead, *, limit: int) -> list[LeadCall]:
    phones = await uow.leads.phones(lead.id)
    calls = await uow.calls.of_lead(lead.id, phones, limit=limit)
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


def _same_calls(calls: Sequence[Call]) -> dict[UUID, UUID]:
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
    same: dict[UUID, UUID] = {}
    for _, _, one_id, other_id in pairs:
        if one_id not in same and other_id not in same:
            same |= {one_id: other_id, other_id: one_id}
    return same


def _begin(call: Call) -> datetime:
    return call.started_at or call.created_at
