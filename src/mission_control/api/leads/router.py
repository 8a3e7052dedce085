"""HTTP door of leads."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request

from mission_control.api.deps import NO_NUL, CursorQuery, Limit, ReadOnlyUow, SharedResources
from mission_control.api.leads import commands, queries
from mission_control.api.leads.errors import (
    LeadFilterUnknownError,
    LeadMirrorBehindError,
    LeadStatusUnknownError,
)
from mission_control.api.leads.schemas import (
    CLOSE_ID,
    LeadDetail,
    LeadFieldsRead,
    LeadPage,
    LeadUpdate,
)
from mission_control.api.problems import refusals
from mission_control.api.requests import open_parameters
from mission_control.core.errors import NotFoundError
from mission_control.data.pages import CursorError
from mission_control.integrations.close.errors import (
    LeadChoiceUnknownError,
    LeadFieldAmbiguousError,
    LeadFieldHoldsOneError,
    LeadFieldHoldsSeveralError,
    LeadFieldUnknownError,
    LeadUpdateUnconfirmedError,
)
from mission_control.integrations.close.fields import PREFIX
from mission_control.integrations.errors import (
    IntegrationContractError,
    IntegrationCredentialsError,
    IntegrationNotFoundError,
    IntegrationRateLimitedError,
    IntegrationRejectedError,
    IntegrationUnavailableError,
)

router = APIRouter(prefix="/api/leads", tags=["leads"])

LeadId = Annotated[str, Path(pattern=CLOSE_ID, description="Close's id of the lead.")]


@router.get(
    "",
    summary="List leads, newest first",
    responses=refusals(
        CursorError, LeadStatusUnknownError, LeadFieldUnknownError, LeadFieldAmbiguousError,
        LeadFilterUnknownError,
    ),
    openapi_extra=open_parameters(
        PREFIX,
        "`custom.<id or name of a custom field>=value`, as often as wanted: leads that have this "
        "value, or have it among others.",
    ),
)  # fmt: skip
async def list_leads(
    uow: ReadOnlyUow,
    request: Request,
    limit: Limit = 50,
    cursor: CursorQuery = None,
    search: Annotated[
        str | None,
        Query(
            max_length=200,
            pattern=NO_NUL,
            description="Words of a name, a number or a mail address.",
        ),
    ] = None,
    status: Annotated[
        str | None, Query(max_length=200, pattern=NO_NUL, description="Id or label.")
    ] = None,
) -> LeadPage:
    """What is mirrored of Close; it answers while Close does not."""
    return await queries.list_leads(
        uow,
        search=search,
        status=status,
        custom=queries.custom_filters(request.query_params.multi_items()),
        limit=limit,
        cursor=cursor,
    )


@router.get("/fields", summary="Say what custom fields and statuses leads have")
async def list_fields(uow: ReadOnlyUow) -> LeadFieldsRead:
    return await queries.list_fields(uow)


@router.get("/{lead_id}", summary="Show a lead", responses=refusals(NotFoundError))
async def get_lead(uow: ReadOnlyUow, lead_id: LeadId) -> LeadDetail:
    """With its calls at Vapi and Close, each with how it was found to be the lead's."""
    return await queries.show_lead(uow, lead_id)


@router.put(
    "/{lead_id}",
    summary="Change a lead, at Close and here",
    responses=refusals(
        NotFoundError, LeadStatusUnknownError, LeadFieldUnknownError, LeadFieldAmbiguousError,
        LeadFieldHoldsSeveralError, LeadFieldHoldsOneError, LeadChoiceUnknownError,
        IntegrationRejectedError, IntegrationCredentialsError, IntegrationNotFoundError,
        IntegrationRateLimitedError, IntegrationUnavailableError, IntegrationContractError,
        LeadUpdateUnconfirmedError, LeadMirrorBehindError,
    ),
)  # fmt: skip
async def update_lead(
    resources: SharedResources, lead_id: LeadId, request: LeadUpdate
) -> LeadDetail:
    """Close is asked first, once; what it refuses changes neither Close nor the mirror."""
    return await commands.update_lead(resources, lead_id, request)
