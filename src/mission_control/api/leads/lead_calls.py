"""The calls of one lead, at Vapi and at Close, each with how it is known to be the lead's."""

from collections.abc import Sequence
from uuid import UUID

from mission_control.api.leads.schemas import LeadCall, LeadReference
from mission_control.core.words import CallSource, LeadMatch
from mission_control.data.calls import Call
from mission_control.data.leads import Lead
from mission_control.data.unit_of_work import UnitOfWork


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
            name: getattr(call, name)
            for name in LeadCall.model_fields
            if hasattr(Call, name) and name != "same_call_as"
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
    """Both ways: each row of a pair names the other one."""
    pairs = [(call.id, call.same_call_as) for call in calls if call.same_call_as is not None]
    return dict(pairs) | {other: one for one, other in pairs}
