"""Changing a lead: at Close first, then in the mirror."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mission_control.api.leads.errors import LeadMirrorBehindError, LeadStatusUnknownError
from mission_control.api.leads.queries import show_lead, status_id_of, status_labels
from mission_control.api.leads.schemas import LeadDetail, LeadUpdate
from mission_control.api.mirrors.close import store
from mission_control.api.resources import Resources
from mission_control.core.clock import utc_now
from mission_control.data.unit_of_work import DatabaseUnavailableError


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
        labels = await status_labels(uow)
    data: dict[str, Any] = request.model_dump(exclude_unset=True, exclude={"status"})
    if request.status is not None:
        data["status_id"] = await _status_at_close(resources, request.status, labels)
    lead = await resources.close.update_lead(lead_id, data)
    try:
        async with resources.unit_of_work() as uow:
            await store.store_leads(uow, [lead], seen_at=utc_now())
    except DatabaseUnavailableError as error:
        raise LeadMirrorBehindError(lead_id) from error
    async with resources.unit_of_work(readonly=True) as uow:
        return await show_lead(uow, lead_id)


async def _status_at_close(resources: Resources, named: str, labels: Mapping[str, str]) -> str:
    """As known here, else as Close says now."""
    with suppress(LeadStatusUnknownError):
        return status_id_of(named, labels)
    return status_id_of(named, await resources.close.lead_statuses())
