"""What is read of leads: lists by words, status and custom fields, and one lead with its calls."""

from collections.abc import Mapping, Sequence
from typing import Any

from mission_control.api.leads.errors import LeadFilterUnknownError, LeadStatusUnknownError
from mission_control.api.leads.lead_calls import calls_of_lead
from mission_control.api.leads.schemas import (
    ContactRead,
    CustomValue,
    LeadDetail,
    LeadFieldRead,
    LeadFieldsRead,
    LeadPage,
    LeadRead,
    LeadStatusRead,
)
from mission_control.api.mirrors.close.store import FIELDS
from mission_control.data.leads import Lead, LeadField, LeadFilter
from mission_control.data.pages import Cursor
from mission_control.data.unit_of_work import UnitOfWork
from mission_control.integrations.close.errors import LeadFieldAmbiguousError, LeadFieldUnknownError
from mission_control.integrations.close.fields import PREFIX
from mission_control.integrations.close.objects import CloseLead

CALLS_SHOWN = 200
NOT_A_FILTER = {"search", "status", "limit", "cursor"}


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
    fields, labels = await uow.leads.fields(), await status_labels(uow)
    status_id = status_id_of(status, labels) if status is not None and labels else None
    wanted = LeadFilter(
        text=(search or "").strip() or None,
        status_id=status_id,
        status_label=status if status is not None and not labels else None,
        custom=[(_field_named(named, fields), value) for named, value in custom],
    )
    page = await uow.leads.page(wanted, limit=limit, cursor=Cursor.decode(cursor, Lead))
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


def _field_named(named: str, fields: Sequence[LeadField]) -> LeadField:
    found = [field for field in fields if field.id == named]
    found = found or [field for field in fields if field.name == named]
    if not found:
        raise LeadFieldUnknownError(named, [field.name for field in fields])
    if len(found) > 1:
        raise LeadFieldAmbiguousError(named, [field.id for field in found])
    return found[0]


async def list_fields(uow: UnitOfWork) -> LeadFieldsRead:
    state = await uow.sync_states.seen(FIELDS)
    labels = await status_labels(uow)
    return LeadFieldsRead(
        fields=[LeadFieldRead.model_validate(field) for field in await uow.leads.fields()],
        statuses=[LeadStatusRead(id=status_id, label=label) for status_id, label in labels.items()],
        read_at=state.complete_until if state is not None else None,
    )


async def status_labels(uow: UnitOfWork) -> dict[str, str]:
    """Label of each status by its id, in Close's order."""
    state = await uow.sync_states.seen(FIELDS)
    return dict(state.position.get("statuses", [])) if state is not None else {}


def status_id_of(named: str, labels: Mapping[str, str]) -> str:
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
    fields, labels = await uow.leads.fields(), await status_labels(uow)
    known = CloseLead.of(lead.document)
    calls = await calls_of_lead(uow, lead, limit=CALLS_SHOWN + 1)
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
