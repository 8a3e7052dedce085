"""Who the CRM says was spoken with in calls of Vapi, so that their names can be taken out."""

from collections.abc import Iterable, Mapping, Sequence

from mission_control.core.json_types import JsonObject
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close.objects import CloseLead
from mission_control.integrations.vapi.call import VapiCall


async def contact_names(
    uow: UnitOfWork, calls: Iterable[JsonObject]
) -> Mapping[str, Sequence[str]]:
    """By the call's id: names of the people of its lead, or of the leads that have its number."""
    read = [VapiCall.of(raw) for raw in calls]
    numbers = {call.customer_number for call in read if call.customer_number is not None}
    by_number = await uow.leads.with_phones(numbers)
    leads_of = {
        call.id: {*by_number.get(call.customer_number or "", {}), *filter(None, [call.lead_id])}
        for call in read
        if call.id is not None
    }
    here = await uow.leads.present({lead for leads in leads_of.values() for lead in leads})
    names = {lead: await _names_of(uow, lead) for lead in sorted(here)}
    return {
        call_id: [name for lead in sorted(leads) for name in names.get(lead, ())]
        for call_id, leads in leads_of.items()
    }


async def _names_of(uow: UnitOfWork, lead_id: str) -> list[str]:
    lead = CloseLead.of((await uow.leads.get(lead_id)).document)
    return [contact.name for contact in lead.contacts if contact.name]
